import type { ManagedCert } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedCert.js';
import type { ShowCertResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ShowCertResponse.js';
import { certEnds } from '../../shared/model/cert.js';
import { renderFields, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

const dayMs = 86_400_000;

/** Most names of a certificate in a list. */
const mostNames = 3;

const states: Readonly<Record<string, Cell>> = {
  ok: { text: 'as it was written', tone: 'green' },
  edited: { text: 'altered by hand', tone: 'red' },
  missing: { text: 'taken away by hand', tone: 'red' },
};

/** A day and how far it is away: `2026-05-30, in 30 days`. */
function endCell(notAfter: number | undefined, now: number): Cell {
  if (notAfter === undefined || notAfter === 0) return '';
  const leftMs = notAfter * 1000 - now;
  const days = Math.floor(Math.abs(leftMs) / dayMs);
  const counted = `${String(days)} ${days === 1 ? 'day' : 'days'}`;
  const text = `${dayOf(notAfter)}, ${leftMs <= 0 ? `${counted} ago` : `in ${counted}`}`;
  if (leftMs < certEnds.errorMs) return { text, tone: 'red' };
  return leftMs < certEnds.warningMs ? { text, tone: 'yellow' } : text;
}

function dayOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? '?' : date.toISOString().slice(0, 10);
}

function sourceText({ cert }: ManagedCert): string {
  return (cert?.names.length ?? 0) > 0 ? 'self-signed' : 'supplied';
}

function namesText(names: readonly string[], most: number): string {
  return names.length <= most ? names.join(' ') : `${names.slice(0, most).join(' ')} (+${String(names.length - most)})`;
}

/** What is to be known of a certificate at a glance. */
function stateCell({ state, pending, pendingReason }: ManagedCert): Cell {
  if (pending) return { text: `pending${pendingReason === '' ? '' : `: ${pendingReason}`}`, tone: 'yellow' };
  if (state === null || state.state === 'ok') return '';
  return (Object.hasOwn(states, state.state) ? states[state.state] : undefined) ?? state.state;
}

/** Certificates of the inventory as a table. */
export function renderManagedCerts(terminal: Pick<Terminal, 'color'>, rows: readonly ManagedCert[], how: { readonly now: number; readonly none: string }): string {
  const cells = rows.map((row): Cell[] => {
    const names = row.state !== null && row.state.names.length > 0 ? row.state.names : (row.cert?.names ?? []);
    return [row.hostName, row.cert?.name ?? '', sourceText(row), namesText(names, mostNames), endCell(row.state?.notAfter, how.now), namesText(row.sites, 1), stateCell(row)];
  });
  return renderTable(terminal, ['host', 'name', 'source', 'names', 'expires', 'sites', 'state'], cells, how.none);
}

/** One certificate as it should be and as it is. */
export function renderCert(terminal: Pick<Terminal, 'color'>, { cert: row, unasked }: ShowCertResponse, now: number): string {
  if (row === null) return '';
  const { cert, state } = row;
  const own = cert !== null && cert.names.length > 0;
  return renderFields(terminal, [
    ['host', row.hostName],
    ['name', cert?.name ?? ''],
    ['source', own ? `self-signed, good for ${String(cert.days)} days, made anew when less than a third is left` : 'supplied'],
    ['names', (state !== null && state.names.length > 0 ? state.names : (cert?.names ?? [])).join(' ')],
    ['issuer', state?.issuer ?? ''],
    ['good from', state === null || state.notBefore === 0 ? '' : dayOf(state.notBefore)],
    ['expires', endCell(state?.notAfter, now)],
    ['sha256', state?.fingerprint.toString('hex') ?? ''],
    ['public key', state === null || state.spki.length === 0 ? '' : `sha256:${state.spki.toString('hex')}`],
    ['files', `/etc/ssl/reeve/${cert?.name ?? ''}/cert.pem and key.pem`],
    ['key readable by', cert === null || cert.group === '' ? 'root only' : `root and group ${cert.group}`],
    ['reloads', cert?.units.join(' ') ?? ''],
    ['sites', row.sites.join(' ')],
    ['state', row.pending || state === null ? stateCell(row) : ((Object.hasOwn(states, state.state) ? states[state.state] : undefined) ?? state.state)],
    ['not asked', unasked === '' ? '' : { text: unasked, tone: 'yellow' }],
    ['added', `${formatTime(row.addedAt)} by ${row.addedBy}`],
  ]);
}

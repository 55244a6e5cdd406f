import type { ForeignNat } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import { vis } from '../../shared/model/vis.js';
import { portText, protocolText, targetText } from './nat-rule-text.js';
import { renderRows, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';

/** What others made on a host. */
export interface Foreign {
  readonly foreign: readonly ForeignNat[];
  readonly unread: readonly string[];
  readonly truncated: boolean;
}

/** What a rule of somebody else does. */
function deedText({ forward, masquerade }: ForeignNat): string {
  if (forward !== null) return `${portText(forward)} -> ${targetText(forward)}${forward.sources.length === 0 ? '' : ` from ${forward.sources.join(',')}`}`;
  if (masquerade !== null) return `masquerade ${masquerade.source}${masquerade.outInterface === '' ? '' : ` through ${masquerade.outInterface}`}${masquerade.toAddress === '' ? '' : ` as ${masquerade.toAddress}`}`;
  return '?';
}

function foreignRow(row: ForeignNat): Cell[] {
  return [row.rule, deedText(row), row.owner, row.problem === '' ? { text: 'yes', tone: 'green' } : { text: `no: ${row.problem}`, tone: 'yellow' }];
}

/** The rules of others as a table. */
export function renderForeignRules(terminal: Pick<Terminal, 'color'>, rows: readonly ForeignNat[], none: string): string {
  return renderTable(terminal, ['rule', 'does', 'owner', 'can be adopted'], rows.map(foreignRow), none);
}

/** Lines that make rules again when a host starts, with what they make. */
function bootLines(terminal: Pick<Terminal, 'color'>, rows: readonly ForeignNat[]): string {
  return renderRows(terminal, rows.flatMap((row) => row.bootSources.map((source): Cell[] => [`  ${source}`, deedText(row)])));
}

function rest({ unread, truncated }: Foreign): string {
  const files = unread.map((path) => `Not read: ${vis(path)}, which may make rules at the next start\n`);
  return `${files.join('')}${truncated ? 'There is more than is shown.\n' : ''}`;
}

/** All that others made on a host, what makes it again at the next start, and what could not be read. */
export function renderForeign(terminal: Pick<Terminal, 'color'>, found: Foreign): string {
  const table = renderForeignRules(terminal, found.foreign, 'No forwards and masquerades of others.');
  const boot = bootLines(terminal, found.foreign);
  return `${table}${boot === '' ? '' : `Made again at the next start by:\n${boot}`}${rest(found)}`;
}

/** Whether a rule of somebody else is one of those that were named: `tcp/8080` or `masquerade:NETWORK`; nothing named: all. */
function isNamed({ forward, masquerade }: ForeignNat, which: readonly string[]): boolean {
  if (which.length === 0) return true;
  if (masquerade !== null && which.includes(`masquerade:${masquerade.source}`)) return true;
  if (forward === null || forward.ports === null) return false;
  const { protocol, ports } = forward;
  return which.some((name) => {
    const [called, port] = name.split('/');
    return called === protocolText(protocol) && Number(port) >= ports.first && Number(port) <= ports.last;
  });
}

/** What a take-over leaves as it is and why, and what has to be taken out by hand so that the rest is not made twice. Empty: nothing. */
export function renderLeftBehind(terminal: Pick<Terminal, 'color'>, found: Foreign, which: readonly string[]): string {
  const named = found.foreign.filter((row) => isNamed(row, which));
  const left = named.filter((row) => row.problem !== '');
  const boot = bootLines(terminal, named.filter((row) => row.problem === ''));
  return [
    left.length === 0 ? '' : `These stay as they are:\n${renderForeignRules(terminal, left, '')}`,
    boot === '' ? '' : `Take these lines out on the host, else they make again at the next start what is taken over:\n${boot}`,
    rest(found),
  ].join('');
}

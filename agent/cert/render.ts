import type { FieldChange } from '../../shared/model/change.js';
import type { ObservedCert } from './observe.js';
import type { WantedCert } from './wanted.js';

/** What people see of a certificate. */
type Row = Readonly<Record<'source' | 'names' | 'days' | 'ends' | 'fingerprint' | 'group' | 'units', string>>;

const nobody: Row = { source: '', names: '', days: '', ends: '', fingerprint: '', group: '', units: '' };

/** Most names that are told of one certificate. */
const mostNames = 8;

/** What differs between a certificate as it was written and as it is wanted; undefined: it goes. */
export function certFields(wanted: WantedCert | undefined, now: ObservedCert): readonly FieldChange[] {
  return between(presentRow(now), wanted === undefined ? nobody : wantedRow(wanted));
}

/** What a new certificate has. */
export function wantedFields(wanted: WantedCert): readonly FieldChange[] {
  return between(nobody, wantedRow(wanted));
}

/** The day on which something ends, by its Unix s. */
export function formatDay(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

function between(before: Row, after: Row): FieldChange[] {
  return (Object.keys(nobody) as (keyof Row)[]).map((field) => ({ field, from: before[field], to: after[field] })).filter(({ from, to }) => from !== to);
}

function wantedRow({ cert, facts }: WantedCert): Row {
  const { source } = cert;
  return {
    source: source.kind,
    names: namesText(source.kind === 'self-signed' ? source.names : (facts?.names ?? [])),
    days: source.kind === 'self-signed' ? String(source.days) : '',
    ends: facts === undefined ? '' : formatDay(facts.notAfter),
    fingerprint: shortOf(facts?.fingerprint),
    group: cert.group ?? '',
    units: cert.units.join(' '),
  };
}

function presentRow({ kind, note, facts, group, units }: ObservedCert): Row {
  const own = note?.kind === 'self-signed';
  return {
    source: kind,
    names: namesText(facts?.names ?? []),
    days: own ? String(note.days) : '',
    ends: own || facts === undefined ? '' : formatDay(facts.notAfter),
    fingerprint: own ? '' : shortOf(facts?.fingerprint),
    group: group ?? '',
    units: units.join(' '),
  };
}

function namesText(names: readonly string[]): string {
  return names.length <= mostNames ? names.join(' ') : `${names.slice(0, mostNames).join(' ')} and ${String(names.length - mostNames)} more`;
}

function shortOf(fingerprint: string | undefined): string {
  return fingerprint === undefined ? '' : fingerprint.slice(0, 16);
}

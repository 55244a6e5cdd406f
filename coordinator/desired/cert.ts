import { byName, certEnds, type Cert, type CertState } from '../../shared/model/cert.js';

/** A certificate of the inventory. */
export interface CertRow {
  readonly hostId: string;
  /** `overwrite` until its host has written it. */
  readonly cert: Cert;
  /** What its host said last; undefined: nothing yet. */
  readonly state: (CertState & { readonly seenAtMs: number }) | undefined;
  /** The operator who added it. */
  readonly by: string;
  readonly addedAtMs: number;
  /** The generation of noun cert at which it was last altered. */
  readonly generation: number;
}

/** What becomes of a certificate; undefined: it stays. */
export interface CertEdit {
  readonly chainPem: string | undefined;
  readonly names: readonly string[] | undefined;
  readonly days: number | undefined;
  /** Empty: root only. */
  readonly group: string | undefined;
  readonly units: readonly string[] | undefined;
  readonly overwrite: boolean;
}

/** Days of a self-signed certificate that nobody said otherwise of. */
export const usualCertDays = 365;

/** What the agent of a host is asked to make so, by name. */
export function desiredCerts(rows: readonly CertRow[]): readonly Cert[] {
  return rows.map(({ cert }) => cert).sort(byName);
}

/** A certificate after an edit that was parsed. */
export function editCert(cert: Cert, edit: CertEdit): Cert {
  return {
    ...cert,
    source: editSource(cert, edit),
    group: edit.group === undefined ? cert.group : edit.group === '' ? undefined : edit.group,
    units: edit.units ?? cert.units,
    overwrite: cert.overwrite || edit.overwrite,
  };
}

function editSource({ source }: Cert, { chainPem, names, days }: CertEdit): Cert['source'] {
  if (chainPem !== undefined) return { kind: 'supplied', chainPem };
  if (names !== undefined) return { kind: 'self-signed', names, days: days ?? (source.kind === 'self-signed' ? source.days : usualCertDays) };
  return source.kind === 'self-signed' && days !== undefined ? { ...source, days } : source;
}

/** Whether a self-signed certificate is to be made anew by now: less than a third of its time is left. */
export function isCertDue({ cert: { source }, state }: Pick<CertRow, 'cert' | 'state'>, now: number): boolean {
  return source.kind === 'self-signed' && state?.facts !== undefined && state.facts.notAfter * 1000 - now < source.days * 28_800_000;
}

/** Those that end first come first, those of which nothing is known last; then by host and name. */
export function byEnd(a: CertRow & { readonly hostName: string }, b: CertRow & { readonly hostName: string }): number {
  const end = (row: CertRow): number => row.state?.facts?.notAfter ?? Infinity;
  const [endA, endB] = [end(a), end(b)];
  if (endA !== endB) return endA < endB ? -1 : 1;
  return a.hostName === b.hostName ? byName(a.cert, b.cert) : a.hostName < b.hostName ? -1 : 1;
}

/** Something that is wrong with a certificate. */
export interface CertProblem {
  readonly code: 'CERT_EXPIRED' | 'CERT_ENDS' | 'CERT_EDITED' | 'CERT_MISSING';
  readonly severity: 'warning' | 'error';
  readonly title: string;
  readonly text: string;
  /** Unix ms. */
  readonly since: number;
}

/** What people have to know of a certificate of a host; an end that is near, and what was altered by hand. */
export function certProblems({ cert, state }: CertRow, hostName: string, now: number): readonly CertProblem[] {
  if (state === undefined) return [];
  const problems: CertProblem[] = [];
  const remedy = cert.source.kind === 'self-signed' ? `it should have been made anew; see: reeve cert show ${hostName} ${cert.name}` : `to replace it: reeve cert set ${hostName} ${cert.name} --cert FILE --key FILE`;
  const endMs = state.facts === undefined ? Infinity : state.facts.notAfter * 1000;
  if (endMs <= now) problems.push({ code: 'CERT_EXPIRED', severity: 'error', title: `certificate ${cert.name} has expired`, text: `it ended ${new Date(endMs).toISOString()}; ${remedy}`, since: endMs });
  else if (endMs - now < certEnds.warningMs) {
    const severity = endMs - now < certEnds.errorMs ? 'error' : 'warning';
    problems.push({ code: 'CERT_ENDS', severity, title: `certificate ${cert.name} expires soon`, text: `it ends ${new Date(endMs).toISOString()}; ${remedy}`, since: endMs - certEnds.warningMs });
  }
  if (state.state !== 'ok') problems.push(altered(cert, state, hostName));
  return problems;
}

function altered(cert: Cert, state: NonNullable<CertRow['state']>, hostName: string): CertProblem {
  const set = `reeve cert set ${hostName} ${cert.name}`;
  if (state.state === 'edited') return { code: 'CERT_EDITED', severity: 'warning', title: `certificate ${cert.name} was altered by hand`, text: `it stays as it is; to write over it: ${set} --overwrite`, since: state.seenAtMs };
  const text = cert.source.kind === 'self-signed' ? `to make it anew: reeve apply --on ${hostName}` : `its key is needed to put it back: ${set} --cert FILE --key FILE`;
  return { code: 'CERT_MISSING', severity: 'error', title: `certificate ${cert.name} was taken away by hand`, text, since: state.seenAtMs };
}

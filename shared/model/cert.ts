import { fromHex, toHex } from './bytes.js';
import type { Canonical } from './canonical.js';
import { fieldInvalid, parseInteger, parsePattern } from './field.js';
import { parsePem } from './pem.js';
import { parseAccountName } from './user.js';
import { parseDomain } from './vhost-name.js';

/** Where a certificate comes from. */
export type CertSource =
  /** The certificate and those that lead to its authority, strict PEM. */
  | { readonly kind: 'supplied'; readonly chainPem: string }
  /** Made on the host; names sorted, each once. */
  | { readonly kind: 'self-signed'; readonly names: readonly string[]; readonly days: number };

/** A certificate of a host for its services. */
export interface Cert {
  readonly name: string;
  readonly source: CertSource;
  /** Who may read the key besides root; undefined: nobody. */
  readonly group: string | undefined;
  /** Units that are reloaded when it changes, sorted. */
  readonly units: readonly string[];
  /** Is written over what was altered by hand. No part of what is wanted. */
  readonly overwrite: boolean;
}

/** As it comes over the wire. */
export interface WireCert {
  readonly name: string;
  readonly chainPem: string;
  readonly names: readonly string[];
  readonly days: number;
  readonly group: string;
  readonly units: readonly string[];
  readonly overwrite: boolean;
}

/** What a certificate says, as far as anybody has to know. */
export interface CertFacts {
  /** Names and addresses in it. */
  readonly names: readonly string[];
  /** Unix s. */
  readonly notBefore: number;
  /** Unix s. */
  readonly notAfter: number;
  /** sha256 of its DER, hex. */
  readonly fingerprint: string;
  /** sha256 of its SubjectPublicKeyInfo, hex. */
  readonly spki: string;
  readonly issuer: string;
}

/** As somebody found it on a host. */
export interface CertState {
  readonly name: string;
  readonly kind: 'supplied' | 'self-signed' | '';
  /** undefined: nothing is there that can be read. */
  readonly facts: CertFacts | undefined;
  readonly state: 'ok' | 'edited' | 'missing';
}

/** As it goes over the wire. */
export interface WireCertState {
  readonly name: string;
  readonly kind: string;
  readonly names: string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly fingerprint: Uint8Array;
  readonly spki: Uint8Array;
  readonly issuer: string;
  readonly state: string;
}

/** Most of each. */
export const mostCerts = { certs: 500, chainBytes: 65_536, allBytes: 3 * 1024 * 1024, keyBytes: 16_384, names: 64, days: 3650, units: 8 } as const;

/** How long before its end a certificate is a warning, and an error, ms. */
export const certEnds = { warningMs: 10 * 86_400_000, errorMs: 3 * 86_400_000 } as const;

const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const unitPattern = /^(?!reeve)[A-Za-z0-9][A-Za-z0-9._@-]{0,118}\.service$/;
const hexPattern = /^[0-9a-f]{64}$/;

/** The name of a certificate. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseCertName(field: string, text: string): string {
  return parsePattern(field, text, namePattern, '1 to 64 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit');
}

/** Names for a self-signed certificate: sorted, each once. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseCertNames(field: string, names: readonly string[]): readonly string[] {
  const sorted = [...new Set(names.map((name) => parseDomain(field, name, true)))].sort();
  if (sorted.length === 0 || sorted.length > mostCerts.names) throw fieldInvalid(field, `${String(sorted.length)} names`, `1 to ${String(mostCerts.names)} names`);
  return sorted;
}

/** How long a self-signed certificate is good for, days. Errors: FIELD_INVALID. */
export function parseCertDays(field: string, days: number): number {
  return parseInteger(field, days, { min: 1, max: mostCerts.days });
}

/** The group of a key. Errors: FIELD_INVALID. */
export function parseCertGroup(field: string, text: string): string | undefined {
  return text === '' ? undefined : parseAccountName(text, field);
}

/** Units that are reloaded: sorted, each once. Errors: FIELD_INVALID. */
export function parseCertUnits(field: string, units: readonly string[]): readonly string[] {
  const rule = 'the full name of a service, e.g. "postfix.service", not one of Reeve itself';
  const sorted = [...new Set(units.map((unit) => parsePattern(field, unit, unitPattern, rule)))].sort();
  if (sorted.length > mostCerts.units) throw fieldInvalid(field, `${String(sorted.length)} units`, `at most ${String(mostCerts.units)} units`);
  return sorted;
}

/** A certificate from the wire. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseCert(wire: WireCert): Cert {
  const name = parseCertName('cert', wire.name);
  return {
    name,
    source: parseSource(wire),
    group: parseCertGroup('group', wire.group),
    units: parseCertUnits('units', wire.units),
    overwrite: wire.overwrite,
  };
}

function parseSource({ chainPem, names, days }: WireCert): CertSource {
  if (chainPem === '') return { kind: 'self-signed', names: parseCertNames('names', names), days: parseCertDays('days', days) };
  if (names.length > 0 || days !== 0) throw fieldInvalid(names.length > 0 ? 'names' : 'days', names.length > 0 ? names.join(' ') : String(days), 'nothing beside a certificate that is supplied');
  return { kind: 'supplied', chainPem: parsePem('chain', chainPem, 'CERTIFICATE', mostCerts.chainBytes) };
}

/** The full set of a host, by name. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseCerts(wire: readonly WireCert[]): readonly Cert[] {
  if (wire.length > mostCerts.certs) throw fieldInvalid('certs', String(wire.length), `at most ${String(mostCerts.certs)} in one host`);
  const certs = wire.map(parseCert).sort(byName);
  const twice = certs.find((cert, index) => cert.name === certs[index + 1]?.name);
  if (twice !== undefined) throw fieldInvalid('cert', twice.name, 'each name once');
  const bytes = certs.reduce((sum, { source }) => sum + (source.kind === 'supplied' ? source.chainPem.length : 0), 0);
  if (bytes > mostCerts.allBytes) throw fieldInvalid('certs', `${String(bytes)} bytes`, `at most ${String(mostCerts.allBytes)} bytes of PEM in one host`);
  return certs;
}

/** A certificate as the wire has it. */
export function formatCert({ name, source, group, units, overwrite }: Cert): { -readonly [Key in keyof WireCert]: WireCert[Key] extends readonly string[] ? string[] : WireCert[Key] } {
  const supplied = source.kind === 'supplied';
  return {
    name,
    chainPem: supplied ? source.chainPem : '',
    names: supplied ? [] : [...source.names],
    days: supplied ? 0 : source.days,
    group: group ?? '',
    units: [...units],
    overwrite,
  };
}

/** What was found of a certificate, as the wire has it. */
export function formatCertState({ name, kind, facts, state }: CertState): WireCertState {
  return {
    name, kind, state,
    names: [...(facts?.names ?? [])],
    notBefore: facts?.notBefore ?? 0,
    notAfter: facts?.notAfter ?? 0,
    fingerprint: fromHex(facts?.fingerprint ?? ''),
    spki: fromHex(facts?.spki ?? ''),
    issuer: facts?.issuer ?? '',
  };
}

/** What an agent found, which is data of another machine: cut to its limits. Errors: FIELD_INVALID. */
export function parseCertState(wire: WireCertState): CertState {
  const name = parseCertName('cert', wire.name);
  const state = (['ok', 'edited', 'missing'] as const).find((known) => known === wire.state);
  if (state === undefined) throw fieldInvalid('state', wire.state, 'ok, edited or missing');
  const kind = (['supplied', 'self-signed'] as const).find((known) => known === wire.kind) ?? '';
  const fingerprint = toHex(wire.fingerprint);
  const spki = toHex(wire.spki);
  if (!hexPattern.test(fingerprint) || !hexPattern.test(spki)) return { name, kind, state, facts: undefined };
  const seconds = (value: number): number => (Number.isSafeInteger(value) ? Math.min(Math.max(value, 0), 253_402_300_799) : 0);
  return {
    name, kind, state,
    facts: {
      names: wire.names.slice(0, mostCerts.names).map((text) => text.slice(0, 253)),
      notBefore: seconds(wire.notBefore), notAfter: seconds(wire.notAfter), fingerprint, spki, issuer: wire.issuer.slice(0, 512),
    },
  };
}

/** What the digest of noun cert is made of. `facts` are of what is there. */
export function certDigestModel(certs: readonly (CertState & Pick<Cert, 'group' | 'units'> & { readonly note: string; readonly owed: boolean })[]): readonly Canonical[] {
  return certs.map(({ name, note, facts, state, group, units, owed }) => ({ name, note, fingerprint: facts?.fingerprint ?? '', state, group: group ?? '', units: [...units], owed }));
}

/** Certificates by name. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

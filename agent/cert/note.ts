import { parseInteger } from '../../shared/model/field.js';
import { mostCerts, type CertSource } from '../../shared/model/cert.js';

/** What the helper keeps beside a certificate: where it comes from, as it was asked for. */
export type CertNote = { readonly kind: 'supplied' } | { readonly kind: 'self-signed'; readonly days: number; /** sha256 of the names, hex. */ readonly names: string };

/** `supplied`, or `self-signed DAYS SHA256` with the sha256 of the names. */
export function formatNote(source: CertSource, sha256: (text: string) => string): string {
  return source.kind === 'supplied' ? 'supplied' : `self-signed ${String(source.days)} ${sha256(source.names.join(','))}`;
}

/** undefined: it was written by something else. */
export function parseNote(text: string): CertNote | undefined {
  if (text === 'supplied') return { kind: 'supplied' };
  const match = /^self-signed ([1-9][0-9]{0,3}) ([0-9a-f]{64})$/.exec(text);
  if (match === null || Number(match[1]) > mostCerts.days) return undefined;
  return { kind: 'self-signed', days: parseInteger('days', Number(match[1]), { min: 1, max: mostCerts.days }), names: match[2] ?? '' };
}

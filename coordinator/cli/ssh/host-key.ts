import { createHash } from 'node:crypto';
import { parsePattern } from '../../../shared/model/field.js';
import { keyType, type KnownKeys } from './known-hosts.js';

/** By what a host's key is accepted. */
export interface HostKeyRule {
  /** The fingerprint that the operator gave; what known_hosts says does not count then. */
  readonly expected: string | undefined;
  readonly known: KnownKeys;
}

/** What is to be thought of a key. */
export type Verdict = { readonly kind: 'accepted' } | { readonly kind: 'unknown' } | { readonly kind: 'wrong'; readonly wanted: string };

/** Families of host keys in order of preference, as algorithms of the key exchange; SHA-1 and DSA are not among them. */
export const keyFamilies = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
] as const;

/** An algorithm of the key exchange that proves a host's key. */
export type KeyAlgorithm = (typeof keyFamilies)[number][number];

/** A key's fingerprint as `ssh-keygen -l` prints it: `SHA256:` and 43 characters. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** A fingerprint that a person typed. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseFingerprint(text: string, field: string): string {
  return parsePattern(field, text, /^SHA256:[A-Za-z0-9+/]{43}$/, '"SHA256:" and 43 characters, as "ssh-keygen -lf FILE" prints it');
}

/** Decides on a host's key. A key that differs from what is known is never "unknown". */
export function judgeHostKey(key: Buffer, rule: HostKeyRule): Verdict {
  if (rule.known.revoked.some((one) => one.equals(key))) return { kind: 'wrong', wanted: 'any other: known_hosts has it as revoked' };
  if (rule.expected !== undefined) return fingerprintOf(key) === rule.expected ? { kind: 'accepted' } : { kind: 'wrong', wanted: rule.expected };
  if (rule.known.keys.some((one) => one.equals(key))) return { kind: 'accepted' };
  return rule.known.keys.length === 0 ? { kind: 'unknown' } : { kind: 'wrong', wanted: rule.known.keys.map(fingerprintOf).join(' or ') };
}

/** Which algorithms to offer, best first: those of the keys that are known come before all others, so that a host with several keys shows the known one. */
export function algorithmsFor(rule: HostKeyRule): KeyAlgorithm[] {
  const types = new Set(rule.known.keys.map(familyOf));
  const order = keyFamilies.map((family, index) => ({ family, rank: rule.expected === undefined && types.has(index) ? index : index + keyFamilies.length }));
  return order.sort((a, b) => a.rank - b.rank).flatMap(({ family }) => [...family]);
}

/** The algorithms without those of a key's own family: for a second look at a host of which one fingerprint, of a key of any type, is known. */
export function withoutFamily(algorithms: readonly KeyAlgorithm[], key: Buffer): KeyAlgorithm[] {
  const family: readonly string[] = keyFamilies[familyOf(key)] ?? [];
  return algorithms.filter((name) => !family.includes(name));
}

/** `ed25519`, `ecdsa` or `rsa`: as it is in the name of the host's own file. */
export function shortType(key: Buffer): string {
  return ['ed25519', 'ecdsa', 'rsa'][familyOf(key)] ?? 'unknown';
}

function familyOf(key: Buffer): number {
  const type = keyType(key);
  return type === 'ssh-rsa' ? 2 : keyFamilies.findIndex((family) => family.some((name) => name === type));
}

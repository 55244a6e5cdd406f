import { createHmac, timingSafeEqual } from 'node:crypto';
import { nameOfLogin, type Login } from './login.js';

/** What known_hosts says of one host. */
export interface KnownKeys {
  /** Public keys, as the wire has them (RFC 4253 6.6). */
  readonly keys: readonly Buffer[];
  /** Keys that must never be accepted. */
  readonly revoked: readonly Buffer[];
}

/** Nothing is known. */
export const noKnownKeys: KnownKeys = { keys: [], revoked: [] };

/**
 * The keys of a host in known_hosts text (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): plain and hashed names, patterns, `[host]:port`, several types,
 * `@revoked`. Lines with `@cert-authority` and lines that cannot be read are passed over: they can only make a host less known.
 */
export function findKnownKeys(text: string, login: Pick<Login, 'address' | 'port'>): KnownKeys {
  const name = nameOfLogin(login);
  const keys: Buffer[] = [];
  const revoked: Buffer[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [names = '', type = '', base64 = ''] = words;
    if (names === '' || names.startsWith('#') || (marker !== undefined && marker !== '@revoked')) continue;
    const key = Buffer.from(base64, 'base64');
    if (key.length === 0 || keyType(key) !== type || !matchesNames(names, name)) continue;
    (marker === undefined ? keys : revoked).push(key);
  }
  return { keys, revoked };
}

/** The type that a public key names itself, e.g. `ssh-ed25519`; empty when it is none. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 64 || key.length < 4 + length ? '' : key.toString('latin1', 4, 4 + length);
}

function matchesNames(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHash(names, name);
  let matched = false;
  for (const pattern of names.split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, both in base 64. */
function matchesHash(text: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const found = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

/** `*` stands for any characters, `?` for one; letters of either case are alike. */
function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll(/\*+/g, '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(name);
}

import { utf8Length } from './bytes.js';
import { fieldInvalid, parsePattern } from './field.js';
import { isIpv4, isIpv6 } from './host.js';

/** Longest time without a call that a session lives, and its longest life, ms. */
export const sessionLife = { idleMs: 30 * 60_000, longestMs: 12 * 3_600_000 } as const;

/** Length of a password, bytes. */
const passwordBytes = { least: 12, most: 256 } as const;

/** The name of a login to the status page: of a person or of an operator. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseWebLoginName(text: string): string {
  return parsePattern('name of a login', text, /^[a-z_][a-z0-9._-]{0,62}$/, 'the name of a person or of an operator');
}

/** A password for the status page. Errors: FIELD_INVALID, which does not show it. */
export function parseWebPassword(text: string): string {
  const bytes = utf8Length(text);
  const rule = `${String(passwordBytes.least)} to ${String(passwordBytes.most)} bytes, without control characters`;
  if (bytes < passwordBytes.least || bytes > passwordBytes.most || /\p{Cc}/u.test(text)) throw fieldInvalid('password', 'it', rule);
  return text;
}

/** Whether a text could be a password; one that is too long is not worth the work of a hash. */
export function isWebPassword(text: string): boolean {
  const bytes = utf8Length(text);
  return bytes >= passwordBytes.least && bytes <= passwordBytes.most;
}

/** A code of a second factor, blanks left out; undefined: it cannot be one. */
export function parseWebCode(text: string): string | undefined {
  const code = text.length > 16 ? '' : text.replaceAll(' ', '');
  return /^[0-9]{6}$/.test(code) ? code : undefined;
}

/** The token of a session: 32 bytes, base64url. Undefined: it cannot be one. */
export function parseSessionToken(text: string): string | undefined {
  return /^[A-Za-z0-9_-]{43}$/.test(text) ? text : undefined;
}

/** Where a login comes from: an address, or "local" behind a unix socket. Errors: FIELD_INVALID. */
export function parseWebAddress(text: string): string {
  if (text !== 'local' && !isIpv4(text) && !isIpv6(text)) throw fieldInvalid('address', text, 'an IPv4 or IPv6 address, or "local"');
  return text;
}

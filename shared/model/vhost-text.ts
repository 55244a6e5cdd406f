import { fieldInvalid, fieldMissing, parsePattern } from './field.js';
import { isIpv4, isIpv6, parsePort } from './host.js';
import { hasUnsafeCharacter } from './vis.js';

/** A header of the answer. */
export interface VhostHeader {
  readonly name: string;
  readonly value: string;
}

/**
 * Most room that a text may take in a file of a web server: nginx reads at most 4096 bytes as one word (NGX_CONF_BUFFER), and a "$" is written in 15 characters there, a quote
 * or backslash in two.
 */
const mostWeight = 4000;

/** Codes of redirections that keep what was asked: 301 and 302 let a client turn POST into GET, 307 and 308 do not. */
export const redirectCodes = [301, 302, 307, 308] as const;

/** The code of a redirection. */
export type RedirectCode = (typeof redirectCodes)[number];

/** Headers that a web server makes itself, or that have a word of their own in the model. */
const ownHeaders: ReadonlySet<string> = new Set([
  'accept-ranges', 'connection', 'content-encoding', 'content-length', 'content-range', 'content-type', 'date', 'etag', 'keep-alive', 'last-modified', 'location', 'proxy-authenticate',
  'retry-after', 'server', 'set-cookie', 'strict-transport-security', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'www-authenticate',
]);

/** How much room a text takes in a file of a web server, bytes. */
export function textWeight(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += character === '$' ? 15 : character === '"' || character === '\\' ? 2 : point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function parseWeight(field: string, text: string): string {
  if (textWeight(text) > mostWeight) throw fieldInvalid(field, text, `at most ${String(mostWeight)} bytes in the file of a web server, where "$" takes 15, a quote or backslash 2`);
  return text;
}

/** A header of the answer from its parts. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseVhostHeader(field: string, { name, value }: VhostHeader): VhostHeader {
  const rule = 'letters, digits and "-", beginning with a letter, at most 64 characters';
  parsePattern(`${field}.name`, name, /^[A-Za-z][A-Za-z0-9-]{0,63}$/, rule);
  if (ownHeaders.has(name.toLowerCase())) throw fieldInvalid(`${field}.name`, name, 'a header that the web server does not make itself');
  parsePattern(`${field}.value`, value, /^[!-~](?:[ -~]{0,998}[!-~])?$/, 'printable ASCII characters without blanks around, at most 1000');
  return { name, value: parseWeight(`${field}.value`, value) };
}

/** A header of a person's hand: `Name: value`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHeader(field: string, text: string): VhostHeader {
  const at = text.indexOf(':');
  if (at < 1) throw fieldInvalid(field, text, 'NAME: VALUE, e.g. "X-Frame-Options: DENY"');
  return parseVhostHeader(field, { name: text.slice(0, at), value: text.slice(at + 1).replace(/^ /, '') });
}

/** `Name: value`. */
export function formatHeader({ name, value }: VhostHeader): string {
  return `${name}: ${value}`;
}

/** A line for people: letters, marks, numbers, punctuation, symbols and spaces in NFC, not blank at its ends. Errors: FIELD_INVALID. */
export function parseLine(field: string, text: string, most: number): string {
  const fits = text.normalize('NFC') === text && text.trim() === text && Array.from(text).length <= most && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(text);
  if (!fits || hasUnsafeCharacter(text)) throw fieldInvalid(field, text, `one line of letters, marks, numbers, punctuation and spaces, at most ${String(most)} characters`);
  return parseWeight(field, text);
}

/** A host as it stands in an address: a name in lower case, an IPv4 address, or an IPv6 one in brackets; with a port behind it or not. */
function isAuthority(text: string): boolean {
  const match = /^(\[[0-9a-f:]{2,39}\]|[a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?$/.exec(text);
  const host = match?.[1] ?? '';
  if (match === null || Number(match[2] ?? 1) > 65535) return false;
  if (host.startsWith('[')) return isIpv6(host.slice(1, -1));
  const labels = host.split('.');
  return isIpv4(host) || (labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? ''));
}

/** What a Host header may be: a name in lower case or an address, with a port behind it or not. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHostHeader(field: string, text: string): string {
  const rule = 'a name in lower case or an address, with ":PORT" behind it or not';
  if (text === '') throw fieldMissing(field, rule);
  if (!isAuthority(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** Where a redirection leads: `http://` or `https://` with a host, perhaps a port, path and query; or a path. Characters of RFC 3986. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseRedirect(field: string, text: string): string {
  const rule = 'http://HOST or https://HOST with a port, path and query behind it or not, or a path that begins with one "/"; the host in lower case, other characters percent-encoded';
  if (text === '') throw fieldMissing(field, rule);
  const match = /^(?:https?:\/\/([^/?#]+)(?=[/?#]|$))?((?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$/.exec(text);
  const [, authority, path = ''] = match ?? [];
  const fits = match !== null && text.length <= 1000 && (authority === undefined ? path.startsWith('/') && !path.startsWith('//') : isAuthority(authority));
  if (!fits) throw fieldInvalid(field, text, rule);
  return parseWeight(field, text);
}

/** The code of a redirection. Errors: FIELD_INVALID. */
export function parseRedirectCode(field: string, code: number): RedirectCode {
  const known = redirectCodes.find((candidate) => candidate === code);
  if (known === undefined) throw fieldInvalid(field, String(code), redirectCodes.join(', '));
  return known;
}

/** A port that a site or what is behind it may have, and that is not Reeve's where `own` says so. Errors: FIELD_INVALID. */
export function parseVhostPort(field: string, port: number, own: boolean): number {
  parsePort(port, field);
  if (own && port >= 7420 && port <= 7424) throw fieldInvalid(field, String(port), 'a port that is not one of Reeve’s (7420 to 7424)');
  return port;
}

import { reeveError, ReeveError } from '../errors/error.js';
import { formatEndpoint, parseEndpoint, parseHostName, parsePort, type Endpoint } from './host.js';

/** What a host needs to join, or an operator to log in from another machine: the right to, whom to trust, and where to ask. */
export interface JoinToken {
  /** The secret: 32 random bytes, single-use, bound to one host or operator. */
  readonly token: Uint8Array;
  /** sha256 of the control root's SubjectPublicKeyInfo (DER), 32 bytes. */
  readonly pin: Uint8Array;
  /** The coordinator's enrolment, in order of preference: IP or host name, and port. 1 to 8. */
  readonly endpoints: readonly Endpoint[];
}

/** What every token text begins with, by what it is for; scanners for leaked secrets can look for it. */
const kinds = {
  join: { prefix: 'reeve1_', field: 'join token', command: 'reeve host invite', reader: 'agent' },
  login: { prefix: 'reevelogin1_', field: 'login token', command: 'reeve operator invite', reader: 'command line' },
} as const;

type Kind = keyof typeof kinds;

/** Layout of the payload: byte 0 is this version, 32 bytes of token, 32 bytes of pin, then the endpoints as ASCII joined by ",". */
const layoutVersion = 1;
const headBytes = 1 + 32 + 32;
const mostEndpoints = 8;
const mostCharacters = 4096;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The token text that a person carries from the coordinator to the host: one word without characters that a shell would touch. */
export function formatJoinToken(joinToken: JoinToken): string {
  return formatToken('join', joinToken);
}

/** The token text that a person carries from the coordinator to the machine of an operator. */
export function formatLoginToken(loginToken: JoinToken): string {
  return formatToken('login', loginToken);
}

function formatToken(kind: Kind, joinToken: JoinToken): string {
  if (joinToken.token.length !== 32 || joinToken.pin.length !== 32) throw new RangeError('token and pin are 32 bytes each');
  const where = joinToken.endpoints.map(formatEndpoint).join(',');
  const payload = new Uint8Array(headBytes + where.length);
  payload[0] = layoutVersion;
  payload.set(joinToken.token, 1);
  payload.set(joinToken.pin, 33);
  payload.set(Array.from(where, (char) => char.charCodeAt(0)), headBytes);
  return kinds[kind].prefix + encodeBase64url(payload);
}

/** A token text as parts. White space around it is allowed, nothing else is. Errors: FIELD_INVALID, which never shows the text. */
export function parseJoinToken(text: string): JoinToken {
  return parseToken('join', text);
}

/** A login token's text as parts, under the same rules. */
export function parseLoginToken(text: string): JoinToken {
  return parseToken('login', text);
}

function parseToken(kind: Kind, text: string): JoinToken {
  const { prefix, command, reader } = kinds[kind];
  const word = text.trim();
  const payload = word.startsWith(prefix) && word.length <= mostCharacters ? decodeBase64url(word.slice(prefix.length)) : undefined;
  if (payload === undefined || payload.length <= headBytes) throw tokenInvalid(kind, `the whole word that "${command}" printed, from "${prefix}" on`);
  if (payload[0] !== layoutVersion) throw tokenInvalid(kind, `a token of version 1; upgrade this ${reader}`);
  const endpoints = String.fromCharCode(...payload.subarray(headBytes)).split(',');
  if (endpoints.length > mostEndpoints) throw tokenInvalid(kind, `at most ${String(mostEndpoints)} addresses in it`);
  return { token: payload.slice(1, 33), pin: payload.slice(33, headBytes), endpoints: endpoints.map((endpoint) => parseTokenEndpoint(kind, endpoint)) };
}

/** Where a coordinator's listener is, from `IP:PORT`, `[IPv6]:PORT` or `NAME:PORT`. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseReachableEndpoint(text: string, field = 'address'): Endpoint {
  const named = /^([a-z0-9.-]*[a-z][a-z0-9.-]*):([0-9]{1,5})$/.exec(text);
  if (named?.[1] === undefined) return parseEndpoint(text, 0, field);
  return { address: parseHostName(named[1], field), port: parsePort(Number(named[2]), `port of ${field}`) };
}

function parseTokenEndpoint(kind: Kind, text: string): Endpoint {
  try {
    const endpoint = parseReachableEndpoint(text, `address in the ${kinds[kind].field}`);
    if (endpoint.port === 0) throw tokenInvalid(kind, 'addresses with ports in it');
    return endpoint;
  } catch (error) {
    if (error instanceof ReeveError) throw tokenInvalid(kind, 'proper addresses in it');
    throw error;
  }
}

function tokenInvalid(kind: Kind, rule: string): ReeveError {
  return reeveError('FIELD_INVALID', { field: kinds[kind].field, value: '(not shown)', rule });
}

function encodeBase64url(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = Math.min(3, bytes.length - at);
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let digit = 0; digit <= left; digit += 1) out += alphabet.charAt((word >> (18 - 6 * digit)) & 63);
  }
  return out;
}

/** The bytes of a base64url text without padding (RFC 4648 5); undefined when it is not exactly the text that encoding them would give. */
function decodeBase64url(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const char of text) {
    const value = alphabet.indexOf(char);
    if (value < 0) return undefined;
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (word >> bits) & 0xff;
      at += 1;
    }
  }
  return bits >= 6 || (word & ((1 << bits) - 1)) !== 0 ? undefined : bytes;
}

import { fieldInvalid, fieldMissing, parseInteger } from './field.js';

/** Port an agent listens on when nothing else is said. */
export const agentPort = 7420;

/** TCP port on which an agent waits for another one that brings or fetches a backup. */
export const dataPort = 7424;

/** Port of the coordinator's agents' API when nothing else is said. */
export const agentsPort = 7421;

/** Port of the coordinator's enrolment when nothing else is said. */
export const enrolmentPort = 7422;

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A host's name: lower-case DNS labels, at most 253 characters, not `localhost` or `all`, last label not all digits. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHostName(text: string, field = 'host name'): string {
  const rule = 'lower-case letters, digits and "-" in parts of at most 63 characters joined by ".", the last part not only digits, not "localhost" or "all"';
  if (text === '') throw fieldMissing(field, rule);
  const parts = text.split('.');
  const last = parts.at(-1) ?? '';
  if (text.length > 253 || !parts.every((part) => label.test(part)) || /^[0-9]+$/.test(last) || text === 'localhost' || text === 'all') {
    throw fieldInvalid(field, text, rule);
  }
  return text;
}

/** An address and a port. */
export interface Endpoint {
  /** Canonical IPv4 or IPv6 address, or (where allowed) a host name. */
  readonly address: string;
  readonly port: number;
}

/** Where an agent listens, from `IP` or `IP:PORT` or `[IPv6]:PORT`. Errors: FIELD_INVALID. */
export function parseEndpoint(text: string, defaultPort: number, field = 'address'): Endpoint {
  const bracket = /^\[([0-9a-f:]+)\](?::([0-9]{1,5}))?$/.exec(text);
  const plain = /^([0-9.]+)(?::([0-9]{1,5}))?$/.exec(text);
  const rule = 'an IPv4 or IPv6 address in its shortest form, with ":PORT" behind it or not ("192.0.2.7:7420", "[2001:db8::7]:7420")';
  const address = bracket?.[1] ?? plain?.[1] ?? (isIpv6(text) ? text : undefined);
  if (address === undefined || !(isIpv4(address) || isIpv6(address))) throw fieldInvalid(field, text, rule);
  const port = bracket?.[2] ?? plain?.[2];
  return { address, port: port === undefined ? defaultPort : parsePort(Number(port), `port of ${field}`) };
}

/** `IP:PORT`, IPv6 in brackets. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.address.includes(':') ? `[${endpoint.address}]:${String(endpoint.port)}` : `${endpoint.address}:${String(endpoint.port)}`;
}

/** A coordinator's address as agents are told: IP or host name. Errors: FIELD_INVALID. */
export function parseReachableAddress(text: string): string {
  if (isIpv4(text) || isIpv6(text)) return text;
  return parseHostName(text, 'address');
}

/** A TCP port, 1 to 65535. Errors: FIELD_INVALID. */
export function parsePort(port: number, field = 'port'): number {
  return parseInteger(field, port, { min: 1, max: 65535 });
}

/** Canonical dotted IPv4: four decimal parts without leading zeros. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

/** IPv6 in RFC 5952 form: lower case, shortest, no zone, not IPv4-mapped. */
export function isIpv6(text: string): boolean {
  if (!/^[0-9a-f:]{2,39}$/.test(text)) return false;
  const groups = expandIpv6(text);
  return groups !== undefined && compressIpv6(groups) === text;
}

/** The eight groups of an IPv6 address, whatever its spelling; undefined: it is none. */
export function expandIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const parse = (half: string): string[] => (half === '' ? [] : half.split(':'));
  const head = parse(halves[0] ?? '');
  const tail = parse(halves[1] ?? '');
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: halves.length === 2 ? missing : 0 }, () => '0'), ...tail];
  return all.every((group) => /^[0-9a-f]{1,4}$/.test(group)) ? all.map((group) => parseInt(group, 16)) : undefined;
}

/** The shortest spelling of eight groups (RFC 5952). */
export function compressIpv6(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const text = groups.map((group) => group.toString(16));
  if (best.start < 0) return text.join(':');
  return `${text.slice(0, best.start).join(':')}::${text.slice(best.start + best.length).join(':')}`;
}

/** Whether nobody but its own machine can reach an IP address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIpv4(address) && address.startsWith('127.'));
}

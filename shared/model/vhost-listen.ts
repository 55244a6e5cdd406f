import { fieldInvalid } from './field.js';
import { expandIpv6, isIpv4, isIpv6, parseEndpoint } from './host.js';
import { parseVhostPort } from './vhost-text.js';

/** Where a site listens. */
export interface VhostListen {
  /** Canonical; undefined: all addresses, IPv4 and IPv6. */
  readonly address: string | undefined;
  readonly port: number;
  readonly tls: boolean;
}

/** As it comes over the wire. */
export interface WireVhostListen {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Where a site listens that says nothing about it. */
export const usualListens: readonly VhostListen[] = [{ address: undefined, port: 80, tls: false }, { address: undefined, port: 443, tls: true }];

const mostListens = 16;

/** An address that a host can listen on: not unspecified, multicast, link-local IPv6 or IPv4 inside IPv6. Errors: FIELD_INVALID. */
export function parseListenAddress(field: string, text: string): string {
  if (!isOfOneMachine(text)) throw fieldInvalid(field, text, 'an IPv4 or IPv6 address in its shortest form (not unspecified, multicast, link-local IPv6 or IPv4 inside IPv6)');
  return text;
}

/** Whether a text is the canonical address of one machine, loopback too. */
export function isOfOneMachine(text: string): boolean {
  if (isIpv4(text)) {
    const first = Number(text.split('.')[0]);
    return first !== 0 && first < 224;
  }
  if (!isIpv6(text)) return false;
  const head = expandIpv6(text)?.[0] ?? 0;
  return text === '::1' || (head >= 0x100 && head < 0xff00 && (head & 0xffc0) !== 0xfe80);
}

/** Where a site listens, from the wire: sorted, each once; none: usualListens. Errors: FIELD_INVALID. */
export function parseListens(field: string, wire: readonly WireVhostListen[]): readonly VhostListen[] {
  if (wire.length === 0) return usualListens;
  if (wire.length > mostListens) throw fieldInvalid(field, String(wire.length), `at most ${String(mostListens)}`);
  const listens = wire.map((row, index): VhostListen => {
    const at = `${field}[${String(index)}]`;
    return { address: row.address === '' ? undefined : parseListenAddress(`${at}.address`, row.address), port: parseVhostPort(`${at}.port`, row.port, true), tls: row.tls };
  });
  listens.sort((a, b) => a.port - b.port || ((a.address ?? '') < (b.address ?? '') ? -1 : 1));
  const twice = listens.find((row, index) => listenKey(row) === listenKey(listens[index + 1] ?? { address: undefined, port: 0 }));
  if (twice !== undefined) throw fieldInvalid(field, formatListen(twice), 'each address and port once');
  return listens;
}

/** Where a site listens, for the wire. */
export function formatWireListen({ address, port, tls }: VhostListen): WireVhostListen {
  return { address: address ?? '', port, tls };
}

/** What two listens are the same by: address and port. */
export function listenKey({ address, port }: Pick<VhostListen, 'address' | 'port'>): string {
  return address === undefined ? `*:${String(port)}` : `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
}

/**
 * Where a site listens, of a person's hand: `80`, `8443/tls`, `192.0.2.7:8080`, `[2001:db8::7]:443/tls`. 443 and 8443 are with TLS, also without a word; `/plain` says
 * the opposite. Errors: FIELD_INVALID.
 */
export function parseListen(field: string, text: string): VhostListen {
  const match = /^(?:(.+):)?([1-9][0-9]{0,4})(?:\/(tls|plain))?$/.exec(text.slice(0, 64));
  const port = Number(match?.[2]);
  if (match === null || text.length > 64) throw fieldInvalid(field, text, 'PORT or ADDRESS:PORT, with "/tls" or "/plain" behind it or not: 80, 8443/tls, 192.0.2.7:8080, [2001:db8::7]:443/tls');
  const tls = match[3] === undefined ? port === 443 || port === 8443 : match[3] === 'tls';
  const address = match[1] === undefined ? undefined : parseListenAddress(field, parseEndpoint(`${match[1]}:${String(port)}`, port, field).address);
  return { address, port: parseVhostPort(field, port, true), tls };
}

/** As parseListen takes it. */
export function formatListen(listen: VhostListen): string {
  const usual = listen.port === 443 || listen.port === 8443;
  return `${listenKey(listen).replace(/^\*:/, '')}${listen.tls === usual ? '' : listen.tls ? '/tls' : '/plain'}`;
}

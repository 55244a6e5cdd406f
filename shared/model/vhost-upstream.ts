import { fieldInvalid, fieldMissing } from './field.js';
import { isIpv4, isIpv6, parseHostName } from './host.js';
import { isOfOneMachine } from './vhost-listen.js';
import { parseSocket } from './vhost-path.js';
import { parseVhostPort } from './vhost-text.js';

/** Where a program is reached, as a host needs it. */
export type Upstream =
  /** `address` is canonical. */
  | { readonly kind: 'address'; readonly address: string; readonly port: number }
  | { readonly kind: 'socket'; readonly path: string };

/** The same as operators say it: also a host of the inventory, by name or id, whose address is followed. */
export type UpstreamRef = Upstream | { readonly kind: 'host'; readonly host: string; readonly port: number };

/** As it comes over the wire. */
export interface WireVhostUpstream {
  readonly address: string;
  readonly port: number;
  readonly socket: string;
  readonly host: string;
}

/** How an upstream is read: parseUpstream for what a host takes, parseUpstreamRef where the coordinator still has to find the host. */
export type ParseUpstream<U> = (field: string, wire: WireVhostUpstream | null | undefined) => U;

/** An upstream from the wire that may be a host of the inventory. Errors: FIELD_INVALID, FIELD_MISSING. */
export const parseUpstreamRef: ParseUpstream<UpstreamRef> = (field, wire) => {
  const rule = 'exactly one of address, socket and host';
  if (wire === null || wire === undefined) throw fieldMissing(field, rule);
  const given = (['address', 'socket', 'host'] as const).filter((key) => wire[key] !== '');
  const [which] = given;
  if (which === undefined) throw fieldMissing(field, rule);
  if (given.length > 1) throw fieldInvalid(field, given.join(', '), rule);
  if (which === 'socket') {
    if (wire.port !== 0) throw fieldInvalid(`${field}.port`, String(wire.port), 'none with a socket');
    return { kind: 'socket', path: parseSocket(`${field}.socket`, wire.socket) };
  }
  const port = parseVhostPort(`${field}.port`, wire.port, false);
  return which === 'host' ? { kind: 'host', host: parseHostName(wire.host, `${field}.host`), port } : { kind: 'address', address: parseUpstreamAddress(`${field}.address`, wire.address), port };
};

/** An upstream from the wire as a host takes it. Errors: FIELD_INVALID (also for a host of the inventory), FIELD_MISSING. */
export const parseUpstream: ParseUpstream<Upstream> = (field, wire) => {
  const upstream = parseUpstreamRef(field, wire);
  if (upstream.kind === 'host') throw fieldInvalid(`${field}.host`, upstream.host, 'an address or a socket: only the coordinator knows hosts');
  return upstream;
};

/** For the wire. */
export function formatUpstream(upstream: UpstreamRef): WireVhostUpstream {
  const none = { address: '', port: 0, socket: '', host: '' };
  switch (upstream.kind) {
    case 'address':
      return { ...none, address: upstream.address, port: upstream.port };
    case 'socket':
      return { ...none, socket: upstream.path };
    case 'host':
      return { ...none, host: upstream.host, port: upstream.port };
  }
}

/** `10.0.0.5:8080`, `[fd00::5]:8080`, `web1:8080` or `unix:/run/app.sock`: for people, and for parseUpstreamText. */
export function formatUpstreamText(upstream: UpstreamRef): string {
  if (upstream.kind === 'socket') return `unix:${upstream.path}`;
  const host = upstream.kind === 'host' ? upstream.host : upstream.address;
  return `${host.includes(':') ? `[${host}]` : host}:${String(upstream.port)}`;
}

/** Where a program is reached, of a person's hand: `10.0.0.5:8080`, `[fd00::5]:8080`, `web1:8080` (a host of the inventory), `unix:/run/app.sock`; without a port where there is a usual one. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseUpstreamText(field: string, text: string, usualPort?: number): UpstreamRef {
  if (text.startsWith('unix:')) return { kind: 'socket', path: parseSocket(field, text.slice('unix:'.length).replace(/:$/, '')) };
  const match = /^(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+))(?::([1-9][0-9]{0,4}))?$/.exec(text.slice(0, 300));
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? usualPort : Number(match[3]);
  if (host === undefined || port === undefined || text.length > 300) {
    throw fieldInvalid(field, text, 'ADDRESS:PORT, HOST:PORT with a host of the inventory, or unix:/PATH: 10.0.0.5:8080, [fd00::5]:8080, web1:8080, unix:/run/app.sock');
  }
  parseVhostPort(field, port, false);
  if (host === 'localhost') throw fieldInvalid(field, text, 'an address: 127.0.0.1 or [::1] is the host of the site itself');
  if (match?.[1] !== undefined || /^[0-9.]+$/.test(host)) return { kind: 'address', address: parseUpstreamAddress(field, host), port };
  return { kind: 'host', host: parseHostName(host, field), port };
}

function parseUpstreamAddress(field: string, text: string): string {
  const rule = 'an IPv4 or IPv6 address of a machine in its shortest form (not unspecified, multicast, link-local IPv6 or IPv4 inside IPv6)';
  if (!(isIpv4(text) || isIpv6(text)) || !isOfOneMachine(text)) throw fieldInvalid(field, text, rule);
  return text;
}

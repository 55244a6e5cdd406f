import { formatForward, formatMasquerade, parseForward, parseMasquerade, type NatForward, type NatListen, type NatMasquerade, type PortRange } from '../../../shared/model/nat.js';
import { formatNetwork } from '../../../shared/model/network.js';
import { formatAddress } from './address.js';
import type { Field, Item, Rule, Value } from './ruleset.js';

/** A rule read as what Reeve could have made; `problem` says what keeps it from being just that, "" nothing. */
export interface Read<T> {
  readonly row: T | undefined;
  readonly problem: string;
}

type Match = Extract<Item, { kind: 'match' }>;

/** What a rule's matches say, each field once. */
interface Parts {
  protocol: 'tcp' | 'udp' | undefined;
  ports: PortRange | undefined;
  iif: string | undefined;
  oif: string | undefined;
  address: string | undefined;
  sources: readonly string[] | undefined;
  /** The one network that packets may not be for. */
  notTo: string | undefined;
  /** What it is not for besides, as a problem. */
  not: string;
}

/** A rule of a prerouting chain as a forward with id 0. A rule that sends nothing anywhere: undefined. */
export function readForward(rule: Rule): Read<NatForward> | undefined {
  const action = rule.items.find((item) => item.kind === 'dnat' || item.kind === 'dnat-map' || item.kind === 'redirect');
  if (action === undefined) return undefined;
  if (action.kind === 'redirect') return { row: undefined, problem: 'it leads to a port of the host itself' };
  if (action.kind === 'dnat-map' || action.target?.address === undefined) return { row: undefined, problem: 'where it leads is chosen by a map or a range, or is not an address' };
  const parts = readParts(rule);
  if (typeof parts === 'string') return { row: undefined, problem: parts };
  const { protocol, ports, iif, address } = parts;
  if (protocol === undefined || ports === undefined) return { row: undefined, problem: 'it is not for one port, or one row of ports, of TCP or of UDP' };
  if (iif !== undefined && address !== undefined) return { row: undefined, problem: 'it is for an interface and an address at once' };
  if (parts.oif !== undefined) return { row: undefined, problem: `it is for packets out through ${parts.oif}` };
  if (parts.notTo !== undefined && parts.notTo !== '127.0.0.0/8' && parts.notTo !== '::1') return { row: undefined, problem: `it is not for packets to ${parts.notTo}` };
  const listen: NatListen = iif !== undefined ? { kind: 'interface', name: iif } : address !== undefined ? { kind: 'address', address } : { kind: 'any' };
  const to = action.target;
  // Any port of a row may be taken for any of another (nf_nat_core.c); Reeve counts them off.
  const spreads = to.ports !== undefined && to.ports.first !== to.ports.last && (to.ports.first !== ports.first || to.ports.last !== ports.last);
  return checked(parts.not !== '' || !spreads ? parts.not : 'it leads to any of a row of other ports, not to one for each', () => {
    const wire = formatForward({ id: 1, protocol, listen, ports, to: to.address ?? '', toPorts: to.ports ?? ports, sources: parts.sources ?? [], hairpin: false, adopt: true });
    return { ...parseForward(wire), id: 0 };
  });
}

/** A rule of a postrouting chain as a masquerade with id 0. A rule that changes no source: undefined. */
export function readMasquerade(rule: Rule): Read<NatMasquerade> | undefined {
  const action = rule.items.find((item) => item.kind === 'masquerade' || item.kind === 'snat');
  if (action === undefined) return undefined;
  if (action.kind === 'snat' && (action.target?.address === undefined || action.target.ports !== undefined)) return { row: undefined, problem: 'the address it gives is chosen by a map or a range, or has ports' };
  if (action.kind === 'masquerade' && !action.plain) return { row: undefined, problem: 'it chooses source ports in a way of its own' };
  const parts = readParts(rule);
  if (typeof parts === 'string') return { row: undefined, problem: parts };
  const [source, more] = parts.sources ?? [];
  if (source === undefined || more !== undefined) return { row: undefined, problem: 'it is not for packets from one network' };
  if (parts.protocol !== undefined || parts.ports !== undefined || parts.address !== undefined) return { row: undefined, problem: 'it is only for some ports or destinations' };
  if (parts.iif !== undefined) return { row: undefined, problem: `it is for packets in through ${parts.iif}` };
  if (parts.notTo !== undefined && parts.notTo !== source) return { row: undefined, problem: `it is not for packets to ${parts.notTo}` };
  const toAddress = action.kind === 'snat' ? action.target?.address : undefined;
  return checked(parts.not, () => ({ ...parseMasquerade(formatMasquerade({ id: 1, source, outInterface: parts.oif, toAddress, adopt: true })), id: 0 }));
}

function checked<T>(problem: string, read: () => T): Read<T> {
  try {
    return { row: read(), problem };
  } catch (error) {
    return { row: undefined, problem: error instanceof Error ? error.message : 'it is not understood' };
  }
}

/** The matches of a rule, or what of them has no place in a forward or masquerade. */
function readParts(rule: Rule): Parts | string {
  const parts: Parts = { protocol: undefined, ports: undefined, iif: undefined, oif: undefined, address: undefined, sources: undefined, notTo: undefined, not: '' };
  for (const item of rule.items) {
    if (item.kind === 'dnat' || item.kind === 'dnat-map' || item.kind === 'redirect' || item.kind === 'snat' || item.kind === 'masquerade') break;
    const problem = item.kind === 'match' ? addMatch(parts, item) : item.kind === 'lookup' ? `it looks into the set @${item.set}` : 'it has a condition that Reeve does not understand';
    if (problem !== undefined) return problem;
  }
  return parts;
}

function addMatch(parts: Parts, match: Match): string | undefined {
  const [key, second] = match.keys;
  if (key === undefined || second !== undefined || key.mask !== undefined) return 'it has a condition on several things at once';
  const values = match.tuples.map(([value]): Value => value ?? { kind: 'unknown' });
  return match.negated ? addNegated(parts, key.field, values) : addValues(parts, key.field, values);
}

function addNegated(parts: Parts, field: Field, values: readonly Value[]): string | undefined {
  const [only] = values;
  if ((field === 'iif' || field === 'oif') && values.length === 1 && only?.kind === 'name') {
    parts.not = `it is not for packets ${field === 'iif' ? 'in' : 'out'} through ${only.text}`;
    return undefined;
  }
  const [network, more] = networksOf(field, values) ?? [];
  if (!field.startsWith('daddr') || network === undefined || more !== undefined || parts.notTo !== undefined) return 'it has a condition with "not"';
  parts.notTo = network;
  return undefined;
}

function addValues(parts: Parts, field: Field, values: readonly Value[]): string | undefined {
  const [only] = values.length === 1 ? values : [];
  switch (field) {
    case 'nfproto': return undefined;
    // In chains of type nat every packet is the first of its connection.
    case 'ct-state': return values.some((value) => value.kind === 'name' && value.text === 'new') ? undefined : 'it is not for new connections';
    case 'daddr-type': return only?.kind === 'name' && only.text === 'local' ? undefined : 'it is for other addresses than those of the host';
    case 'l4proto': case 'proto4': case 'proto6': return setProtocol(parts, only?.kind === 'range' && only.first === only.last ? (only.first === 6n ? 'tcp' : only.first === 17n ? 'udp' : undefined) : undefined);
    case 'tcp-dport': return setProtocol(parts, 'tcp') ?? setPorts(parts, only);
    case 'udp-dport': return setProtocol(parts, 'udp') ?? setPorts(parts, only);
    case 'dport': return setPorts(parts, only);
    case 'iif': case 'oif':
      if (only?.kind !== 'name' || only.prefix) return 'it is for several interfaces';
      parts[field] = only.text;
      return undefined;
    case 'saddr4': case 'saddr6':
      parts.sources = networksOf(field, values);
      return parts.sources === undefined ? 'its sources are no networks' : undefined;
    case 'daddr4': case 'daddr6': {
      const [address, more] = networksOf(field, values) ?? [];
      if (address === undefined || more !== undefined || address.includes('/')) return 'it is for several addresses';
      parts.address = address;
      return undefined;
    }
    default:
      return 'it has a condition that has no place in a forward';
  }
}

function setProtocol(parts: Parts, protocol: Parts['protocol']): string | undefined {
  if (protocol === undefined || (parts.protocol !== undefined && parts.protocol !== protocol)) return 'it is not for TCP alone or UDP alone';
  parts.protocol = protocol;
  return undefined;
}

function setPorts(parts: Parts, value: Value | undefined): string | undefined {
  if (value?.kind !== 'range' || parts.ports !== undefined) return 'it is for several ports that are not in a row';
  parts.ports = { first: Number(value.first), last: Number(value.last) };
  return undefined;
}

/** Ranges of addresses as networks in canonical form, sorted; undefined: one is none. */
function networksOf(field: Field, values: readonly Value[]): readonly string[] | undefined {
  const family = field.endsWith('4') ? 4 : 6;
  const bits = family === 4 ? 32 : 128;
  const networks = values.map((value) => {
    const size = value.kind === 'range' ? value.last - value.first + 1n : 0n;
    const host = size.toString(2).length - 1;
    if (value.kind !== 'range' || size !== 1n << BigInt(host) || value.first % size !== 0n || host > bits) return undefined;
    return formatNetwork({ address: formatAddress({ family, value: value.first }), prefix: bits - host });
  });
  return networks.includes(undefined) ? undefined : networks.flatMap((network) => network ?? []).sort();
}

import { addressValue } from './address.js';
import { interfaceTo, isLocal, type HostNetwork } from './network.js';
import type { Field, Key, SetOf, Tuple, Value } from './ruleset.js';

/** Whether something matches; maybe: not known. */
export type Ternary = 'yes' | 'no' | 'maybe';

/** The first packet of a connection on its way through a host. */
export interface Packet {
  readonly protocol: 'tcp' | 'udp';
  /** undefined: from anywhere. */
  readonly from: string | undefined;
  readonly to: string;
  readonly port: number;
  /** undefined: not known. */
  readonly iif: string | undefined;
  /** "": none yet; undefined: not known. */
  readonly oif: string | undefined;
  /** A rule has given it another destination. */
  readonly dnat: boolean;
  readonly originalTo: string;
  readonly originalPort: number;
  /** It is not yet known which connection it belongs to: it is in a chain before conntrack's own place (priority -200). */
  readonly untracked?: boolean;
}

/** `none`: the packet has no such field, so no match with it is true, negated or not. */
type Fact = { readonly kind: 'number'; readonly value: bigint } | { readonly kind: 'names'; readonly names: readonly string[] } | { readonly kind: 'none' } | { readonly kind: 'unknown' };

const none: Fact = { kind: 'none' };
const unknown: Fact = { kind: 'unknown' };

/** Whether a packet's fields are in a list of tuples. */
export function matchTuples(packet: Packet, network: HostNetwork, match: { readonly keys: readonly Key[]; readonly negated: boolean; readonly tuples: readonly Tuple[] }): Ternary {
  const facts = match.keys.map((key) => factOf(packet, network, key));
  if (facts.some(({ kind }) => kind === 'none')) return 'no';
  let found: Ternary = 'no';
  const [only] = facts;
  if (facts.length === 1 && only?.kind === 'unknown' && match.tuples.length > 0 && !match.tuples.some(([value]) => value?.kind === 'any')) return 'maybe';
  for (const tuple of match.tuples) {
    const one = matchTuple(facts, tuple);
    if (one !== 'no') found = one;
    if (one === 'yes') break;
  }
  return match.negated ? inverse(found) : found;
}

/** As matchTuples for a set of the table; a set that is not there or not literal: maybe. */
export function matchSet(packet: Packet, network: HostNetwork, match: { readonly keys: readonly Key[]; readonly negated: boolean }, set: SetOf | undefined): Ternary {
  if (match.keys.some((key) => factOf(packet, network, key).kind === 'none')) return 'no';
  return set?.literal !== true ? 'maybe' : matchTuples(packet, network, { ...match, tuples: set.tuples });
}

/** Whether an address, a port and so on of one packet are those of one tuple. */
export function matchOne(packet: Packet, network: HostNetwork, keys: readonly Key[], tuple: Tuple): Ternary {
  return matchTuples(packet, network, { keys, negated: false, tuples: [tuple] });
}

function inverse(one: Ternary): Ternary {
  return one === 'maybe' ? 'maybe' : one === 'yes' ? 'no' : 'yes';
}

function matchTuple(facts: readonly Fact[], tuple: Tuple): Ternary {
  if (facts.length !== tuple.length) return 'maybe';
  let result: Ternary = 'yes';
  for (const [index, fact] of facts.entries()) {
    const one = matchValue(fact, tuple[index] ?? { kind: 'unknown' });
    if (one === 'no') return 'no';
    if (one === 'maybe') result = 'maybe';
  }
  return result;
}

function matchValue(fact: Fact, value: Value): Ternary {
  if (value.kind === 'any') return 'yes';
  if (value.kind === 'range' && fact.kind === 'number') return value.first <= fact.value && fact.value <= value.last ? 'yes' : 'no';
  if (value.kind === 'name' && fact.kind === 'names') return fact.names.some((name) => (value.prefix ? name.startsWith(value.text) : name === value.text)) ? 'yes' : 'no';
  return 'maybe';
}

function factOf(packet: Packet, network: HostNetwork, { field, mask }: Key): Fact {
  const fact = plainFact(packet, network, field);
  return mask === undefined ? fact : fact.kind === 'number' ? { kind: 'number', value: fact.value & mask } : fact.kind === 'none' ? none : unknown;
}

function plainFact(packet: Packet, network: HostNetwork, field: Field): Fact {
  const { protocol, port, iif, oif } = packet;
  switch (field) {
    case 'iif': return iif === undefined ? unknown : names(iif);
    case 'oif': return oif === undefined ? unknown : names(oif);
    case 'saddr4': return addressFact(packet.from, 4, packet.to);
    case 'saddr6': return addressFact(packet.from, 6, packet.to);
    case 'daddr4': return addressFact(packet.to, 4, packet.to);
    case 'daddr6': return addressFact(packet.to, 6, packet.to);
    case 'orig-daddr4': return packet.untracked === true ? none : addressFact(packet.originalTo, 4, packet.to);
    case 'orig-daddr6': return packet.untracked === true ? none : addressFact(packet.originalTo, 6, packet.to);
    case 'orig-dport': return packet.untracked === true ? none : { kind: 'number', value: BigInt(packet.originalPort) };
    case 'sport': return unknown;
    case 'tcp-sport': return protocol === 'tcp' ? unknown : none;
    case 'udp-sport': return protocol === 'udp' ? unknown : none;
    case 'dport': return { kind: 'number', value: BigInt(port) };
    case 'tcp-dport': return protocol === 'tcp' ? { kind: 'number', value: BigInt(port) } : none;
    case 'udp-dport': return protocol === 'udp' ? { kind: 'number', value: BigInt(port) } : none;
    case 'l4proto': return { kind: 'number', value: protocol === 'tcp' ? 6n : 17n };
    case 'proto4': return packet.to.includes(':') ? none : { kind: 'number', value: protocol === 'tcp' ? 6n : 17n };
    case 'proto6': return packet.to.includes(':') ? { kind: 'number', value: protocol === 'tcp' ? 6n : 17n } : none;
    case 'other4': return packet.to.includes(':') ? none : unknown;
    case 'other6': return packet.to.includes(':') ? unknown : none;
    case 'tcp-other': return protocol === 'tcp' ? unknown : none;
    case 'udp-other': return protocol === 'udp' ? unknown : none;
    case 'absent': return none;
    // nft(8) knows a packet for the host itself by two names.
    case 'pkttype': return { kind: 'names', names: ['host', 'unicast'] };
    case 'nfproto': return { kind: 'number', value: packet.to.includes(':') ? 10n : 2n };
    // Only SYN is set, unless the client asks for ECN (RFC 3168).
    case 'tcp-flags': return protocol === 'tcp' ? { kind: 'number', value: 2n } : none;
    // iptables calls it a state, too, that a connection was given another destination (iptables-extensions(8), conntrack).
    case 'ct-state': return packet.untracked === true ? names('invalid') : { kind: 'names', names: packet.dnat ? ['new', 'dnat'] : ['new'] };
    case 'ct-direction': return packet.untracked === true ? none : names('original');
    case 'ct-status': return packet.untracked === true ? none : { kind: 'names', names: packet.dnat ? ['dnat'] : [] };
    case 'daddr-type': return typeFact(network, packet.to);
    case 'saddr-type': return packet.from === undefined ? unknown : typeFact(network, packet.from);
    // Where the table of another mark or of a policy would lead is not known.
    case 'reverse': return packet.from !== undefined && iif !== undefined && interfaceTo(network, packet.from) === iif ? { kind: 'number', value: 1n } : unknown;
    case 'other': return unknown;
  }
}

function names(name: string): Fact {
  return { kind: 'names', names: [name] };
}

function addressFact(address: string | undefined, family: 4 | 6, to: string): Fact {
  if (to.includes(':') !== (family === 6)) return none;
  const value = address === undefined ? undefined : addressValue(address);
  return value === undefined ? unknown : { kind: 'number', value: value.value };
}

/** Only what is certain: an address of the host, or one that can be a machine's; broadcast addresses of its networks are not looked for. */
function typeFact(network: HostNetwork, address: string): Fact {
  return names(isLocal(network, address) ? 'local' : 'unicast');
}

import { addressValue, prefixRange } from './address.js';
import { integerOf, listOf, objectOf, onlyMember, textOf } from './json.js';
import type { Field, Key, Tuple, Value } from './ruleset.js';

const protocols: Readonly<Record<string, number>> = { ip: 0, icmp: 1, igmp: 2, tcp: 6, udp: 17, dccp: 33, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, icmpv6: 58, sctp: 132, udplite: 136 };
const tcpFlags: Readonly<Record<string, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 };
const nfProtocols: Readonly<Record<string, number>> = { ipv4: 2, ip: 2, ipv6: 10, ip6: 10 };
const unknown: Value = { kind: 'unknown' };

/** Fields whose values are names. */
const named: ReadonlySet<Field> = new Set<Field>(['iif', 'oif', 'ct-state', 'ct-status', 'ct-direction', 'daddr-type', 'saddr-type', 'pkttype']);

/** Fields whose values may be the name of a protocol. */
const protocolFields: ReadonlySet<Field> = new Set<Field>(['l4proto', 'proto4', 'proto6']);

/** What the fields of a header are that are not in the list above. */
const headers: Readonly<Record<string, Field>> = {
  ip: 'other4', ip6: 'other6', tcp: 'tcp-other', udp: 'udp-other', icmp: 'absent', icmpv6: 'absent', igmp: 'absent', sctp: 'absent', dccp: 'absent', udplite: 'absent', esp: 'absent', ah: 'absent', comp: 'absent',
};

/** Field by what stands in nft's JSON, as `payload tcp dport` or `meta iifname`. */
const fields: Readonly<Record<string, Field>> = {
  'meta iif': 'iif', 'meta iifname': 'iif', 'meta oif': 'oif', 'meta oifname': 'oif', 'meta l4proto': 'l4proto', 'meta nfproto': 'nfproto', 'meta protocol': 'nfproto',
  'meta pkttype': 'pkttype', 'payload ip saddr': 'saddr4', 'payload ip daddr': 'daddr4', 'payload ip6 saddr': 'saddr6', 'payload ip6 daddr': 'daddr6', 'payload ip protocol': 'proto4', 'payload ip6 nexthdr': 'proto6',
  'payload th sport': 'sport', 'payload th dport': 'dport', 'payload tcp sport': 'tcp-sport', 'payload tcp dport': 'tcp-dport', 'payload udp sport': 'udp-sport', 'payload udp dport': 'udp-dport',
  'payload tcp flags': 'tcp-flags', 'ct state': 'ct-state', 'ct status': 'ct-status', 'ct direction': 'ct-direction', 'ct original ip daddr': 'orig-daddr4', 'ct original ip6 daddr': 'orig-daddr6', 'ct original proto-dst': 'orig-dport',
  'fib type daddr': 'daddr-type', 'fib type saddr': 'saddr-type',
};

/** The keys of the left side of a match: one, or several of a concatenation. */
export function keysOf(left: unknown): readonly Key[] {
  const concat = listOf(objectOf(left)?.['concat']);
  return concat === undefined ? [keyOf(left)] : concat.slice(0, 16).map(keyOf);
}

function keyOf(left: unknown): Key {
  const only = onlyMember(left);
  const masked = only?.name === '&' ? listOf(only.value) : undefined;
  if (masked !== undefined) {
    const key = keyOf(masked[0]);
    const mask = masked.length === 2 ? bitsOf(key.field, masked[1]) : undefined;
    return mask === undefined || key.mask !== undefined ? { field: 'other' } : { field: key.field, mask };
  }
  const inner = objectOf(only?.value);
  if (only === undefined || inner === undefined) return { field: 'other' };
  if (only.name === 'fib' && /^oif(?:name)?$/.test(textOf(inner['result']))) {
    const flags = (listOf(inner['flags']) ?? []).map(textOf);
    return { field: ['saddr', 'iif'].every((flag) => flags.includes(flag)) ? 'reverse' : 'other' };
  }
  // A first packet has no headers between those of IPv6 and of TCP; whether it has none is another question.
  if (only.name === 'exthdr' && inner['field'] !== undefined) return { field: 'absent' };
  if (only.name === 'fib') return { field: fields[`fib ${textOf(inner['result'])} ${(listOf(inner['flags']) ?? []).map(textOf).join(' ')}`] ?? 'other' };
  const words = only.name === 'payload' ? [inner['protocol'], inner['field']] : only.name === 'ct' && inner['dir'] !== undefined ? [inner['dir'], inner['key']] : [inner['key']];
  const known = fields[[only.name, ...words.map(textOf)].join(' ')];
  if (known !== undefined) return { field: known };
  const header = only.name === 'payload' ? textOf(inner['protocol']) : only.name === 'tcp option' ? 'tcp' : '';
  return { field: Object.hasOwn(headers, header) ? (headers[header] ?? 'other') : 'other' };
}

/** Flags or a number as bits. */
function bitsOf(field: Field, value: unknown): bigint | undefined {
  const parts = listOf(value) ?? [value];
  const bits = parts.map((part) => valueOf(field, part)).map((one) => (one.kind === 'range' && one.first === one.last ? one.first : undefined));
  return bits.reduce((sum: bigint | undefined, one) => (sum === undefined || one === undefined ? undefined : sum | one), 0n);
}

/** One value of a field. What is not understood is unknown. */
export function valueOf(field: Field, value: unknown): Value {
  if (value === '*') return { kind: 'any' };
  if (field === 'other') return unknown;
  if (named.has(field)) return nameOf(value);
  if (field === 'tcp-flags' && (Array.isArray(value) || objectOf(value)?.['|'] !== undefined)) {
    const bits = bitsOf(field, listOf(value) ?? objectOf(value)?.['|']);
    return bits === undefined ? unknown : { kind: 'range', first: bits, last: bits };
  }
  const only = onlyMember(value);
  if (only?.name === 'prefix') {
    const prefix = objectOf(only.value);
    const range = prefixRange(textOf(prefix?.['addr']), integerOf(prefix?.['len']) ?? -1);
    return range === undefined ? unknown : { kind: 'range', first: range.first, last: range.last };
  }
  if (only?.name === 'range') {
    const [first, last] = (listOf(only.value) ?? []).map((end) => numberOf(field, end));
    return first === undefined || last === undefined || first > last ? unknown : { kind: 'range', first, last };
  }
  if (only?.name === 'elem') return valueOf(field, objectOf(only.value)?.['val']);
  const number = numberOf(field, value);
  return number === undefined ? unknown : { kind: 'range', first: number, last: number };
}

/** The values of one element of a set, one for each key. */
export function tupleOf(keys: readonly Key[], element: unknown): Tuple {
  const inner = onlyMember(element)?.name === 'elem' ? objectOf(objectOf(element)?.['elem'])?.['val'] : element;
  if (keys.length === 1) return [valueOf(keys[0]?.field ?? 'other', inner)];
  if (inner === '*') return keys.map((): Value => ({ kind: 'any' }));
  const parts = listOf(objectOf(inner)?.['concat']) ?? [];
  return keys.map((key, index) => (parts.length === keys.length ? valueOf(key.field, parts[index]) : unknown));
}

function nameOf(value: unknown): Value {
  const only = onlyMember(value);
  if (only?.name === 'elem') return nameOf(objectOf(only.value)?.['val']);
  // A number is the index of an interface that is gone: no packet comes through it, but a new one may get it.
  if (typeof value !== 'string' || value === '') return unknown;
  return value.endsWith('*') ? { kind: 'name', text: value.slice(0, -1), prefix: true } : { kind: 'name', text: value, prefix: false };
}

function numberOf(field: Field, value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
  if (field === 'reverse' && typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value !== 'string') return undefined;
  const table = protocolFields.has(field) ? protocols : field === 'nfproto' ? nfProtocols : field === 'tcp-flags' ? tcpFlags : undefined;
  const known = table !== undefined && Object.hasOwn(table, value) ? table[value] : undefined;
  if (known !== undefined) return BigInt(known);
  return field.includes('addr') ? addressValue(value)?.value : /^[0-9]{1,10}$/.test(value) ? BigInt(value) : undefined;
}

import { addressValue, formatAddress } from './address.js';
import { integerOf, listOf, objectOf, onlyMember, textOf, type Json } from './json.js';
import type { Item, Key, Target, Tuple, Verdict, Way } from './ruleset.js';
import { keysOf, tupleOf } from './value.js';

/** Statements that change nothing for where a packet goes. */
const without: ReadonlySet<string> = new Set(['counter', 'log', 'last', 'comment', 'ct helper', 'ct timeout', 'ct expectation', 'flow']);

/** Statements that end a rule now and then. */
const maybe: ReadonlySet<string> = new Set(['limit', 'quota', 'connlimit', 'ct count', 'meter']);

/** One expression of a rule's `expr`. What is not understood may match, or may do anything. */
export function itemOf(expression: unknown): Item | undefined {
  const only = onlyMember(expression);
  if (only === undefined) return { kind: 'unknown' };
  const { name, value } = only;
  if (name === 'match') return matchOf(value);
  if (name === 'vmap') return vmapOf(value);
  const verdict = verdictOf(expression);
  if (verdict !== undefined) return verdict.kind === 'continue' ? undefined : { kind: 'verdict', verdict };
  if (without.has(name)) return undefined;
  if (maybe.has(name)) return { kind: 'maybe' };
  // Without a statement of its own (a limit, say) it only notes an address.
  if (name === 'set') return objectOf(value)?.['stmt'] === undefined ? undefined : { kind: 'maybe' };
  if (name === 'mangle') return mangleOf(objectOf(value)?.['key']);
  if (name === 'xt') return objectOf(value)?.['type'] === 'match' ? { kind: 'maybe' } : { kind: 'unknown' };
  return natOf(name, value) ?? { kind: 'unknown' };
}

/** A verdict, or undefined. */
export function verdictOf(expression: unknown): Verdict | undefined {
  const only = onlyMember(expression);
  switch (only?.name) {
    case 'accept': case 'drop': case 'reject': case 'return': case 'continue':
      return { kind: only.name };
    case 'jump': case 'goto':
      return { kind: only.name, chain: textOf(objectOf(only.value)?.['target']) };
    default:
      return undefined;
  }
}

function matchOf(value: unknown): Item {
  const match = objectOf(value);
  const keys = keysOf(match?.['left']);
  const op = textOf(match?.['op']);
  const right = match?.['right'];
  const range = { '<': [0, -1], '<=': [0, 0], '>': [1, 1], '>=': [0, 1] }[op];
  if (range !== undefined) return orderOf(keys, op, right);
  const negated = op === '!=';
  if (op !== '==' && op !== 'in' && !negated) return { kind: 'maybe' };
  // `ct status == dnat` means that no other bit is set, and `ct status != dnat` that one is.
  if (op !== 'in' && keys.some(({ field }) => field === 'ct-status')) return { kind: 'maybe' };
  if (typeof right === 'string' && right.startsWith('@')) return { kind: 'lookup', keys, negated, set: right.slice(1) };
  const set = objectOf(right)?.['set'];
  const elements = set !== undefined ? (listOf(set) ?? [set]) : keys[0]?.field === 'tcp-flags' && op !== 'in' ? [right] : (listOf(right) ?? [right]);
  return { kind: 'match', keys, negated, tuples: elements.map((element) => tupleOf(keys, element)) };
}

/** Marks and the like change nothing for where a packet goes that Reeve would understand, nor does how urgent it is; other parts of a packet may. */
function mangleOf(key: unknown): Item | undefined {
  const field = objectOf(objectOf(key)?.['payload'])?.['field'];
  return objectOf(key)?.['payload'] === undefined || ['dscp', 'ecn', 'ttl', 'hoplimit', 'priority', 'flowlabel'].includes(textOf(field)) ? undefined : { kind: 'unknown' };
}

/** `tcp dport < 1024` as a range. */
function orderOf(keys: readonly Key[], op: string, right: unknown): Item {
  const limit = integerOf(right);
  if (keys.length !== 1 || limit === undefined || limit < 0) return { kind: 'maybe' };
  const below = op.startsWith('<');
  const edge = BigInt(limit) + (op === '<' ? -1n : op === '>' ? 1n : 0n);
  const tuple: Tuple = [{ kind: 'range', first: below ? 0n : edge, last: below ? edge : 1n << 128n }];
  return { kind: 'match', keys, negated: false, tuples: [tuple] };
}

function vmapOf(value: unknown): Item {
  const vmap = objectOf(value);
  const keys = keysOf(vmap?.['key']);
  const data = vmap?.['data'];
  if (typeof data === 'string' && data.startsWith('@')) return { kind: 'vmap-lookup', keys, map: data.slice(1) };
  const entries = (listOf(objectOf(data)?.['set']) ?? []).map((pair) => entryOf(keys, pair));
  const known = entries.flatMap((entry) => (entry === undefined ? [] : [entry]));
  return known.length === entries.length && known.length > 0 ? { kind: 'vmap', keys, entries: known } : { kind: 'unknown' };
}

/** `[key, verdict]` of a map of verdicts. */
export function entryOf(keys: readonly Key[], pair: unknown): { readonly tuple: Tuple; readonly verdict: Verdict } | undefined {
  const [element, data] = listOf(pair) ?? [];
  const verdict = verdictOf(data);
  return verdict === undefined ? undefined : { tuple: tupleOf(keys, element), verdict };
}

function natOf(name: string, value: unknown): Item | undefined {
  const object = objectOf(value);
  switch (name) {
    case 'masquerade':
      return { kind: 'masquerade', plain: object?.['port'] === undefined && object?.['flags'] === undefined };
    case 'redirect':
      if (mapOf(object?.['port']) !== undefined) return { kind: 'unknown' };
      return object?.['port'] === undefined ? { kind: 'redirect', ports: undefined } : portsOf(object['port']) === undefined ? { kind: 'dnat', target: undefined } : { kind: 'redirect', ports: portsOf(object['port']) };
    case 'dnat':
      return dnatOf(object);
    case 'snat':
      return { kind: name, target: targetOf(value) };
    default:
      return undefined;
  }
}

function dnatOf(dnat: Json | undefined): Item {
  const family = dnat?.['family'] === 'ip' ? 4 : dnat?.['family'] === 'ip6' ? 6 : undefined;
  const [byAddress, byPort] = [mapOf(dnat?.['addr']), mapOf(dnat?.['port'])];
  const map = byAddress ?? byPort;
  if (map === undefined) return { kind: 'dnat', target: targetOf(dnat), family };
  if (byAddress !== undefined && byPort !== undefined) return { kind: 'unknown' };
  const fixed = byAddress === undefined ? { addr: dnat?.['addr'] } : { port: dnat?.['port'] };
  const isAlone = Object.values(fixed)[0] === undefined;
  const rest = isAlone ? { address: undefined, ports: undefined } : targetOf(fixed);
  return rest === undefined ? { kind: 'unknown' } : { kind: 'dnat-map', ...map, rest, family };
}

/** `{"map": {"key": ..., "data": ...}}` of a destination; undefined: it is no map. */
function mapOf(value: unknown): { readonly keys: readonly Key[]; readonly ways: readonly Way[] | string } | undefined {
  const map = objectOf(objectOf(value)?.['map']);
  if (map === undefined) return undefined;
  const keys = keysOf(map['key']);
  const data = map['data'];
  if (typeof data === 'string') return { keys, ways: data.replace(/^@/, '') };
  return { keys, ways: (listOf(objectOf(data)?.['set']) ?? []).map((pair) => wayOf(keys, pair)) };
}

/** `[key, destination]` of a map: an address, a port, or both. */
export function wayOf(keys: readonly Key[], pair: unknown): Way {
  const [element, data] = listOf(pair) ?? [];
  const [addr, port] = listOf(objectOf(data)?.['concat']) ?? (portsOf(data) === undefined ? [data, undefined] : [undefined, data]);
  return { tuple: tupleOf(keys, element), target: targetOf({ addr, port }) };
}

function targetOf(value: unknown): Target | undefined {
  const object = objectOf(value);
  const ports = portsOf(object?.['port']);
  if (object === undefined || (object['port'] !== undefined && ports === undefined)) return undefined;
  if (object['addr'] === undefined) return ports === undefined ? undefined : { address: undefined, ports };
  const address = addressValue(textOf(object['addr']));
  return address === undefined ? undefined : { address: formatAddress(address), ports };
}

function portsOf(value: unknown): Target['ports'] {
  const [first, last] = listOf(objectOf(value)?.['range']) ?? [value, value];
  return typeof first === 'number' && typeof last === 'number' && first >= 1 && first <= last && last <= 65535 ? { first, last } : undefined;
}

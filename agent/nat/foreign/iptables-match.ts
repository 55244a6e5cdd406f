import { addressValue, prefixRange } from './address.js';
import type { Field, Item, Tuple, Value } from './ruleset.js';
import { valueOf } from './value.js';

const maybe: readonly Item[] = [{ kind: 'maybe' }];

/** Options that say nothing of the packet by themselves. */
const silent: ReadonlySet<string> = new Set(['-m', '-4', '-6']);

/** Ports, by option. */
const ports: Readonly<Record<string, Field>> = { '--dport': 'dport', '--dports': 'dport', '--sport': 'sport', '--sports': 'sport', '--ctorigdstport': 'orig-dport' };

/** Names, by option; `*` at the end of an interface is spelled `+`. */
const names: Readonly<Record<string, Field>> = {
  '-i': 'iif', '-o': 'oif', '--ctstate': 'ct-state', '--state': 'ct-state', '--ctstatus': 'ct-status', '--dst-type': 'daddr-type', '--src-type': 'saddr-type', '--pkt-type': 'pkttype',
};

/** Addresses, by option. */
const addresses: Readonly<Record<string, 'saddr' | 'daddr' | 'orig-daddr'>> = { '-s': 'saddr', '-d': 'daddr', '--src-range': 'saddr', '--dst-range': 'daddr', '--ctorigdst': 'orig-daddr' };

/** One option of a rule of iptables as what it looks at; an option that is not understood may match. */
export function matchOption(option: string, values: readonly string[], negated: boolean, family: 4 | 6): readonly Item[] {
  if (silent.has(option)) return [];
  const value = values[0] ?? '';
  if (option === '--tcp-flags') return values.length === 2 ? flags(value, values[1] ?? '', negated) : maybe;
  if (option === '--syn') return flags('FIN,SYN,RST,ACK', 'SYN', negated);
  // The first packet of a connection is whole, its route is not its own choice, and one that is routed goes from no port of a bridge to another of it.
  if (option === '-f' || option === '--physdev-is-bridged' || option === '--rt-type') return negated ? [] : [never];
  if (values.length !== 1) return maybe;
  if (option === '--ctdir') return (value === 'ORIGINAL') === !negated ? [] : [never];
  if (option === '-p') return value === 'all' ? [] : [match('l4proto', [valueOf('l4proto', protocol(value))], negated)];
  const port = own(ports, option);
  if (port !== undefined) return [match(port, value.split(',').map(portValue), negated)];
  const name = own(names, option);
  if (name !== undefined) return [match(name, value.split(',').map((one) => nameValue(name, one)), negated)];
  const address = own(addresses, option);
  return address === undefined ? maybe : [match(`${address}${String(family) as '4' | '6'}`, [addressRange(value)], negated)];
}

/** True for no packet. */
const never: Item = { kind: 'match', keys: [{ field: 'l4proto' }], negated: false, tuples: [] };

function match(field: Field, values: readonly Value[], negated: boolean): Item {
  return { kind: 'match', keys: [{ field }], negated, tuples: values.map((value): Tuple => [value]) };
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function protocol(text: string): string | number {
  return /^[0-9]{1,3}$/.test(text) ? Number(text) : text;
}

/** `80` or `80:90`. */
function portValue(text: string): Value {
  const range = /^([0-9]{1,5})(?::([0-9]{1,5}))?$/.exec(text);
  return range === null ? { kind: 'unknown' } : { kind: 'range', first: BigInt(range[1] ?? '0'), last: BigInt(range[2] ?? range[1] ?? '0') };
}

function nameValue(field: Field, text: string): Value {
  if (field !== 'iif' && field !== 'oif') return { kind: 'name', text: text.toLowerCase(), prefix: false };
  return text.endsWith('+') ? { kind: 'name', text: text.slice(0, -1), prefix: true } : { kind: 'name', text, prefix: false };
}

/** `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1-10.0.0.9`; other masks are not understood. */
function addressRange(text: string): Value {
  const [first = '', last] = text.split('-');
  if (last !== undefined) {
    const ends = [addressValue(first), addressValue(last)];
    return ends[0] === undefined || ends[1] === undefined ? { kind: 'unknown' } : { kind: 'range', first: ends[0].value, last: ends[1].value };
  }
  const [address = '', length] = text.split('/');
  const range = prefixRange(address, length === undefined ? (address.includes(':') ? 128 : 32) : /^[0-9]{1,3}$/.test(length) ? Number(length) : -1);
  return range === undefined ? { kind: 'unknown' } : { kind: 'range', first: range.first, last: range.last };
}

function flags(mask: string, wanted: string, negated: boolean): readonly Item[] {
  const bits = [mask, wanted].map((list) => valueOf('tcp-flags', list === 'NONE' ? 0 : (list === 'ALL' ? 'FIN,SYN,RST,PSH,ACK,URG' : list).toLowerCase().split(',')));
  const [counted, value] = bits;
  if (counted?.kind !== 'range' || value === undefined) return maybe;
  return [{ kind: 'match', keys: [{ field: 'tcp-flags', mask: counted.first }], negated, tuples: [[value]] }];
}

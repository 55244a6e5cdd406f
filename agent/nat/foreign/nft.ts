import { entryOf, itemOf, wayOf } from './expression.js';
import { integerOf, listOf, objectOf, parseObject, textOf, type Json } from './json.js';
import type { Base, Chain, Field, Key, Rule, Rules, SetOf, Table, TableFamily } from './ruleset.js';
import { sliceRuleset } from './slices.js';
import { tupleOf } from './value.js';

/** The field a set's type is compared as, where all that matters is how its values are spelled. */
const typeFields: Readonly<Record<string, Field>> = {
  ipv4_addr: 'saddr4', ipv6_addr: 'saddr6', inet_service: 'dport', inet_proto: 'l4proto', nf_proto: 'nfproto', ifname: 'iif', iface_index: 'iif', ct_state: 'ct-state', ct_status: 'ct-status', fib_addrtype: 'daddr-type', tcp_flag: 'tcp-flags', pkt_type: 'pkttype', ct_dir: 'ct-direction',
};

/** Whether a table with such a flag is dormant. nft 1.0 prints the table's own name where a flag's should be: maybe. */
const dormant: Readonly<Record<string, Table['dormant']>> = { dormant: 'yes', owner: 'no', persist: 'no' };

/** The tables of `nft -j list ruleset`. Tables that no routed packet comes through, by their family or because they are dormant, are left out. */
export function parseRuleset(text: string, sha256: (text: string) => string): Omit<Rules, 'edges'> {
  const { slices, whole } = sliceRuleset(text);
  const tables = new Map<string, Table>();
  const changing = new Set<string>();
  let understood = whole;
  for (const { kind, text: slice } of slices) {
    const object = parseObject(slice);
    if (object === undefined) understood = false;
    else addElement(tables, kind, object, () => sha256(slice));
    if (object !== undefined && kind === 'rule') for (const name of changedSets(object)) changing.add(`${textOf(object['family'])} ${textOf(object['table'])} ${name}`);
  }
  // nft 1.0 does not tell of every set that packets change that they do.
  for (const { family, name: table, sets } of tables.values()) {
    for (const [name, set] of sets) if (changing.has(`${family} ${table} ${name}`)) sets.set(name, { ...set, literal: false });
  }
  const all = [...tables.values()].filter((table) => table.dormant !== 'yes');
  const isOurs = (table: Table): boolean => table.family === 'inet' && table.name === 'reeve';
  return { foreign: all.filter((table) => !isOurs(table)), ours: all.find(isOurs), whole: understood };
}

function addElement(tables: Map<string, Table>, kind: string, object: Json, digest: () => string): void {
  const family = familyOf(object['family']);
  const tableName = textOf(object[kind === 'table' ? 'name' : 'table']);
  if (family === undefined || tableName === '') return;
  const table: Table = tables.get(`${family} ${tableName}`) ?? { family, name: tableName, handle: 0, dormant: 'no', chains: new Map<string, Chain>(), sets: new Map<string, SetOf>() };
  tables.set(`${family} ${tableName}`, table);
  const name = textOf(object['name']);
  switch (kind) {
    case 'table':
      table.handle = integerOf(object['handle']) ?? 0;
      table.dormant = dormancyOf(listOf(object['flags']) ?? (object['flags'] === undefined ? [] : [object['flags']]));
      return;
    case 'chain':
      table.chains.set(name, { name, handle: integerOf(object['handle']) ?? 0, base: baseOf(object), rules: table.chains.get(name)?.rules ?? [] });
      return;
    case 'set':
    case 'map':
      table.sets.set(name, setOf(name, object));
      return;
    case 'rule': {
      const chain = table.chains.get(textOf(object['chain'])) ?? { name: textOf(object['chain']), handle: 0, base: undefined, rules: [] };
      table.chains.set(chain.name, chain);
      chain.rules.push(ruleOf(object, digest()));
      return;
    }
    default:
      return;
  }
}

/** Sets that the packets a rule matches are put into, or taken out of. */
function changedSets(rule: Json): readonly string[] {
  return (listOf(rule['expr']) ?? []).flatMap((expression) => {
    const object = objectOf(expression);
    const name = textOf(objectOf(object?.['set'] ?? object?.['map'] ?? object?.['meter'])?.['set'] ?? objectOf(object?.['map'])?.['map']);
    return name.startsWith('@') ? [name.slice(1)] : [];
  });
}

function familyOf(value: unknown): TableFamily | undefined {
  return value === 'ip' || value === 'ip6' || value === 'inet' ? value : undefined;
}

function dormancyOf(flags: readonly unknown[]): Table['dormant'] {
  const all = flags.map((flag) => (Object.hasOwn(dormant, textOf(flag)) ? dormant[textOf(flag)] : 'maybe'));
  return all.includes('yes') ? 'yes' : all.includes('maybe') ? 'maybe' : 'no';
}

function baseOf(object: Json): Base | undefined {
  const hook = textOf(object['hook']);
  if (hook === '') return undefined;
  return { type: textOf(object['type']), hook, priority: integerOf(object['prio']) ?? 0, policy: object['policy'] === 'drop' ? 'drop' : 'accept' };
}

function ruleOf(object: Json, sha256: string): Rule {
  const expressions = listOf(object['expr']) ?? [];
  const items = expressions.slice(0, 256).flatMap((expression) => itemOf(expression) ?? []);
  return { handle: integerOf(object['handle']) ?? 0, items: expressions.length > 256 ? [...items, { kind: 'unknown' }] : items, sha256, comment: textOf(object['comment']) };
}

function setOf(name: string, object: Json): SetOf {
  const types = listOf(object['type']) ?? [object['type']];
  const keys = types.map((type): Key => ({ field: typeFields[textOf(type)] ?? 'other' }));
  const flags = (listOf(object['flags']) ?? []).map(textOf);
  const elements = listOf(object['elem']) ?? [];
  const literal = !flags.includes('dynamic') && !flags.includes('timeout') && object['timeout'] === undefined;
  if (object['map'] === undefined) return { name, literal, tuples: elements.map((element) => tupleOf(keys, element)), verdicts: [], targets: [] };
  if (object['map'] !== 'verdict') {
    const ways = elements.map((pair) => wayOf(keys, pair));
    return { name, literal, tuples: ways.map(({ tuple }) => tuple), verdicts: [], targets: ways.map(({ target }) => target) };
  }
  const entries = elements.map((pair) => entryOf(keys, pair));
  const known = entries.flatMap((entry) => entry ?? []);
  return { name, literal: literal && known.length === entries.length, tuples: known.map(({ tuple }) => tuple), verdicts: known.map(({ verdict }) => verdict), targets: [] };
}

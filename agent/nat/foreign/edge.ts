import type { Edges, Field, Item, Range, Table, Value } from './ruleset.js';

/** The edges of all foreign rules for a family. */
export function edgesOf(foreign: readonly Table[], family: 4 | 6): Edges {
  const tables = foreign.filter((table) => table.family === 'inet' || (table.family === 'ip') === (family === 4));
  const source: Field = family === 4 ? 'saddr4' : 'saddr6';
  const all = tables.flatMap((table) => {
    const items = [...table.chains.values()].flatMap((chain) => chain.rules.flatMap((rule) => rule.items));
    return items.flatMap((item) => valuesOf(item, (name) => table.sets.get(name)?.tuples ?? []));
  });
  const of = (wanted: (field: Field) => boolean): readonly Range[] => all.flatMap(({ field, value }) => (wanted(field) && value.kind === 'range' ? [value] : []));
  return { ports: of((field) => field.endsWith('dport') && field !== 'orig-dport'), sources: of((field) => field === source) };
}

function valuesOf(item: Item, setOf: (name: string) => readonly (readonly Value[])[]): readonly { readonly field: Field; readonly value: Value }[] {
  if (!('keys' in item)) return [];
  const tuples = tuplesOf(item, setOf);
  return tuples.flatMap((tuple) => item.keys.flatMap(({ field, mask }, index) => {
    const value = tuple[index];
    return value === undefined || mask !== undefined ? [] : [{ field, value }];
  }));
}

function tuplesOf(item: Extract<Item, { keys: unknown }>, setOf: (name: string) => readonly (readonly Value[])[]): readonly (readonly Value[])[] {
  switch (item.kind) {
    case 'match': return item.tuples;
    case 'lookup': return setOf(item.set);
    case 'vmap': return item.entries.map(({ tuple }) => tuple);
    case 'vmap-lookup': return setOf(item.map);
    case 'dnat-map': return typeof item.ways === 'string' ? setOf(item.ways) : item.ways.map(({ tuple }) => tuple);
  }
}

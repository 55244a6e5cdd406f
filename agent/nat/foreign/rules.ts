import { edgesOf } from './edge.js';
import { parseSave, type SavedTables } from './iptables.js';
import { parseRuleset } from './nft.js';
import type { Chain, Rule, Rules, Table } from './ruleset.js';

export type { Rules } from './ruleset.js';

/** The rules of a host as its own tools print them. */
export interface ForeignSource {
  /** `nft -s -j list ruleset` (without -s the counters, and with them the digests, change with every packet); "" where there is none. */
  readonly ruleset: string;
  /** `iptables-nft-save`, or "". */
  readonly iptables4: string;
  /** `ip6tables-nft-save`, or "". */
  readonly iptables6: string;
}

/** All rules of a host. Never throws: what is not understood may match and may do anything. `sha256` gives the hex digest of a text's bytes. */
export function parseRules(source: ForeignSource, sha256: (text: string) => string): Rules {
  const rules = parseRuleset(source.ruleset, sha256);
  const saved = { ip: parseSave(source.iptables4, 4), ip6: parseSave(source.iptables6, 6) };
  const foreign = rules.foreign.map((table) => (table.family === 'inet' ? table : filled(table, saved[table.family])));
  return { ...rules, foreign, edges: { 4: edgesOf(foreign, 4), 6: edgesOf(foreign, 6) } };
}

/** A table of iptables with what nft does not tell of its rules. They are told apart by their place in the chain; where the two lists are not of one moment, nft's stays. */
function filled(table: Table, saved: SavedTables): Table {
  const chains = saved.get(table.name);
  if (chains === undefined) return table;
  const all = [...table.chains.values()].map((chain): [string, Chain] => {
    const rules = chains.get(chain.name) ?? [];
    const merged = chain.rules.flatMap((rule, index): Rule[] => {
      const one = rules[index];
      return one === undefined || !agree(rule, one) ? [] : [{ ...rule, items: one.items, comment: one.comment }];
    });
    return [chain.name, merged.length === chain.rules.length && rules.length === merged.length ? { ...chain, rules: merged } : chain];
  });
  return { ...table, chains: new Map(all) };
}

/** Whether the verdict that nft understands is the one that iptables tells. */
function agree(rule: Rule, saved: { readonly items: Rule['items'] }): boolean {
  const told = rule.items.at(-1);
  return told?.kind !== 'verdict' || JSON.stringify(told) === JSON.stringify(saved.items.at(-1));
}

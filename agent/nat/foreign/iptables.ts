import { matchOption } from './iptables-match.js';
import { targetItem } from './iptables-target.js';
import type { Item } from './ruleset.js';

/** A rule as iptables-save prints it. */
export interface SavedRule {
  readonly items: readonly Item[];
  readonly comment: string;
}

/** Table, chain, rules in order. */
export type SavedTables = ReadonlyMap<string, ReadonlyMap<string, readonly SavedRule[]>>;

/** Most lines, and most words of a line, that are looked at. */
const most = { lines: 100_000, words: 512 } as const;

/** The tables of `iptables-nft-save` or `ip6tables-nft-save`. A table that is not ended by COMMIT is left out. */
export function parseSave(text: string, family: 4 | 6): SavedTables {
  const tables = new Map<string, Map<string, SavedRule[]>>();
  let open: { readonly name: string; readonly chains: Map<string, SavedRule[]> } | undefined;
  for (const line of text.split('\n').slice(0, most.lines)) {
    if (line.startsWith('*')) open = { name: line.slice(1).trim(), chains: new Map<string, SavedRule[]>() };
    if (open === undefined) continue;
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined) open.chains.set(chain, open.chains.get(chain) ?? []);
    const rule = /^(?:\[[0-9]+:[0-9]+\] )?-A (\S+)(.*)$/.exec(line);
    if (rule !== null) {
      const name = rule[1] ?? '';
      const rules = open.chains.get(name) ?? [];
      open.chains.set(name, rules);
      rules.push(parseSavedRule(rule[2] ?? '', family));
    }
    if (line.trim() === 'COMMIT') {
      tables.set(open.name, open.chains);
      open = undefined;
    }
  }
  return tables;
}

/** What stands behind `-A CHAIN`. */
export function parseSavedRule(text: string, family: 4 | 6): SavedRule {
  const words = wordsOf(text);
  if (words === undefined) return { items: [{ kind: 'unknown' }], comment: '' };
  const items: Item[] = [];
  let comment = '';
  let negated = false;
  for (let at = 0; at < words.length;) {
    const word = words[at] ?? '';
    at += 1;
    if (word === '!') {
      negated = true;
      continue;
    }
    let values: string[] = [];
    while (at < words.length && (words[at] !== '!' || word === '--comment') && (!/^--?[a-zA-Z0-9]/.test(words[at] ?? '') || word === '--comment')) {
      values = [...values, words[at] ?? ''];
      at += 1;
      if (word === '--comment') break;
    }
    if (word === '-j' || word === '-g') {
      const target = targetItem(word, values[0] ?? '', words.slice(at));
      return { items: target === undefined ? items : [...items, target], comment };
    }
    if (word === '--comment') comment = values[0] ?? '';
    else items.push(...matchOption(word, values, negated, family));
    negated = false;
  }
  return { items, comment };
}

/** Words of a line; undefined: too many, or a quote is missing. Quotes as iptables-save writes them: `"`, with `\` before what is to be taken as it is. */
function wordsOf(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let rest = text.trimStart();
  while (rest !== '') {
    const word = rest.startsWith('"') ? /^"((?:[^"\\]|\\.)*)"(?:\s+|$)/.exec(rest) : /^([^\s"]+)(?:\s+|$)/.exec(rest);
    if (word === null || words.length >= most.words) return undefined;
    words.push((word[1] ?? '').replace(/\\(.)/g, '$1'));
    rest = rest.slice(word[0].length);
  }
  return words;
}

import type { Rules } from './ruleset.js';

/** The tables of `nft -j list ruleset`. */
export function parseRuleset(text: string, _sha256: (text: string) => string): Rules {
  return { foreign: [], ours: undefined, whole: text === '' };
}

import type { Rules } from './ruleset.js';
import { parseRuleset } from './nft.js';

export type { Rules } from './ruleset.js';

/** The rules of a host as its own tools print them. */
export interface ForeignSource {
  /** `nft -j list ruleset`; "" where there is none. */
  readonly ruleset: string;
  /** `iptables-nft-save`, or "". */
  readonly iptables4: string;
  /** `ip6tables-nft-save`, or "". */
  readonly iptables6: string;
}

/** All rules of a host. Never throws: what is not understood may match and may do anything. `sha256` gives the hex digest of a text's bytes. */
export function parseRules(source: ForeignSource, sha256: (text: string) => string): Rules {
  return parseRuleset(source.ruleset, sha256);
}

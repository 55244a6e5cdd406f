/** Families of tables that a forwarded packet comes through. */
export type TableFamily = 'ip' | 'ip6' | 'inet';

/** What of a packet a rule looks at. Numbers: addresses, ports, protocols, flags. Names: interfaces, states, kinds of addresses. */
export type Field =
  | 'iif' | 'oif' | 'saddr4' | 'daddr4' | 'saddr6' | 'daddr6' | 'sport' | 'dport' | 'tcp-sport' | 'tcp-dport' | 'udp-sport' | 'udp-dport'
  | 'l4proto' | 'nfproto' | 'tcp-flags' | 'ct-state' | 'ct-status' | 'ct-direction' | 'daddr-type' | 'saddr-type' | 'orig-daddr4' | 'orig-daddr6' | 'orig-dport' | 'pkttype'
  /** Whether an answer would leave through the interface that the packet came in by: 1, 0. */
  | 'reverse'
  /** The protocol by the header of IPv4 or of IPv6, which packets of the other family have not. */
  | 'proto4' | 'proto6'
  /** Something else of a header that only some packets have, of IPv4 or IPv6, of TCP or UDP. */
  | 'other4' | 'other6' | 'tcp-other' | 'udp-other'
  /** Something of a header that no packet of TCP or UDP has, as the type of ICMP. */
  | 'absent'
  /** Something that is not understood; no packet has a known value for it. */
  | 'other';

/** A field, with the bits that count. */
export interface Key {
  readonly field: Field;
  readonly mask?: bigint;
}

/** One value: numbers from first to last, a name (with `prefix`: all that begin so), or anything. */
export type Value =
  | { readonly kind: 'range'; readonly first: bigint; readonly last: bigint }
  | { readonly kind: 'name'; readonly text: string; readonly prefix: boolean }
  | { readonly kind: 'any' }
  | { readonly kind: 'unknown' };

/** What ends or moves the walk of a packet. */
export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'reject' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** Where a packet is sent; undefined: as it was. */
export interface Target {
  readonly address: string | undefined;
  readonly ports: { readonly first: number; readonly last: number } | undefined;
}

/** Elements of a set: each has a value for each key. */
export type Tuple = readonly Value[];

/** One element of a map of destinations; `target` undefined: somewhere that is not understood. */
export interface Way {
  readonly tuple: Tuple;
  readonly target: Target | undefined;
}

/** One piece of a rule, in the order of the rule. */
export type Item =
  /** The tuples are all that match, or (negated) none of them does. */
  | { readonly kind: 'match'; readonly keys: readonly Key[]; readonly negated: boolean; readonly tuples: readonly Tuple[] }
  /** As match, with a set of the table. */
  | { readonly kind: 'lookup'; readonly keys: readonly Key[]; readonly negated: boolean; readonly set: string }
  /** Not understood: may match. */
  | { readonly kind: 'maybe' }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'vmap'; readonly keys: readonly Key[]; readonly entries: readonly { readonly tuple: Tuple; readonly verdict: Verdict }[] }
  | { readonly kind: 'vmap-lookup'; readonly keys: readonly Key[]; readonly map: string }
  /** `target` undefined: somewhere that is not understood. `family`: only packets of that one; undefined: as the target's address says. */
  | { readonly kind: 'dnat'; readonly target: Target | undefined; readonly family?: 4 | 6 | undefined }
  /** Where a map says, if it says anything; `rest` where the element has no address, or no ports. `ways` a name: a map of the table. */
  | { readonly kind: 'dnat-map'; readonly keys: readonly Key[]; readonly ways: readonly Way[] | string; readonly rest: Target; readonly family: 4 | 6 | undefined }
  | { readonly kind: 'redirect'; readonly ports: Target['ports'] }
  | { readonly kind: 'snat'; readonly target: Target | undefined }
  /** `plain` false: it chooses ports in a way of its own. */
  | { readonly kind: 'masquerade'; readonly plain: boolean }
  /** A statement that may do anything to the packet. */
  | { readonly kind: 'unknown' };

/** One rule. */
export interface Rule {
  /** Number in its table; 0: not known. */
  readonly handle: number;
  readonly items: readonly Item[];
  /** Digest of the rule's JSON as nft wrote it; "" where there is none. */
  readonly sha256: string;
  readonly comment: string;
}

/** What makes a chain part of a hook. */
export interface Base {
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

/** One chain. */
export interface Chain {
  readonly name: string;
  /** Number in its table, which grows with each that is made; 0: not known. */
  readonly handle: number;
  readonly base: Base | undefined;
  readonly rules: Rule[];
}

/** A set or map of a table. `literal` false: its elements come and go by themselves or are not understood. */
export interface SetOf {
  readonly name: string;
  readonly literal: boolean;
  readonly tuples: readonly Tuple[];
  /** For maps of verdicts: one for each tuple. */
  readonly verdicts: readonly Verdict[];
  /** For maps of addresses and ports: one for each tuple. */
  readonly targets: readonly (Target | undefined)[];
}

/** One table. */
export interface Table {
  readonly family: TableFamily;
  readonly name: string;
  /** Number among tables, which grows with each that is made; 0: not known. */
  handle: number;
  /** Whether its chains are in no hook. */
  dormant: 'yes' | 'no' | 'maybe';
  readonly chains: Map<string, Chain>;
  readonly sets: Map<string, SetOf>;
}

/** A row of numbers. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** Every row of ports and of sources that a rule anywhere looks at: between their edges all packets fare alike. */
export interface Edges {
  readonly ports: readonly Range[];
  readonly sources: readonly Range[];
}

/** All rules of a host. */
export interface Rules {
  /** Those of others. */
  readonly foreign: readonly Table[];
  /** Edges of the foreign tables, for each family. */
  readonly edges: { readonly 4: Edges; readonly 6: Edges };
  /** Table `inet reeve`. */
  readonly ours: Table | undefined;
  /** False: the text was cut or could not be read to its end, so nothing that passes or is dropped is certain. */
  readonly whole: boolean;
}

/** `ip filter FORWARD handle 12`. */
export function ruleName(table: Table, chain: Chain, rule: Rule): string {
  return `${table.family} ${table.name} ${chain.name} handle ${String(rule.handle)}`;
}

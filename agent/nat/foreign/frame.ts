import { formatNatTarget } from '../../../shared/model/nat.js';
import { matchOne, matchSet, matchTuples, type Packet, type Ternary } from './match.js';
import type { HostNetwork } from './network.js';
import { ruleName, type Chain, type Item, type Key, type Rule, type Table, type Target, type Tuple, type Verdict, type Way } from './ruleset.js';

/** What certainly ended a packet. */
export interface Ending {
  readonly verdict: 'drop' | 'reject';
  readonly table: Table;
  /** Where the rule stands. */
  readonly chain: Chain;
  /** The chain of the hook that led there. */
  readonly base: Chain;
  /** undefined: the policy. */
  readonly rule: Rule | undefined;
  readonly name: string;
}

/** What changes while a packet goes its way. */
export interface WalkState {
  packet: Packet;
  readonly network: HostNetwork;
  readonly steps: { readonly rule: string; readonly verdict: string; readonly ours: boolean; readonly maybe: boolean }[];
  dnat: { readonly table: Table; readonly chain: Chain; readonly rule: Rule; readonly maybe: boolean } | undefined;
  /** The NAT of this hook is settled. */
  translated: boolean;
  /** The packet may have left this base chain already. */
  baseMaybe: boolean;
  /** From here on nothing is certain. */
  allMaybe: boolean;
  /** Something may have dropped it. */
  mayEnd: boolean;
  /** Rules that may still be looked at. */
  left: number;
}

/** Result of a chain for a packet that is in it. `sure` false: it may as well have returned before. */
type Result = { readonly kind: 'end' } | { readonly kind: 'accept'; readonly sure: boolean } | { readonly kind: 'drop'; readonly sure: boolean; readonly ending: Ending };

interface Place {
  readonly table: Table;
  readonly chain: Chain;
  readonly ours: boolean;
}

/** One rule while it is looked at. */
interface Here {
  readonly place: Place;
  readonly chain: Chain;
  readonly rule: Rule;
  readonly depth: number;
  /** It certainly matches, for a packet that is in this chain. */
  matches: boolean;
  /** The packet is certainly in this chain. */
  readonly inside: boolean;
}

/** Deepest jump of the kernel (NFT_JUMP_STACK_SIZE). */
const mostJumps = 16;

/** A chain from its first rule on. `place.chain` is the chain of the hook. */
export function frameOf(place: Place, state: WalkState, chain: Chain, { sure, depth }: { readonly sure: boolean; readonly depth: number }): Result {
  let maybeGone = false;
  for (const rule of chain.rules) {
    state.left -= 1;
    if (state.left <= 0 || depth > mostJumps) {
      lost(state);
      return { kind: 'end' };
    }
    const here: Here = { place, chain, rule, depth, matches: true, inside: sure && !maybeGone };
    const result = ruleResult(here, state);
    if (result === undefined) continue;
    if (result === 'return') {
      if (here.matches) return { kind: 'end' };
      maybeGone = true;
      continue;
    }
    if (result.kind === 'end') return result;
    const certain = here.matches && result.sure;
    if (here.matches && result.sure && !maybeGone) return result;
    if (result.kind === 'accept') state.baseMaybe = true;
    else state.mayEnd = true;
    if (certain) return result.kind === 'accept' ? { kind: 'accept', sure: false } : { ...result, sure: false };
  }
  return { kind: 'end' };
}

function lost(state: WalkState): void {
  state.allMaybe = true;
  state.baseMaybe = true;
  state.mayEnd = true;
}

/** What one rule does: undefined, nothing. */
function ruleResult(here: Here, state: WalkState): Result | 'return' | undefined {
  for (const item of here.rule.items) {
    const outcome = itemResult(item, here, state);
    if (outcome === 'on') continue;
    return outcome;
  }
  return undefined;
}

function itemResult(item: Item, here: Here, state: WalkState): Result | 'return' | 'on' | undefined {
  const { packet, network } = state;
  switch (item.kind) {
    case 'match': return matched(matchTuples(packet, network, item), here);
    case 'lookup': return matched(matchSet(packet, network, item, here.place.table.sets.get(item.set)), here);
    case 'maybe': return matched('maybe', here);
    case 'verdict': return verdictResult(item.verdict, here, state);
    case 'vmap': return vmapResult(item.keys, item.entries, here, state);
    case 'vmap-lookup': {
      const map = here.place.table.sets.get(item.map);
      if (map?.literal === true) return vmapResult(item.keys, map.verdicts.flatMap((verdict, index) => ({ tuple: map.tuples[index] ?? [], verdict })), here, state);
      step(here, state, `may do anything with @${item.map}`, true);
      lost(state);
      return undefined;
    }
    case 'unknown':
      step(here, state, 'may do anything', true);
      lost(state);
      return 'on';
    case 'dnat': case 'redirect': case 'snat': case 'masquerade':
      return natResult(item, here, state);
    case 'dnat-map':
      return mapResult(item, here, state);
  }
}

/** Where a map sends a packet; one that is not in it goes on to the next rule. */
function mapResult(item: Extract<Item, { kind: 'dnat-map' }>, here: Here, state: WalkState): Result | 'on' | undefined {
  const { sets } = here.place.table;
  const map = typeof item.ways === 'string' ? sets.get(item.ways) : undefined;
  const ways = typeof item.ways === 'string' ? (map?.tuples ?? []).map((tuple, index): Way => ({ tuple, target: map?.targets[index] })) : item.ways;
  const isKnown = typeof item.ways !== 'string' || map?.literal === true;
  const found = isKnown ? elementFor(item.keys, ways, state) : 'maybe';
  if (found === undefined) return undefined;
  if (found === 'maybe') here.matches = false;
  const way = found === 'maybe' ? undefined : found.target;
  const target = way === undefined ? undefined : { address: item.rest.address ?? way.address, ports: item.rest.ports ?? way.ports };
  return natResult({ kind: 'dnat', target, family: item.family }, here, state);
}

/** The element of a map that a packet is for: a key of its own before `*`. undefined: none is. */
function elementFor<T extends { readonly tuple: Tuple }>(keys: readonly Key[], elements: readonly T[], { packet, network }: WalkState): T | 'maybe' | undefined {
  const possible = elements.map((element) => ({ element, match: matchOne(packet, network, keys, element.tuple) })).filter(({ match }) => match !== 'no');
  const own = possible.filter(({ element }) => !element.tuple.every(({ kind }) => kind === 'any'));
  const certain = own.find(({ match }) => match === 'yes') ?? (own.length === 0 ? possible[0] : undefined);
  return certain?.element ?? (possible.length === 0 ? undefined : 'maybe');
}

function matched(result: Ternary, here: Here): 'on' | undefined {
  if (result === 'no') return undefined;
  if (result === 'maybe') here.matches = false;
  return 'on';
}

function vmapResult(keys: readonly Key[], entries: readonly { readonly tuple: Tuple; readonly verdict: Verdict }[], here: Here, state: WalkState): Result | 'return' | undefined {
  const found = elementFor(keys, entries, state);
  if (found === undefined) return undefined;
  if (found !== 'maybe') return verdictResult(found.verdict, here, state);
  here.matches = false;
  step(here, state, 'may do anything of a map', true);
  lost(state);
  return undefined;
}

function verdictResult(verdict: Verdict, here: Here, state: WalkState): Result | 'return' | undefined {
  switch (verdict.kind) {
    case 'continue':
      return undefined;
    case 'accept':
      step(here, state, 'accept');
      return { kind: 'accept', sure: true };
    case 'drop':
    case 'reject': {
      step(here, state, verdict.kind);
      const { table, chain: base } = here.place;
      return { kind: 'drop', sure: true, ending: { verdict: verdict.kind, table, chain: here.chain, base, rule: here.rule, name: ruleName(table, here.chain, here.rule) } };
    }
    case 'return':
      step(here, state, 'return');
      return 'return';
    case 'jump':
    case 'goto':
      return jumpResult(verdict.kind, verdict.chain, here, state);
  }
}

function jumpResult(kind: 'jump' | 'goto', name: string, here: Here, state: WalkState): Result | 'return' | undefined {
  step(here, state, `${kind} ${name}`);
  const chain = here.place.table.chains.get(name);
  if (chain === undefined) {
    lost(state);
    return undefined;
  }
  const result = frameOf(here.place, state, chain, { sure: here.inside && here.matches, depth: here.depth + 1 });
  if (result.kind !== 'end') return result;
  return kind === 'goto' ? 'return' : undefined;
}

function natResult(item: Extract<Item, { kind: 'dnat' | 'redirect' | 'snat' | 'masquerade' }>, here: Here, state: WalkState): Result | 'on' | undefined {
  if (item.kind === 'snat' || item.kind === 'masquerade') {
    const address = item.kind === 'snat' ? item.target?.address : undefined;
    if (address !== undefined && isOther(address, state.packet)) return undefined;
    step(here, state, address === undefined ? item.kind : `snat to ${address}`);
    if (here.matches && here.inside) state.translated = true;
    return { kind: 'accept', sure: true };
  }
  if (item.kind === 'dnat' && item.family !== undefined && (item.family === 6) !== state.packet.to.includes(':')) return undefined;
  const target = item.kind === 'dnat' ? item.target : { address: redirectAddress(state), ports: item.ports };
  if (target?.address !== undefined && isOther(target.address, state.packet)) return undefined;
  const certain = here.matches && here.inside && !state.baseMaybe && !state.allMaybe;
  const to = target?.address ?? state.packet.to;
  const port = portTo(target?.ports, state.packet.port);
  step(here, state, `${item.kind === 'dnat' ? 'dnat' : 'redirect'} to ${target === undefined ? 'somewhere' : formatNatTarget(to, { first: port, last: port })}`);
  if (state.dnat === undefined) state.dnat = { table: here.place.table, chain: here.chain, rule: here.rule, maybe: !certain };
  if (!certain || target === undefined) {
    lost(state);
  } else {
    state.translated = true;
    state.packet = { ...state.packet, to, port, dnat: true };
  }
  return { kind: 'accept', sure: true };
}

/** In a table of both families an address is only for packets of its own. */
function isOther(address: string, packet: Packet): boolean {
  return address.includes(':') !== packet.to.includes(':');
}

function portTo(ports: Target['ports'], port: number): number {
  return ports === undefined || (ports.first <= port && port <= ports.last) ? port : ports.first;
}

/** Where REDIRECT leads: the first address of the interface the packet came in through. */
function redirectAddress({ packet, network }: WalkState): string {
  const six = packet.to.includes(':');
  const own = network.interfaces.find(({ name }) => name === packet.iif)?.addresses.find(({ address }) => address.includes(':') === six);
  return own?.address ?? (six ? '::1' : '127.0.0.1');
}

function step(here: Here, state: WalkState, verdict: string, maybe = false): void {
  state.steps.push({ rule: ruleName(here.place.table, here.chain, here.rule), verdict, ours: here.place.ours, maybe: maybe || !here.matches || !here.inside || state.baseMaybe || state.allMaybe });
}

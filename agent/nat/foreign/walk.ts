import { frameOf, type Ending, type WalkState } from './frame.js';
import type { Packet } from './match.js';
import { interfaceTo, isLocal, type HostNetwork } from './network.js';
import type { Base, Chain, Rules, Table } from './ruleset.js';

/** One rule (or policy) that a packet met. */
export interface Step {
  readonly rule: string;
  readonly verdict: string;
  readonly ours: boolean;
  readonly maybe: boolean;
}

/** The way of a packet, and what became of it. */
export interface Walk {
  readonly steps: readonly Step[];
  /** unknown: a rule that is not understood may have ended it, or sent it elsewhere. */
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown';
  /** What certainly ended it. */
  readonly ending: Ending | undefined;
  /** The rule that gave it another destination. */
  readonly dnat: WalkState['dnat'];
  /** As it leaves the host, or reaches it. */
  readonly packet: Packet;
}

/** What is walked through. */
export interface WalkOptions {
  /** With table `inet reeve`. */
  readonly ours: boolean;
  /** The host itself makes the packet: it goes out, and what is for the host comes in again through lo. */
  readonly own?: boolean;
  /** Only to where it is settled where the packet goes. */
  readonly toRoute?: boolean;
  /** Where Reeve's forward sends the packet, before any foreign rule of nat does. */
  readonly forward?: { readonly to: string; readonly port: number };
}

/** All NAT of a hook is done in one place, whatever the priorities of its chains (nf_nat_core.c); among themselves they keep their order. */
const natPriority: Readonly<Record<string, number>> = { prerouting: -100, input: 100, output: -100, postrouting: 100 };

/** Hooks in which conntrack looks at packets, and its priority there (NF_IP_PRI_CONNTRACK). */
const tracking: ReadonlySet<string> = new Set(['prerouting', 'output']);
const trackPriority = -200;

/** The way of the first packet of a connection through all hooks. */
export function walkPacket(rules: Rules, packet: Packet, network: HostNetwork, options: WalkOptions): Walk {
  const state: WalkState = { packet: { ...packet, oif: '' }, network, steps: [], dnat: undefined, translated: false, baseMaybe: false, allMaybe: !rules.whole, mayEnd: false, left: 20_000 };
  const tables = rules.ours === undefined || !options.ours ? rules.foreign : [rules.ours, ...rules.foreign];
  const stopped = options.own === true ? walkOut(tables, state, rules, options) : walkHook(tables, 'prerouting', state, rules, options);
  const ending = stopped ?? (options.toRoute === true ? undefined : walkOn(tables, state, rules, options));
  const verdict = ending !== undefined ? ending.verdict : state.allMaybe || state.mayEnd ? 'unknown' : 'accept';
  return { steps: state.steps, verdict, ending, dnat: state.dnat, packet: state.packet };
}

/** Out of the host, and back into it if the packet is for the host. */
function walkOut(tables: readonly Table[], state: WalkState, rules: Rules, options: WalkOptions): Ending | undefined {
  const route = (): void => {
    state.packet = { ...state.packet, iif: '', oif: interfaceTo(state.network, state.packet.to) };
  };
  route();
  const stopped = walkHook(tables, 'output', state, rules, options);
  route();
  const ending = stopped ?? walkHook(tables, 'postrouting', state, rules, options);
  if (ending !== undefined || !isLocal(state.network, state.packet.to)) return ending;
  state.packet = { ...state.packet, iif: 'lo', oif: '' };
  return walkHook(tables, 'prerouting', state, rules, options);
}

function walkOn(tables: readonly Table[], state: WalkState, rules: Rules, options: WalkOptions): Ending | undefined {
  if (isLocal(state.network, state.packet.to)) return walkHook(tables, 'input', state, rules, options);
  if (options.own === true) return undefined;
  state.packet = { ...state.packet, oif: interfaceTo(state.network, state.packet.to) };
  return walkHook(tables, 'forward', state, rules, options) ?? walkHook(tables, 'postrouting', state, rules, options);
}

function walkHook(tables: readonly Table[], hook: string, state: WalkState, rules: Rules, options: WalkOptions): Ending | undefined {
  // Where a packet of the host itself goes was settled on its way out.
  Object.assign(state, { translated: hook === 'prerouting' && options.own === true });
  const bases = basesOf(tables, hook, state.packet.to.includes(':') ? 'ip6' : 'ip');
  const nat = bases.findIndex(({ base }) => orderOf(base) >= (natPriority[hook] ?? 0));
  for (const [index, { table, chain, base }] of bases.entries()) {
    if (index === nat) forward(hook, state, options);
    if (base.type === 'nat' && state.translated) continue;
    state.packet = { ...state.packet, untracked: tracking.has(hook) && orderOf(base) <= trackPriority };
    const ending = walkBase({ table, chain, base, ours: table === rules.ours }, state);
    if (ending !== undefined) return ending;
  }
  if (nat < 0) forward(hook, state, options);
  return undefined;
}

function forward(hook: string, state: WalkState, options: WalkOptions): void {
  if (hook !== 'prerouting' || options.forward === undefined || state.translated) return;
  state.translated = true;
  state.packet = { ...state.packet, to: options.forward.to, port: options.forward.port, dnat: true };
}

/** One base chain to its end. Only a certain drop is an ending. */
function walkBase(at: { table: Table; chain: Chain; base: Base; ours: boolean }, state: WalkState): Ending | undefined {
  const { table, chain, base } = at;
  Object.assign(state, { baseMaybe: table.dormant === 'maybe' });
  const result = frameOf(at, state, chain, { sure: true, depth: 0 });
  const certain = !state.baseMaybe && !state.allMaybe;
  if (result.kind === 'accept') return undefined;
  if (result.kind === 'end') {
    if (base.policy === 'accept') return undefined;
    const rule = `${table.family} ${table.name} ${chain.name} policy`;
    state.steps.push({ rule, verdict: 'drop', ours: at.ours, maybe: !certain });
    if (certain) return { verdict: 'drop', table, chain, base: chain, rule: undefined, name: rule };
  } else if (certain && result.sure) {
    return result.ending;
  }
  state.mayEnd = true;
  return undefined;
}

/** Base chains of a hook in the kernel's order. */
function basesOf(tables: readonly Table[], hook: string, family: 'ip' | 'ip6'): readonly { table: Table; chain: Chain; base: Base }[] {
  const all = tables.filter((table) => table.family === 'inet' || table.family === family)
    .flatMap((table) => [...table.chains.values()].flatMap((chain) => (chain.base?.hook === hook ? [{ table, chain, base: chain.base }] : [])));
  // Of one priority the one that was made last comes first (nf_hook_entries_grow in net/netfilter/core.c).
  return all.sort((a, b) => orderOf(a.base) - orderOf(b.base) || a.base.priority - b.base.priority || b.table.handle - a.table.handle || b.chain.handle - a.chain.handle);
}

function orderOf(base: Base): number {
  return base.type === 'nat' ? (natPriority[base.hook] ?? base.priority) : base.priority;
}

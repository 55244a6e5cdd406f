import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { ObserveNatReply } from '../../shared/gen/privd.js';
import { mostNat, noNat, parseNatLines, type NatRules } from '../../shared/model/nat.js';
import type { Helper } from '../host/host.js';
import type { ForeignSource } from './foreign/rules.js';

/** How much was counted for a rule. */
export interface NatCount {
  readonly id: number;
  readonly masquerade: boolean;
  readonly connections: number;
  readonly bytes: number;
}

/** The forwards and masquerades of the host, as far as a plan needs them. */
export interface ObservedNat {
  readonly state: 'absent' | 'confirmed' | 'pending' | 'altered';
  /** The lines that were loaded last, in their order. */
  readonly lines: readonly string[];
  /** What they stand for. */
  readonly rules: NatRules;
  /** The change that waits to be confirmed. */
  readonly pending: { readonly operationId: string; /** Unix ms. */ readonly deadlineMs: number } | undefined;
  /** By id, forwards first. */
  readonly counters: readonly NatCount[];
  readonly sshPorts: readonly number[];
  /** Whether the host forwards IPv6. */
  readonly forwards6: boolean;
  /** Of the kernel's ruleset. */
  readonly generation: number;
  /** What others have made; undefined: not asked for. */
  readonly foreign: ForeignSource | undefined;
  /** Something did not fit. */
  readonly truncated: boolean;
  /** Why nothing can be forwarded on this host; undefined: it can. */
  readonly problem: ErrorItem | undefined;
}

/** Most that is taken from one answer. */
const most = { lines: mostNat.forwards + mostNat.masquerades, ports: 64 };

const states: readonly ObservedNat['state'][] = ['absent', 'confirmed', 'pending', 'altered'];

/** Reeve's own with its counters; what others made, without counters, which is quicker; or both, as the kernel has them. */
export type NatScope = 'managed' | 'foreign' | 'all';

/** What the helper tells; a host without nft(8) has nothing, and says why. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function observeNat(helper: Helper, operationId: string, scope: NatScope): Promise<ObservedNat> {
  try {
    return parseReply(await helper.call('observe.nat', operationId, { scope }), scope);
  } catch (error) {
    const problem = error instanceof ReeveError ? error.items.find(({ code }) => code === 'NAT_ABSENT') : undefined;
    if (problem === undefined) throw error;
    return { state: 'absent', lines: [], rules: noNat, pending: undefined, counters: [], sshPorts: [], forwards6: false, generation: 0, foreign: undefined, truncated: false, problem };
  }
}

/** What the helper says is data of another process: checked once more. */
function parseReply(reply: ObserveNatReply, scope: NatScope): ObservedNat {
  const state = states.find((known) => known === reply.state);
  if (state === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: `of nat state "${reply.state}"`, rule: 'the helper is newer than the agent' });
  const lines = textOf(reply.rules).split('\n').filter((line) => line !== '');
  return {
    state,
    lines,
    rules: parseLines(lines),
    pending: state === 'pending' ? { operationId: formatUuid(reply.operation), deadlineMs: reply.deadlineMs } : undefined,
    counters: reply.counter.slice(0, most.lines).flatMap(parseCounter).sort((a, b) => Number(a.masquerade) - Number(b.masquerade) || a.id - b.id),
    sshPorts: reply.sshPort.slice(0, most.ports).filter((port) => port >= 1 && port <= 65535),
    forwards6: reply.forwarding.includes('6'),
    generation: reply.generation,
    foreign: scope !== 'managed' ? { ruleset: textOf(reply.ruleset), iptables4: textOf(reply.iptables4), iptables6: textOf(reply.iptables6) } : undefined,
    truncated: reply.truncated,
    problem: undefined,
  };
}

function parseLines(lines: readonly string[]): NatRules {
  try {
    return parseNatLines(lines.join('\n'));
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    throw reeveError('VERSION_UNSUPPORTED', { value: `of rules of noun nat, ${error.fields['field'] ?? 'a field'} "${error.fields['value'] ?? ''}"`, rule: 'the helper is newer than the agent' }, { cause: error });
  }
}

/** The number of the kernel's ruleset: another one after every change of any table. Starts no program. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE. */
export async function observeGeneration(helper: Helper, operationId: string): Promise<number> {
  return (await helper.call('observe.nat', operationId, { scope: 'generation' })).generation;
}

function parseCounter({ name, packets, bytes }: ObserveNatReply['counter'][number]): NatCount[] {
  const match = /^([fm])([1-9][0-9]{0,9})$/.exec(name);
  return match === null ? [] : [{ id: Number(match[2]), masquerade: match[1] === 'm', connections: packets, bytes }];
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

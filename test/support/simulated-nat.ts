import { reeveError } from '../../shared/errors/error.js';
import type { BootFile } from '../../agent/nat/foreign/adopt.js';
import type { HostNetwork } from '../../agent/nat/foreign/network.js';
import type { PendingGetReply } from '../../shared/gen/privd.js';

/** The table inet reeve of a simulated host; tests may change it, and call touch() then. */
export interface SimulatedNat {
  /** Lines that are loaded now. */
  lines: string;
  /** The table is not as it was loaded. */
  altered: boolean;
  /** What was confirmed last; undefined: nothing ever was. */
  confirmed: { operation: string; lines: string } | undefined;
  /** What waits to be confirmed; ids as 32 hex digits. It is taken back by revert(), or at its deadline by the clock of the host. */
  pending: { operation: string; lines: string; deadlineMs: number; adopt: string } | undefined;
  /** What was taken back last. */
  reverted: { operation: string; atMs: number } | undefined;
  /** Of the ruleset. */
  generation: number;
  readonly counters: Map<string, { packets: number; bytes: number }>;
  sshPorts: number[];
  /** Which of IPv4 and IPv6 it forwards: "", 4, 6 or 46. */
  forwarding: string;
  /** What others have made. */
  foreign: { ruleset: string; iptables4: string; iptables6: string };
  /** Rules of others that were deleted at a confirmation, as they were named. */
  readonly adopted: string[];
  network: HostNetwork;
  bootFiles: readonly BootFile[];
  /** Ports on which Reeve's programs listen there. */
  ownPorts: number[];
  /** Interfaces that lose their IPv6 route when the host begins to forward. */
  advertised: string[];
  /** The dead-man service takes its time: at its deadline a change still waits. */
  late: boolean;
  /** Whether there is nft(8) on the host. */
  installed: boolean;
  /** What the agent reaches over TCP: `ADDRESS:PORT`. */
  readonly reachable: Set<string>;
  /** Called when other lines are loaded, also when a change is taken back. */
  onLoaded: (lines: string) => void;
}

/** NAT of a host that has none yet, with one interface on 192.0.2.0/24 and one on 10.0.0.0/24. */
export function createSimulatedNat(): SimulatedNat {
  return {
    lines: '', altered: false, confirmed: undefined, pending: undefined, reverted: undefined, generation: 1, counters: new Map(), sshPorts: [22], forwarding: '', foreign: { ruleset: '', iptables4: '', iptables6: '' }, adopted: [],
    network: {
      interfaces: [{ name: 'eth0', addresses: [{ address: '192.0.2.10', prefix: 24 }] }, { name: 'br0', addresses: [{ address: '10.0.0.1', prefix: 24 }] }],
      routes: [{ family: 4, destination: '0.0.0.0', prefix: 0, interface: 'eth0', gateway: '192.0.2.1' }],
    },
    bootFiles: [], ownPorts: [], advertised: [], late: false, installed: true, reachable: new Set(), onLoaded: () => undefined,
  };
}

/** Takes the pending change back, as the dead-man service does. */
export function revertNat(nat: SimulatedNat): void {
  if (nat.pending === undefined) return;
  nat.reverted = { operation: nat.pending.operation, atMs: nat.pending.deadlineMs };
  nat.pending = undefined;
  load(nat, nat.confirmed?.lines ?? '');
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** A verb of nat; undefined: it is none. */
export function answerNatVerb(machine: { readonly nat: SimulatedNat; readonly now: () => number }, verb: string, operationId: string, asked: Asked): object | undefined {
  const { nat } = machine;
  if (nat.pending !== undefined && nat.pending.deadlineMs <= machine.now() && !nat.late) revertNat(nat);
  switch (verb) {
    case 'observe.nat':
      if (!nat.installed && asked['scope'] !== 'generation') throw reeveError('NAT_ABSENT', { rule: 'there is no /usr/sbin/nft' });
      return observe(nat, String(asked['scope']));
    case 'nat.apply':
      return apply(machine, hexOf(operationId), asked);
    case 'nat.release':
      if (nat.pending !== undefined) throw reeveError('CONFIRM_PENDING', { noun: 'nat', when: new Date(nat.pending.deadlineMs).toISOString() });
      Object.assign(nat, { confirmed: undefined, lines: '', altered: false });
      return {};
    case 'pending.confirm':
      return asked['noun'] === 'nat' ? confirm(nat, Buffer.from(asked['operation'] as Uint8Array).toString('hex')) : undefined;
    default:
      return undefined;
  }
}

/** The rows of nat, for pending.get. */
export function pendingNat({ pending, reverted }: SimulatedNat): PendingGetReply {
  return {
    change: pending === undefined ? [] : [{ noun: 'nat', operation: Buffer.from(pending.operation, 'hex'), deadlineMs: pending.deadlineMs, state: 'pending' }],
    reverted: reverted === undefined ? [] : [{ noun: 'nat', operation: Buffer.from(reverted.operation, 'hex'), atMs: reverted.atMs, reason: 'it was not confirmed in time' }],
  };
}

function observe(nat: SimulatedNat, scope: string): object {
  const { pending, confirmed, foreign } = nat;
  const state = pending !== undefined ? 'pending' : confirmed === undefined || (confirmed.lines === '' && !nat.altered) ? 'absent' : nat.altered ? 'altered' : 'confirmed';
  const operation = Buffer.from(pending?.operation ?? confirmed?.operation ?? '', 'hex');
  const bytes = (text: string): Buffer => Buffer.from(scope === 'foreign' || scope === 'all' ? text : '');
  if (scope === 'generation') return { ...observe(nat, 'managed'), state: '', rules: Buffer.alloc(0) };
  return {
    generation: nat.generation, state, rules: Buffer.from(nat.lines), operation, deadlineMs: pending?.deadlineMs ?? 0,
    counter: [...nat.counters].map(([name, count]) => ({ name, ...count })), forwarding: nat.forwarding, sshPort: nat.sshPorts,
    ruleset: bytes(foreign.ruleset), iptables4: bytes(foreign.iptables4), iptables6: bytes(foreign.iptables6), truncated: false,
  };
}

function apply({ nat, now }: { readonly nat: SimulatedNat; readonly now: () => number }, operation: string, asked: Asked): { deadlineMs: number } {
  const lines = Buffer.from(asked['rules'] as Uint8Array).toString('latin1');
  if (nat.pending?.operation === operation) return { deadlineMs: nat.pending.deadlineMs };
  if (nat.pending !== undefined) throw reeveError('CONFIRM_PENDING', { noun: 'nat', when: new Date(nat.pending.deadlineMs).toISOString() });
  const deadlineMs = now() + Number(asked['confirmS'] ?? 60) * 1000;
  const adopt = asked['adopt'] === undefined ? '' : Buffer.from(asked['adopt'] as Uint8Array).toString('latin1');
  nat.pending = { operation, lines, deadlineMs, adopt };
  nat.altered = false;
  load(nat, lines);
  return { deadlineMs };
}

function confirm(nat: SimulatedNat, operation: string): object {
  const { pending } = nat;
  if (pending?.operation === operation) {
    nat.confirmed = { operation, lines: pending.lines };
    nat.adopted.push(...pending.adopt.split('\n').filter((line) => line !== ''));
    nat.pending = undefined;
    return {};
  }
  if (nat.confirmed?.operation === operation) return {};
  throw reeveError('CONFIRM_UNKNOWN', { value: operation });
}

function load(nat: SimulatedNat, lines: string): void {
  nat.lines = lines;
  nat.generation += 1;
  for (const [family, pattern] of [['4', /\d\.\d/], ['6', /:/]] as const) if (pattern.test(lines) && !nat.forwarding.includes(family)) nat.forwarding = family === '4' ? `4${nat.forwarding}` : `${nat.forwarding}6`;
  nat.onLoaded(lines);
}

function hexOf(operationId: string): string {
  return operationId.replaceAll('-', '');
}

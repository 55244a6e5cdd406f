import type { Fleet } from '../../coordinator/fleet/fleet.js';
import { reeveError } from '../../shared/errors/error.js';
import type { ApplyNatRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatRequest.js';
import type { ApplyNatResponse, ApplyNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatResponse.js';
import type { ForeignNat } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import type { Clock } from '../../shared/kit/clock.js';
import { sha256 } from '../../shared/kit/digest.js';
import { formatChange } from '../../shared/model/change.js';
import { formatNatRules, formatNatPort, noNat, parseNatRules, type NatRules } from '../../shared/model/nat.js';
import type { Channel } from '../../shared/rpc/client.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { fromDuration, toTimestamp } from '../../shared/rpc/time.js';
import type { LoopbackFleet } from './loopback-fleet.js';

/** The forwards of a host that stands for one: what its helper would keep, and what others see of it. */
export interface NatHost {
  /** What is confirmed. */
  rules: NatRules;
  pending: { readonly operationId: string; readonly rules: NatRules; readonly deadlineMs: number } | undefined;
  foreign: ForeignNat[];
  /** Ports that are open on it, as others see it. */
  readonly open: Set<number>;
  /** Every intent that came, `plan` or `apply`, with its generation. */
  readonly heard: string[];
  /** What happens when a change is made. */
  onApply: () => void;
}

const applied = messageCodec<ApplyNatResponseInput, ApplyNatResponse>('reeve.agent.v1.ApplyNatResponse');

/** Forwards of the hosts of a fleet, whose real agents answer for everything else. */
export function createNatHosts(clock: Clock) {
  const hosts = new Map<string, NatHost>();
  const journal = new Map<string, Buffer>();
  const of = (hostId: string): NatHost => {
    const known = hosts.get(hostId) ?? { rules: noNat, pending: undefined, foreign: [], open: new Set([22]), heard: [], onApply: () => undefined };
    hosts.set(hostId, known);
    if (known.pending !== undefined && clock.now() >= known.pending.deadlineMs) known.pending = undefined;
    return known;
  };
  const answer = (fleet: Fleet, to: { id: string; name: string }, method: string, request: never): unknown => {
    if (fleet.live(to.id).state !== 'connected') throw reeveError('HOST_UNREACHABLE', { host: to.name, reason: 'it is lost' });
    const host = of(to.id);
    if (method === 'ApplyNat') return applied.decode(applied.encode(apply({ host, name: to.name, clock, journal }, request)));
    if (method === 'ObserveNat') return observe(host, request);
    const { address, port } = request as { address: string; port: number };
    const seen = [...hosts].find(([id]) => addressOf(id) === address);
    return { open: seen?.[1].open.has(port) === true, reason: '' };
  };
  let addressOf: (hostId: string) => string | undefined = () => undefined;
  /** Puts them into the running coordinator of a fleet. */
  const attach = ({ office }: LoopbackFleet): void => {
    const { fleet, db } = office();
    addressOf = (hostId) => db.prepare('SELECT address FROM host WHERE id = ?').pluck().get(hostId) as string | undefined;
    const real = { call: fleet.call, live: fleet.live, link: fleet.link };
    Object.assign(fleet, {
      live: (hostId: string) => {
        const live = real.live(hostId);
        return live.status === undefined ? live : { ...live, status: { ...live.status, capabilities: [...live.status.capabilities, 'nat', 'reach'] } };
      },
      call: (to: never, service: string, method: string, request: never, options: never): Promise<unknown> => {
        if (/\.(?:Nat|Reach)Service$/.test(service)) return Promise.resolve().then(() => answer(fleet, to, method, request));
        const { operationId } = request as { operationId: string };
        const kept = method === 'GetOperation' ? journal.get(operationId) : undefined;
        if (kept !== undefined) return Promise.resolve({ method: 'reeve.agent.v1.NatService/ApplyNat', outcome: 'OUTCOME_OK', response: kept, errors: [] });
        return real.call(to, service, method as never, request, options);
      },
      link: (hostId: string) => {
        const link = real.link(hostId);
        return link.kind === 'none' ? link : { ...link, open: async (credentials: never) => confirming(await link.open(credentials), of(hostId)) };
      },
    });
  };
  return { of, attach };
}

/** A channel of which the confirmation of forwards goes to the host that stands for one, when the real agent behind it answers. */
function confirming(channel: Channel, host: NatHost): Channel {
  const unary = async (service: string, method: string, request: { operationId: string; noun: string }, options: never): Promise<unknown> => {
    if (method !== 'Confirm' || request.noun !== 'nat') return channel.unary(service, method as never, request as never, options);
    await channel.unary('reeve.agent.v1.StatusService', 'GetStatus' as never, {} as never, options);
    if (host.pending?.operationId !== request.operationId) throw reeveError('CONFIRM_UNKNOWN', { host: '?', value: request.operationId });
    host.rules = host.pending.rules;
    host.foreign = host.foreign.filter(({ forward }) => !host.rules.forwards.some((row) => row.adopt && forward?.ports?.first === row.ports.first));
    host.pending = undefined;
    return {};
  };
  return { ...channel, unary: unary as Channel['unary'] };
}

const textOf = (rules: NatRules): Map<string, string> => {
  const forwards = rules.forwards.map((row): [string, string] => [`${formatNatPort(row)} (${String(row.id)})`, JSON.stringify({ ...row, adopt: false })]);
  return new Map([...forwards, ...rules.masquerades.map((row): [string, string] => [`masquerade ${row.source}`, JSON.stringify({ ...row, adopt: false })])]);
};
const digestOf = (rules: NatRules): Buffer => sha256(JSON.stringify([...textOf(rules)]));

function apply({ host, name, clock, journal }: { host: NatHost; name: string; clock: Clock; journal: Map<string, Buffer> }, request: ApplyNatRequestInput): ApplyNatResponseInput {
  const { intent } = request;
  const plan = intent?.mode === 'MODE_PLAN';
  host.heard.push(`${plan ? 'plan' : 'apply'} ${String(intent?.generation)}`);
  const before = host.pending?.rules ?? host.rules;
  const rules = parseNatRules(request as never);
  const expected = intent?.expectedDigest as Buffer | undefined;
  if (expected !== undefined && expected.length > 0 && !expected.equals(digestOf(before))) throw reeveError('STATE_MOVED', { host: name, moved: [...textOf(before).keys()].join(', ') });
  const [old, wanted] = [textOf(before), textOf(rules)];
  const changes = [
    ...[...old].filter(([key]) => !wanted.has(key)).map(([subject]) => formatChange({ kind: 'remove', noun: 'nat', subject, fields: [] })),
    ...[...wanted].filter(([key, text]) => old.get(key) !== text).map(([subject]) => formatChange({ kind: old.has(subject) ? 'update' : 'create', noun: 'nat', subject, fields: [] })),
  ];
  const answer = { changes, digestBefore: digestOf(before), digest: digestOf(plan ? before : rules), policyDigest: Buffer.alloc(32), sshPorts: [22] };
  if (plan || changes.length === 0) return answer;
  if (host.pending !== undefined) throw reeveError('CONFIRM_PENDING', { host: name, noun: 'nat', when: 'soon' });
  const deadlineMs = clock.now() + (fromDuration(intent?.confirmTimeout as never) ?? 60_000);
  host.pending = { operationId: intent?.operationId ?? '', rules, deadlineMs };
  host.onApply();
  const full = { ...answer, pending: { operationId: host.pending.operationId, noun: 'nat', deadline: toTimestamp(deadlineMs) } };
  journal.set(host.pending.operationId, applied.encode(full));
  return full;
}

function observe(host: NatHost, { foreign }: { foreign: boolean }): unknown {
  const rules = host.pending?.rules ?? host.rules;
  const { forwards, masquerades } = formatNatRules(rules);
  const counters = rules.forwards.map(({ id }) => ({ id, masquerade: false, connections: id * 10, bytes: id * 600 }));
  const state = host.pending !== undefined ? 'pending' : rules.forwards.length + rules.masquerades.length === 0 ? 'absent' : 'confirmed';
  return { forwards, masquerades, counters, state, foreign: foreign ? host.foreign : [], unread: [], truncated: false, digest: digestOf(rules) };
}


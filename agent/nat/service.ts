import { reeveError } from '../../shared/errors/error.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import type { ObserveNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveNatResponse.js';
import type { TraceNatRequest } from '../../shared/gen/proto/reeve/agent/v1/TraceNatRequest.js';
import type { TraceNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/TraceNatResponse.js';
import type { ForeignNatInput } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import { nounDigest, sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { fieldMissing, parseInteger } from '../../shared/model/field.js';
import { familyOf, formatForward, formatMasquerade, formatNatRules, parseNatAddress, type NatForward, type NatMasquerade, type NatProtocol, type NatRules } from '../../shared/model/nat.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import type { Host } from '../host/host.js';
import { requirePolicy } from '../policy/policy.js';
import { modelOf, type NatWork } from './apply.js';
import { bootSourcesOf, findForeign, type Adoptable, type BootFile } from './foreign/adopt.js';
import { interfaceTo, type HostNetwork } from './foreign/network.js';
import { parseRules } from './foreign/rules.js';
import { tracePacket } from './foreign/trace.js';
import { observeNat, type ObservedNat } from './observe.js';

/** What NatService needs. */
export interface NatServiceOptions {
  readonly engine: Engine;
  readonly work: NatWork;
  readonly host: Host;
  readonly hostName: string;
}

/** Most rules of others and steps of a trace in an answer, and about how many bytes of them: an answer has an end. */
const most = { rows: 1000, sources: 64, bytes: 800_000 };

/** reeve.agent.v1.NatService. */
export function natService(options: NatServiceOptions): Service<Coordinator> {
  const { engine, work, host, hostName } = options;
  const read = async <T>(task: () => Promise<T>): Promise<T> => {
    requirePolicy(host, hostName, 'observe.nat');
    try {
      return await engine.read('nat', task);
    } catch (error) {
      throw withHost(error, hostName);
    }
  };
  return defineService<NatServiceDefinition, Coordinator>('reeve.agent.v1.NatService', {
    ApplyNat: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 1024 * 1024, deadlineMs: 600_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    ObserveNat: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: ({ foreign }) => read(() => observeAll(host, foreign)),
    },
    TraceNat: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 60_000,
      handle: (request) => read(() => trace(host, request)),
    },
  });
}

async function observeAll(host: Host, foreign: boolean): Promise<ObserveNatResponseInput> {
  const nat = requireTold(await observeNat(host.helper, newId(host.clock.now()), foreign ? 'all' : 'managed'));
  const boot = foreign ? host.readBootFiles() : [];
  const found = nat.foreign === undefined ? [] : [...findForeign(rulesOf(nat), boot).map(formatAdoptable), ...madeTwice(nat.rules, boot)];
  const told = cut(found);
  return {
    ...formatNatRules(nat.rules),
    counters: nat.counters.map(({ id, masquerade, connections, bytes }) => ({ id, masquerade, connections, bytes })),
    state: nat.state,
    foreign: [...told],
    unread: boot.filter(({ text }) => text === undefined).map(({ path }) => path).slice(0, most.rows),
    truncated: nat.truncated || told.length < found.length,
    digest: nounDigest('nat', modelOf({ nat })),
  };
}

/** Errors: NAT_ABSENT. */
function requireTold(nat: ObservedNat): ObservedNat {
  if (nat.problem !== undefined) throw reeveError(nat.problem.code, nat.problem.fields);
  return nat;
}

/** What Reeve has and what somebody makes again when the host starts, as rows that cannot be taken over: their lines have to be taken out. */
function madeTwice({ forwards, masquerades }: NatRules, boot: readonly BootFile[]): readonly ForeignNatInput[] {
  const readable = boot.filter(({ text }) => text !== undefined);
  const problem = 'it is taken over, and made again when the host starts';
  const rowOf = (rule: string, row: NatForward | NatMasquerade, what: Pick<ForeignNatInput, 'forward' | 'masquerade'>): ForeignNatInput[] => {
    const bootSources = bootSourcesOf(readable, row).slice(0, most.sources).map((source) => source.slice(0, 300));
    return bootSources.length === 0 ? [] : [{ rule, forward: null, masquerade: null, owner: 'reeve', problem, bootSources, ...what }];
  };
  return [
    ...forwards.flatMap((row) => rowOf(`forward ${String(row.id)}`, row, { forward: { ...formatForward(row), id: 0 } })),
    ...masquerades.flatMap((row) => rowOf(`masquerade ${String(row.id)}`, row, { masquerade: { ...formatMasquerade(row), id: 0 } })),
  ];
}

/** As many rows as an answer holds. */
function cut(rows: readonly ForeignNatInput[]): readonly ForeignNatInput[] {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += JSON.stringify(row).length;
    return index >= most.rows || bytes > most.bytes;
  });
  return end < 0 ? rows : rows.slice(0, end);
}

function rulesOf({ foreign }: ObservedNat): ReturnType<typeof parseRules> {
  return parseRules(foreign ?? { ruleset: '', iptables4: '', iptables6: '' }, (text) => sha256(text).toString('hex'));
}

function formatAdoptable({ rule, forward, masquerade, owner, problem, bootSources }: Adoptable): ForeignNatInput {
  return {
    rule: rule.slice(0, 200), owner, problem: problem.slice(0, 400), bootSources: bootSources.slice(0, most.sources).map((source) => source.slice(0, 300)),
    forward: forward === undefined ? null : formatForward(forward),
    masquerade: masquerade === undefined ? null : formatMasquerade(masquerade),
  };
}

async function trace(host: Host, request: TraceNatRequest): Promise<TraceNatResponseInput> {
  const protocol = parseProtocol(request.protocol);
  const port = parseInteger('port', request.port, { min: 1, max: 65535 });
  const from = parseNatAddress('from', request.from);
  const network = host.readNetwork();
  const to = request.to === '' ? ownAddress(network, from) : parseNatAddress('to', request.to);
  const nat = requireTold(await observeNat(host.helper, newId(host.clock.now()), 'all'));
  const { steps, verdict, arrives, interface: out } = tracePacket(rulesOf(nat), { protocol, port, from, to }, network);
  const own = out === 'lo' ? `this host${arrives.slice(arrives.lastIndexOf(':'))}` : arrives;
  return { steps: steps.slice(0, most.rows), verdict, arrives: own, interface: interfaceTo(network, from) ?? '' };
}

/** The address of this host on the way to another one. */
function ownAddress(network: HostNetwork, other: string): string {
  const through = interfaceTo(network, other);
  const address = network.interfaces.find(({ name }) => name === through)?.addresses.find((own) => familyOf(own.address) === familyOf(other) && !own.address.startsWith('fe80:'))?.address;
  if (address === undefined) throw reeveError('NAT_INTERFACE', { value: `on the way to ${other}` });
  return address;
}

function parseProtocol(text: string): NatProtocol {
  if (text === 'NAT_PROTOCOL_TCP') return 'tcp';
  if (text === 'NAT_PROTOCOL_UDP') return 'udp';
  throw fieldMissing('protocol', 'tcp or udp');
}

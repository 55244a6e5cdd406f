import { reeveError } from '../../shared/errors/error.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import type { ObserveNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveNatResponse.js';
import type { TraceNatRequest } from '../../shared/gen/proto/reeve/agent/v1/TraceNatRequest.js';
import type { TraceNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/TraceNatResponse.js';
import type { ForeignNatInput } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import { nounDigest, sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { fieldMissing, parseInteger } from '../../shared/model/field.js';
import { familyOf, formatForward, formatMasquerade, formatNatRules, parseNatAddress, type NatProtocol } from '../../shared/model/nat.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import type { Host } from '../host/host.js';
import { requirePolicy } from '../policy/policy.js';
import { modelOf, type NatWork } from './apply.js';
import { findForeign, type Adoptable } from './foreign/adopt.js';
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

/** Most rules of others and steps of a trace in an answer. */
const most = 1000;

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
  const nat = await observeNat(host.helper, newId(host.clock.now()), foreign ? 'foreign' : 'managed');
  const boot = foreign ? host.readBootFiles() : [];
  const found = nat.foreign === undefined ? [] : findForeign(rulesOf(nat), boot);
  return {
    ...formatNatRules(nat.rules),
    counters: nat.counters.map(({ id, masquerade, connections, bytes }) => ({ id, masquerade, connections, bytes })),
    state: nat.state,
    foreign: found.slice(0, most).map(formatAdoptable),
    unread: boot.filter(({ text }) => text === undefined).map(({ path }) => path).slice(0, most),
    truncated: nat.truncated || found.length > most,
    digest: nounDigest('nat', modelOf({ nat })),
  };
}

function rulesOf({ foreign }: ObservedNat): ReturnType<typeof parseRules> {
  return parseRules(foreign ?? { ruleset: '', iptables4: '', iptables6: '' }, (text) => sha256(text).toString('hex'));
}

function formatAdoptable({ rule, forward, masquerade, owner, problem, bootSources }: Adoptable): ForeignNatInput {
  return {
    rule: rule.slice(0, 200), owner, problem: problem.slice(0, 400), bootSources: bootSources.slice(0, 64).map((source) => source.slice(0, 300)),
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
  const nat = await observeNat(host.helper, newId(host.clock.now()), 'foreign');
  const { steps, verdict, arrives, interface: out } = tracePacket(rulesOf(nat), { protocol, port, from, to }, network);
  const own = out === 'lo' ? `this host${arrives.slice(arrives.lastIndexOf(':'))}` : arrives;
  return { steps: steps.slice(0, most), verdict, arrives: own, interface: interfaceTo(network, from) ?? '' };
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

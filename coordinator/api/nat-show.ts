import { ReeveError } from '../../shared/errors/error.js';
import type { NatServiceDefinition as AgentNat } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import type { ObserveNatResponse } from '../../shared/gen/proto/reeve/agent/v1/ObserveNatResponse.js';
import type { ExplainNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ExplainNatRequest.js';
import type { ExplainNatResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ExplainNatResponse.js';
import type { ManagedNatInput } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedNat.js';
import type { ObserveNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveNatRequest.js';
import type { ObserveNatResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveNatResponse.js';
import type { TraceNatRequest } from '../../shared/gen/proto/reeve/coordinator/v1/TraceNatRequest.js';
import type { TraceNatResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/TraceNatResponse.js';
import type { NatCounter } from '../../shared/gen/proto/reeve/type/v1/NatCounter.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { fieldMissing } from '../../shared/model/field.js';
import { parsePort } from '../../shared/model/host.js';
import { formatForward, formatMasquerade, parseNatAddress, type NatProtocol } from '../../shared/model/nat.js';
import { serviceName } from '../../shared/rpc/client.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { natAudit } from '../inventory/nat-audit.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, isOwed } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { requireAble } from '../reconcile/able.js';
import { natNoun } from '../reconcile/nat.js';
import { natRows, natSubject, type NatRow } from './nat-change.js';
import { hostFor, inScope, listedHosts, type Scoped } from './select.js';

const agentNat = serviceName<AgentNat>('reeve.agent.v1.NatService');

/** How long hosts have for a list, and how many are asked at a time. */
const counting = { deadlineMs: 5_000, fanOut: 64 };

/** Most audit records of an explanation. */
const mostRecords = 20;

/** Asks a host for its forwards as they are. Errors: HOST_UNREACHABLE, VERSION_UNSUPPORTED, what the agent says. */
export async function askNat({ fleet }: Office, host: HostRow, how: { readonly foreign: boolean; readonly deadlineMs: number }): Promise<ObserveNatResponse> {
  requireAble(fleet.live(host.id), natNoun);
  return fleet.call(host, agentNat, 'ObserveNat', { foreign: how.foreign }, { deadlineMs: how.deadlineMs });
}

/** What should be on the hosts of a selector, and on request how much it was used. */
export async function listNat(office: Office, caller: Scoped, request: { selector: string; counters: boolean }): Promise<ManagedNatInput[]> {
  const { db } = office;
  const hosts = listedHosts(db, caller, request.selector).map((host) => ({ host, rows: natRows(db, host.id) })).filter(({ rows }) => rows.length > 0);
  const counters = new Map<string, readonly NatCounter[]>();
  if (request.counters) {
    await forEachLimited(hosts, counting.fanOut, async ({ host }) => {
      counters.set(host.id, (await unlessAway(askNat(office, host, { foreign: false, deadlineMs: counting.deadlineMs })))?.counters ?? []);
    });
  }
  return hosts.flatMap(({ host, rows }) => rows.map((row) => formatRow(db, caller, { host, row, counters: counters.get(host.id) ?? [] })));
}

/** What a host answered; undefined: it did not, or refused. */
async function unlessAway<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  }
}

function formatRow(db: Database, caller: Scoped, { host, row, counters }: { host: HostRow; row: NatRow; counters: readonly NatCounter[] }): ManagedNatInput {
  const generation = getGeneration(db, host.id, natNoun.name);
  const pending = isOwed(generation, row.generation);
  const counter = counters.find(({ id, masquerade }) => id === row.id && masquerade === (row.kind === 'masquerade'));
  const toHost = row.kind === 'forward' && row.to.kind === 'host' ? row.to : undefined;
  return {
    hostName: host.name,
    ...(row.kind === 'forward' ? { forward: formatForward({ ...row, to: row.to.address ?? '' }) } : { masquerade: formatMasquerade(row) }),
    toHost: toHost === undefined ? '' : inScope(db, caller, toHost.hostId) ? toHost.name : 'a host outside your scope',
    comment: row.comment,
    enabled: row.enabled,
    addedAt: toTimestamp(row.addedAtMs),
    addedBy: row.by,
    pending,
    pendingReason: pending ? generation.reason : '',
    counter: counter ?? null,
  };
}

/** What a host has, asked of it now. */
export async function observeNat(office: Office, caller: Scoped, request: ObserveNatRequest): Promise<ObserveNatResponseInput> {
  const { forwards, masquerades, counters, state, foreign, unread, truncated } = await askNat(office, hostFor(office.db, caller, request.host), { foreign: request.foreign, deadlineMs: 20_000 });
  return { forwards, masquerades, counters, state, foreign, unread, truncated };
}

/** Which rules of a host a packet would meet. */
export async function traceNat(office: Office, caller: Scoped, request: TraceNatRequest): Promise<TraceNatResponseInput> {
  const host = hostFor(office.db, caller, request.host);
  const asked = { protocol: wireProtocol(request.protocol), port: parsePort(request.port), from: parseNatAddress('from', request.from), to: request.to === '' ? '' : parseNatAddress('to', request.to) };
  requireAble(office.fleet.live(host.id), natNoun);
  return office.fleet.call(host, agentNat, 'TraceNat', asked, { deadlineMs: 20_000 });
}

/** Why a port of a host is forwarded, or is not. */
export async function explainNat(office: Office, caller: Scoped, request: ExplainNatRequest): Promise<ExplainNatResponseInput> {
  const { db } = office;
  const host = hostFor(db, caller, request.host);
  const protocol = protocolOf(wireProtocol(request.protocol));
  const port = parsePort(request.port);
  const rows = natRows(db, host.id).filter((row) => row.kind === 'forward' && row.protocol === protocol && row.ports.first <= port && port <= row.ports.last);
  const found = await unlessAway(askNat(office, host, { foreign: true, deadlineMs: 10_000 }));
  const counters = found?.counters ?? [];
  const records = natAudit(db, host.id, { subjects: rows.map(natSubject), protocol, port }, mostRecords);
  return {
    rows: rows.map((row) => formatRow(db, caller, { host, row, counters })),
    records: records.map(({ atMs, ...record }) => ({ at: toTimestamp(atMs), ...record })),
    state: found === undefined ? 'unknown' : rows.some(({ id }) => found.forwards.some((forward) => forward.id === id)) ? found.state : 'absent',
    foreign: (found?.foreign ?? []).filter(({ forward }) => forward?.protocol === request.protocol && forward.ports !== null && forward.ports.first <= port && port <= forward.ports.last),
  };
}

type WireProtocol = 'NAT_PROTOCOL_TCP' | 'NAT_PROTOCOL_UDP';

function wireProtocol(wire: string): WireProtocol {
  if (wire === 'NAT_PROTOCOL_TCP' || wire === 'NAT_PROTOCOL_UDP') return wire;
  throw fieldMissing('protocol', 'tcp or udp');
}

function protocolOf(wire: WireProtocol): NatProtocol {
  return wire === 'NAT_PROTOCOL_TCP' ? 'tcp' : 'udp';
}

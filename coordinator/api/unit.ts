import type { FollowUnitLogRequest } from '../../shared/gen/proto/reeve/coordinator/v1/FollowUnitLogRequest.js';
import type { FollowUnitLogResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/FollowUnitLogResponse.js';
import type { ListUnitsRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListUnitsRequest.js';
import type { ListUnitsResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListUnitsResponse.js';
import type { UnitOnHostInput } from '../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import type { UnitServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UnitService.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { parseInteger } from '../../shared/model/field.js';
import { mostUnit, parseUnitName, parseUnitNames, usualUnits } from '../../shared/model/unit.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import type { Office } from '../office.js';
import { askUnit, followUnits } from '../reconcile/unit-agent.js';
import type { OperatorCaller } from './caller.js';
import { changes, reads } from './row.js';
import { hostFor, hostsFor } from './select.js';
import { restartUnits, unitOnHost } from './unit-restart.js';

type Context = Pick<CallContext<OperatorCaller>, 'principal' | 'signal'>;

/** Hosts that are asked at a time. */
const fanOut = 32;

/** Usual lines of a log. */
const usualLines = 100;

/** Hosts are asked. */
const asks = { ...reads, rate: { perSecond: 10, burst: 100 }, deadlineMs: 300_000 };

/** Units of hosts, for operators. */
export function unitService(office: () => Office): Service<OperatorCaller> {
  return defineService<UnitServiceDefinition, OperatorCaller>('reeve.coordinator.v1.UnitService', {
    ListUnits: { ...asks, handle: (request, context) => listUnits(office(), context, request) },
    RestartUnits: { ...changes, handle: (request, context) => restartUnits(office(), context, request) },
    FollowUnitLog: { ...asks, handle: (request, context) => followLog(office(), context, request) },
  });
}

async function listUnits({ db, fleet }: Office, { principal, signal }: Context, request: ListUnitsRequest): Promise<ListUnitsResponseInput> {
  const unit = parseUnitName(request.unit);
  const hosts = hostsFor(db, principal, request.selector);
  const told = new Map<string, UnitOnHostInput>();
  await forEachLimited(hosts, fanOut, async (host) => void told.set(host.id, await unitOnHost(host, () => askUnit(fleet, host, unit, signal))));
  return { hosts: hosts.flatMap((host) => told.get(host.id) ?? []) };
}

async function* followLog({ db, fleet }: Office, { principal, signal }: Context, request: FollowUnitLogRequest): AsyncGenerator<FollowUnitLogResponseInput> {
  const host = hostFor(db, principal, request.host);
  const units = parseUnitNames(request.units.length === 0 ? usualUnits : request.units);
  const lines = request.lines === 0 ? usualLines : parseInteger('lines', request.lines, { min: 1, max: mostUnit.lines });
  for await (const read of followUnits(fleet, host, { units, lines, follow: request.follow }, signal)) yield { lines: read };
}

import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import type { FollowUnitLogRequest } from '../../shared/gen/proto/reeve/agent/v1/FollowUnitLogRequest.js';
import type { FollowUnitLogResponseInput } from '../../shared/gen/proto/reeve/agent/v1/FollowUnitLogResponse.js';
import type { GetUnitResponseInput } from '../../shared/gen/proto/reeve/agent/v1/GetUnitResponse.js';
import type { RestartUnitRequest } from '../../shared/gen/proto/reeve/agent/v1/RestartUnitRequest.js';
import type { RestartUnitResponseInput } from '../../shared/gen/proto/reeve/agent/v1/RestartUnitResponse.js';
import type { UnitServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UnitService.js';
import type { UnitStateInput } from '../../shared/gen/proto/reeve/type/v1/UnitState.js';
import type { PrivdRequest } from '../../shared/gen/privd.js';
import { withBeats } from '../../shared/kit/beat.js';
import { newId } from '../../shared/kit/id.js';
import { parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { mostUnit, parseUnitName, parseUnitNames, unitFloor } from '../../shared/model/unit.js';
import { defineService, type CallContext, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { doWork, endOf } from '../container/work.js';
import { withHost } from '../engine/apply.js';
import { beginWork, type UnitTicket, type WorkPlace } from '../engine/ticket.js';
import { fieldNumber, fieldText, type JobFields } from '../host/job.js';
import { createExportReader } from './export.js';

/** A caller of a restart hears something at least this often, ms. */
const beatMs = 5_000;

/** A main process that a signal ended, with or without a dump of it: CLD_KILLED and CLD_DUMPED of waitid(2). */
const bySignal: readonly number[] = [2, 3];

const reads = { roles: ['coordinator'], risk: 'read', rate: { perSecond: 20, burst: 100 }, maxBytes: 8192, deadlineMs: 0 } as const;

/** reeve.agent.v1.UnitService. */
export function unitService({ place }: { readonly place: WorkPlace }): Service<Coordinator> {
  return defineService<UnitServiceDefinition, Coordinator>('reeve.agent.v1.UnitService', {
    GetUnit: { ...reads, maxBytes: 1024, deadlineMs: 90_000, handle: (request) => getUnit(place, request.unit) },
    RestartUnit: { ...reads, risk: 'change', maxBytes: 1024, handle: (request, context) => restartUnit(place, request, context) },
    FollowUnitLog: { ...reads, handle: (request, context) => followLog(place, request, context.signal) },
  });
}

function failedWith(value: string): (rule: string) => ReeveError {
  return (rule) => reeveError('UNIT_FAILED', { value, rule });
}

async function getUnit(place: WorkPlace, name: string): Promise<GetUnitResponseInput> {
  const unit = parseUnitName(name);
  return { state: await stateOf(place, 'unit.status', newId(place.host.clock.now()), { unit }, failedWith(`Asking about unit "${unit}"`)) };
}

/** Does it, and tells how the unit is then. */
async function stateOf<V extends 'unit.status' | 'unit.restart'>(place: WorkPlace, verb: V, operationId: string, request: PrivdRequest<V>, failed: (rule: string) => ReeveError): Promise<UnitStateInput> {
  const { ok, reason, fields } = await doWork<UnitTicket>(place, verb, operationId, request);
  if (!ok) throw withHost(failed(reason), place.hostName);
  return formatState(fields);
}

function formatState(fields: JobFields): UnitStateInput {
  const text = (key: string): string => fieldText(fields, key).slice(0, mostUnit.nameLength);
  return {
    unit: text('unit'), load: text('load'), active: text('active'), sub: text('sub'), result: text('result'), sinceMs: fieldNumber(fields, 'since-ms'), mainPid: fieldNumber(fields, 'pid'),
    restarts: fieldNumber(fields, 'restarts'), memoryBytes: fieldNumber(fields, 'memory'), exitStatus: fieldNumber(fields, 'status'), exitSignal: bySignal.includes(fieldNumber(fields, 'code')),
  };
}

async function* restartUnit(place: WorkPlace, request: RestartUnitRequest, { log }: Pick<CallContext<Coordinator>, 'log'>): AsyncGenerator<RestartUnitResponseInput> {
  const operationId = parseId('operation id', request.operationId);
  const unit = parseUnitName(request.unit);
  const { plan } = request;
  const rule = unitFloor(unit);
  if (rule !== undefined) throw reeveError('UNIT_PROTECTED', { host: place.hostName, value: unit, rule });
  if (!plan) log.info({ operationId, unit }, 'a unit is restarted');
  const work = stateOf(place, 'unit.restart', operationId, { unit, plan }, failedWith(`${plan ? 'Looking at' : 'The restart of'} unit "${unit}"`));
  // It goes on when nobody listens any more: how it ended is told here, too.
  if (!plan) work.then(() => log.info({ operationId, unit }, 'a unit was restarted'), (error: unknown) => log.warn({ operationId, unit, err: error }, 'a unit could not be restarted'));
  yield* withBeats(once(work), { working: true }, beatMs);
}

async function* once(work: Promise<UnitStateInput>): AsyncGenerator<RestartUnitResponseInput> {
  yield { state: await work };
}

/** Lines as they come, read as fast as they are taken. It ends when the caller goes. */
async function* followLog(place: WorkPlace, request: FollowUnitLogRequest, signal: AbortSignal): AsyncGenerator<FollowUnitLogResponseInput> {
  const units = parseUnitNames(request.units);
  const lines = parseInteger('lines', request.lines, { min: 0, max: mostUnit.lines });
  const job = await beginWork(place, 'unit.log', newId(place.host.clock.now()), { units: units.join(','), lines, follow: request.follow });
  const stop = (): void => job.close();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const reader = createExportReader(units);
  try {
    for await (const event of job.events) {
      if (event.kind === 'output') {
        const read = reader.read(event.bytes);
        if (read.length > 0) yield { lines: read };
      } else if (event.kind === 'result') {
        const { ok, reason } = endOf(event.fields);
        if (ok) return;
        throw failedWith(`Reading the journal of ${units.join(' and ')}`)(reason);
      }
    }
    throw reeveError('HELPER_UNREACHABLE', { reason: 'the work ended without a result' });
  } catch (error) {
    throw withHost(error, place.hostName);
  } finally {
    signal.removeEventListener('abort', stop);
    job.close();
  }
}

import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { RestartUnitsEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/RestartUnitsEvent.js';
import type { RestartUnitsRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RestartUnitsRequest.js';
import type { UnitOnHostInput } from '../../shared/gen/proto/reeve/coordinator/v1/UnitOnHost.js';
import type { UnitStateInput } from '../../shared/gen/proto/reeve/type/v1/UnitState.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { newId } from '../../shared/kit/id.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { fieldMissing } from '../../shared/model/field.js';
import { parseUnitName } from '../../shared/model/unit.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { addAudit } from '../inventory/audit.js';
import type { HostRow } from '../inventory/host.js';
import { noting, writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { restartUnit } from '../reconcile/unit-agent.js';
import type { OperatorCaller } from './caller.js';
import { changeableHosts } from './select.js';

/** Hosts that are asked at a time, and hosts that restart at a time: a service of many hosts is never down on all of them. */
const fanOut = { plan: 32, restart: 8 } as const;

/** Nothing but the end of the connection ends it. */
const never = new AbortController().signal;

/** What a host said of a unit, or why it said nothing. */
export async function unitOnHost(host: HostRow, ask: () => Promise<UnitStateInput>): Promise<UnitOnHostInput> {
  const on = { hostId: host.id, hostName: host.name };
  try {
    return { ...on, state: await ask(), errors: [] };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return { ...on, state: null, errors: error.items.map(({ code, fields }) => ({ code, fields: { ...fields } })) };
  }
}

/** Restarts a unit on hosts, or only asks whether it could be. */
export async function* restartUnits(office: Office, { principal, signal }: Pick<CallContext<OperatorCaller>, 'principal' | 'signal'>, request: RestartUnitsRequest): AsyncGenerator<RestartUnitsEventInput> {
  const { db, fleet, clock } = office;
  const unit = parseUnitName(request.unit);
  const plan = request.mode === 'CHANGE_MODE_PLAN';
  if (!plan && request.mode !== 'CHANGE_MODE_APPLY') throw fieldMissing('mode', 'PLAN or APPLY');
  const hosts = changeableHosts(db, principal, request.selector);
  const operationId = newId(clock.now());
  const queue = createEventQueue<RestartUnitsEventInput>();
  const record = plan ? undefined : recorder(office, principal, { operationId, unit, hosts });
  const one = async (host: HostRow): Promise<void> => {
    const told = await unitOnHost(host, () => restartUnit(fleet, host, { operationId, unit, plan }, plan ? signal : never));
    record?.(host, told);
    queue.push({ host: told });
  };
  const all = forEachLimited(hosts, plan ? fanOut.plan : fanOut.restart, one);
  all.then(
    () => {
      queue.push({ finished: { operationId: plan ? '' : operationId } });
      queue.end();
    },
    (error: unknown) => queue.end(error instanceof Error ? error : reeveError('INTERNAL', { correlation: operationId })),
  );
  yield* queue;
}

/** Records what is about to be done on each host; what it answers records how that ended. */
function recorder(office: Office, principal: OperatorCaller, work: { readonly operationId: string; readonly unit: string; readonly hosts: readonly HostRow[] }): (host: HostRow, told: UnitOnHostInput) => void {
  const { db, clock, log } = office;
  const { operationId, unit, hosts } = work;
  // Which hosts a record is about is told by how its arguments begin.
  const entry = (host: HostRow) => ({ principal: principal.name, action: `unit restart ${host.name}`, arguments: `unit restart ${host.id} ${JSON.stringify({ unit })}`, operationId });
  writing(db, () => {
    for (const host of hosts) addAudit(db, { ...entry(host), timeMs: clock.now(), phase: 'intent', code: '' });
  });
  log.info({ operationId, operator: principal.name, unit, hosts: hosts.length }, 'a unit is restarted');
  return (host, told) => {
    const code = told.errors?.[0]?.code ?? '';
    noting(db, log, () => addAudit(db, { ...entry(host), timeMs: clock.now(), phase: code === '' ? 'ok' : 'failed', code }));
    log[code === '' ? 'info' : 'warn']({ operationId, host: host.name, unit, code }, code === '' ? 'a unit was restarted' : 'a unit could not be restarted');
  };
}

import { reeveError } from '../../shared/errors/error.js';
import type { UnitServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UnitService.js';
import type { UnitLogLine, UnitLogLineInput } from '../../shared/gen/proto/reeve/type/v1/UnitLogLine.js';
import type { UnitState, UnitStateInput } from '../../shared/gen/proto/reeve/type/v1/UnitState.js';
import { mostUnit } from '../../shared/model/unit.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import { requireAble } from './able.js';
import { wholeOf } from './backup-entry.js';

const agentUnits = serviceName<UnitServiceDefinition>('reeve.agent.v1.UnitService');

/** What an agent needs for units. */
const needs = { capability: 'unit', lack: 'it knows nothing of units yet' } as const;

/** As much of the fleet as is needed to reach the agents. */
type UnitFleet = Pick<Fleet, 'call' | 'lane' | 'live'>;

/** How long a host may take to say how a unit is, and how long it may be silent while it restarts one, ms. */
const limits = { askMs: 20_000, silenceMs: 60_000 } as const;

/** Most lines of one message that are listened to, and longest name of a program. */
const most = { lines: 10_000, identifier: 256 } as const;

/** How a unit of a host is; its texts stay hostile. Errors: what the agent says, HOST_*, VERSION_UNSUPPORTED. */
export async function askUnit(fleet: UnitFleet, host: HostRow, unit: string, signal: AbortSignal): Promise<UnitStateInput> {
  requireAble(fleet.live(host.id), { needs });
  // Many hosts are asked for one caller, and each call listens to a signal of its own.
  const { state } = await fleet.call(host, agentUnits, 'GetUnit', { unit }, { deadlineMs: limits.askMs, signal: AbortSignal.any([signal]) });
  return parseState(state, host);
}

/** What is restarted. */
export interface RestartOrder {
  readonly operationId: string;
  readonly unit: string;
  /** Only ask whether it could be. */
  readonly plan: boolean;
}

/** Restarts a unit of a host; how it is then. Errors: UNIT_*, what else the agent says, HOST_*, VERSION_UNSUPPORTED. */
export async function restartUnit(fleet: UnitFleet, host: HostRow, order: RestartOrder, signal: AbortSignal): Promise<UnitStateInput> {
  requireAble(fleet.live(host.id), { needs });
  const lane = await fleet.lane(host);
  const silent = new AbortController();
  const failed = (rule: string): Error => reeveError('UNIT_FAILED', { value: `The restart of unit "${order.unit}"`, host: host.name, rule });
  let timer: NodeJS.Timeout | undefined;
  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(), limits.silenceMs);
  };
  try {
    listen();
    const events = lane.channel.stream<UnitServiceDefinition, 'RestartUnit'>(agentUnits, 'RestartUnit', { ...order }, { signal: AbortSignal.any([signal, silent.signal]) });
    for await (const { state } of events) {
      listen();
      if (state) return parseState(state, host);
    }
  } catch (error) {
    if (silent.signal.aborted) throw failed('its agent says nothing any more');
    throw error;
  } finally {
    clearTimeout(timer);
    lane.release();
  }
  throw failed('its agent stopped in the middle');
}

/** Lines of the journal of units, oldest first; their texts stay hostile. Read as fast as they are taken. Errors: what the agent says, HOST_*, VERSION_UNSUPPORTED. */
export async function* followUnits(fleet: UnitFleet, host: HostRow, asked: { readonly units: readonly string[]; readonly lines: number; readonly follow: boolean }, signal: AbortSignal): AsyncGenerator<UnitLogLineInput[]> {
  requireAble(fleet.live(host.id), { needs });
  const lane = await fleet.lane(host);
  try {
    const request = { ...asked, units: [...asked.units] };
    for await (const { lines } of lane.channel.stream<UnitServiceDefinition, 'FollowUnitLog'>(agentUnits, 'FollowUnitLog', request, { signal })) yield lines.slice(0, most.lines).map(parseLine);
  } finally {
    lane.release();
  }
}

function parseLine(line: UnitLogLine): UnitLogLineInput {
  // A character has at most four bytes of UTF-8, and at least as many as it has of UTF-16.
  return {
    timeUs: wholeOf(line.timeUs), unit: line.unit.slice(0, mostUnit.nameLength), priority: Math.min(7, wholeOf(line.priority)), message: line.message.slice(0, mostUnit.messageBytes), cut: line.cut || line.message.length > mostUnit.messageBytes,
    identifier: line.identifier.slice(0, most.identifier), pid: wholeOf(line.pid),
  };
}

function parseState(state: UnitState | null, host: HostRow): UnitStateInput {
  if (state === null) throw reeveError('UNIT_FAILED', { value: 'Asking about a unit', host: host.name, rule: 'its agent does not say how it is' });
  const text = (value: string): string => value.slice(0, mostUnit.nameLength);
  return {
    unit: text(state.unit), load: text(state.load), active: text(state.active), sub: text(state.sub), result: text(state.result), sinceMs: wholeOf(state.sinceMs), mainPid: wholeOf(state.mainPid), restarts: wholeOf(state.restarts),
    memoryBytes: wholeOf(state.memoryBytes), exitStatus: wholeOf(state.exitStatus), exitSignal: state.exitSignal,
  };
}

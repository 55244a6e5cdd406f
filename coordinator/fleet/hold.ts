import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { Hold } from '../../shared/model/hold.js';
import { parseHolds } from '../../shared/rpc/hold.js';
import { listHolds } from '../inventory/hold.js';
import type { World } from '../world.js';
import type { Live } from './live.js';

/** Answers for each host the holds that last: the coordinator's own, and those that the host last said its root has set. */
export function holdLookup(world: World, fleet: { live(hostId: string): Live }): (hostId: string) => readonly Hold[] {
  const now = world.clock.now();
  const own = new Map<string, Hold[]>();
  for (const hold of listHolds(world.db, now)) own.set(hold.hostId, [...(own.get(hold.hostId) ?? []), hold]);
  return (hostId) => {
    const local = parseHolds(fleet.live(hostId).status?.holds ?? []).filter((hold) => hold.untilMs === undefined || hold.untilMs > now);
    return [...(own.get(hostId) ?? []), ...local.map((hold) => ({ ...hold, local: true }))];
  };
}

/** Whether a host says that one of its own holds has ended. */
export function someHoldEnded(before: AgentStatus | undefined, now: AgentStatus): boolean {
  const keyOf = (hold: Hold): string => `${hold.noun} ${String(hold.sinceMs)}`;
  const left = new Set(parseHolds(now.holds).map(keyOf));
  return parseHolds(before?.holds ?? []).some((hold) => !left.has(keyOf(hold)));
}

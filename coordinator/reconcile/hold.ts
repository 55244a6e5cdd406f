import { addAudit } from '../inventory/audit.js';
import { endedHolds, dropHolds, nextHoldEnd } from '../inventory/hold.js';
import { getHost } from '../inventory/host.js';
import { writing } from '../inventory/write.js';
import type { World } from '../world.js';

/** Longest time between two looks at the clock, ms: it may be set. */
const lookMs = 60_000;

/** Ends holds when their time has come. */
export interface HoldKeeper {
  /** A hold was set: looks anew. */
  changed(): void;
  /** A hold of a host was ended by hand: what is pending there is applied. */
  ended(hostId: string): void;
  close(): void;
}

/** Begins to watch over the holds of the inventory; `onEnd` is called for each host of which one ended. */
export function keepHolds(world: World, onEnd: (hostId: string) => void): HoldKeeper {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const look = (): void => {
    clearTimeout(timer);
    if (closed) return;
    for (const hostId of endHolds(world)) onEnd(hostId);
    const next = nextHoldEnd(world.db);
    if (next === undefined) return;
    timer = setTimeout(look, Math.min(lookMs, Math.max(100, next - world.clock.now())));
    timer.unref();
  };
  look();
  return {
    changed: look,
    ended(hostId) {
      look();
      onEnd(hostId);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Removes the holds whose time has come, with an audit record each; answers their hosts. A database that cannot be written is tried again later. */
function endHolds(world: World): ReadonlySet<string> {
  const { db, clock, log } = world;
  const now = clock.now();
  const ended = endedHolds(db, now);
  if (ended.length === 0) return new Set();
  try {
    writing(db, () => {
      for (const hold of ended) {
        dropHolds(db, hold.hostId, hold.noun);
        const action = `host hold ${getHost(db, hold.hostId)?.name ?? hold.hostId} ended`;
        addAudit(db, { timeMs: now, principal: 'reeved', action, arguments: JSON.stringify({ noun: hold.noun, reason: hold.reason }), phase: 'ok', operationId: '', code: '' });
      }
    });
  } catch (error) {
    log.error({ err: error }, 'the end of a hold could not be written; it has ended all the same');
  }
  return new Set(ended.map((hold) => hold.hostId));
}

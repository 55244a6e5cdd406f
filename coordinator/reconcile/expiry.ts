import { addAudit } from '../inventory/audit.js';
import { getHost } from '../inventory/host.js';
import { expiredHosts, nextExpiry, raiseKeys } from '../inventory/key-touched.js';
import { isUnwritable, writing } from '../inventory/write.js';
import type { World } from '../world.js';

/** Longest time between two looks at the clock, ms: it may be set. */
const lookMs = 60_000;

/** Takes keys away when a person, a key, a membership or a grant has come to its end. */
export interface ExpiryKeeper {
  /** Something has another end: looks anew. */
  changed(): void;
  close(): void;
}

/** Begins to watch over the ends in the inventory; `onExpired` is called for each host that is to be told of other keys. */
export function keepExpiries(world: World, onExpired: (hostId: string) => void): ExpiryKeeper {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const look = (): void => {
    clearTimeout(timer);
    if (closed) return;
    for (const hostId of expire(world)) onExpired(hostId);
    const next = nextExpiry(world.db);
    if (next === undefined) return;
    const leftMs = next - world.clock.now();
    // What has come to its end and could not be taken away now is looked at again later.
    timer = setTimeout(look, leftMs <= 0 ? lookMs : Math.min(lookMs, leftMs + 1));
    timer.unref();
  };
  look();
  return {
    changed: look,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Raises the hosts where an end has come, with an audit record each; answers them. A database that cannot be written is tried again later. */
function expire(world: World): readonly string[] {
  const { db, clock, log } = world;
  const now = clock.now();
  const due = expiredHosts(db, now);
  if (due.length === 0) return [];
  try {
    return writing(db, () => {
      const raised = raiseKeys(db, due, { now, removed: { purge: false, endSessions: false } });
      for (const hostId of raised) {
        addAudit(db, { timeMs: now, principal: 'reeved', action: `access to ${getHost(db, hostId)?.name ?? hostId} expired`, arguments: '', phase: 'ok', operationId: '', code: '' });
      }
      return raised;
    });
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    log.error({ err: error }, 'that access has expired could not be written; sshd of the hosts does not let it in all the same');
    return [];
  }
}

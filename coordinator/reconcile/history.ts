import { historySample, type HistorySample } from '../desired/history.js';
import type { Live } from '../fleet/live.js';
import { pointEvery, type History } from '../inventory/history.js';
import { joinedIds } from '../inventory/host.js';
import type { World } from '../world.js';

/** Time between two looks, ms: each notes the hosts whose minute it is. */
const lookMs = 60_000;

/** Minutes over which the hosts are spread. */
const minutes = pointEvery.ms / lookMs;

/** Notes how hosts are, each every ten minutes in a minute of its own, so that a large fleet is no surge. */
export interface HistoryKeeper {
  /** Notes the hosts whose minute has come since the last look, ten minutes at most. */
  look(): void;
  close(): void;
}

/** Begins to note how hosts are. A host that is lost, or whose policy keeps its facts, has no points. */
export function keepHistory(world: Pick<World, 'db' | 'clock'> & { readonly history: History }, fleet: { live(hostId: string): Live }): HistoryKeeper {
  const { db, clock, history } = world;
  let noted = Math.floor(clock.now() / lookMs);
  const look = (): void => {
    const now = clock.now();
    const minute = Math.floor(now / lookMs);
    // A clock that was set begins anew.
    const behind = minute < noted ? 1 : Math.min(minutes, minute - noted);
    if (behind === 0) return;
    noted = minute;
    const samples: HistorySample[] = [];
    for (const hostId of joinedIds(db)) {
      if ((minute - minuteOf(hostId) + minutes) % minutes >= behind) continue;
      const { state, facts } = fleet.live(hostId);
      if (state === 'connected' && facts !== undefined) samples.push(historySample(hostId, facts.facts));
    }
    history.note(samples, now);
    if (minute % minutes < behind) history.tidy(now);
  };
  const timer = setInterval(look, lookMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}

/** The minute of ten in which a host is noted, by the random end of its id. */
function minuteOf(hostId: string): number {
  return parseInt(hostId.slice(-4), 16) % minutes;
}

/** How many runs one destination has at a time; the others wait in the order in which they came. */
export const runsPerDestination = 2;

/** Places for runs at destinations. */
export interface Slots {
  /** Resolves when there is one, with what gives it back. Rejects with the signal's reason when that comes first. */
  take(hostId: string, signal: AbortSignal): Promise<() => void>;
}

/** All places are free. */
export function createSlots(limit: number = runsPerDestination): Slots {
  const places = new Map<string, { taken: number; readonly waiting: (() => void)[] }>();
  return {
    async take(hostId, signal) {
      const place = places.get(hostId) ?? { taken: 0, waiting: [] };
      places.set(hostId, place);
      signal.throwIfAborted();
      if (place.taken < limit) place.taken += 1;
      else await queued(place.waiting, signal);
      let given = false;
      return () => {
        if (given) return;
        given = true;
        const next = place.waiting.shift();
        if (next !== undefined) {
          next();
          return;
        }
        place.taken -= 1;
        if (place.taken === 0) places.delete(hostId);
      };
    },
  };
}

function queued(waiting: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const mine = (): void => {
      signal.removeEventListener('abort', gone);
      resolve();
    };
    const gone = (): void => {
      waiting.splice(waiting.indexOf(mine), 1);
      reject(new Error('it is not waited for any more', { cause: signal.reason }));
    };
    waiting.push(mine);
    signal.addEventListener('abort', gone, { once: true });
  });
}

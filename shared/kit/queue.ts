/** Which of two lines of a key a task waits in: what takes access away waits for nothing but its like. */
export type Lane = 'normal' | 'urgent';

/** Runs tasks one after another per key and lane, in the order they came; different keys do not wait for each other, nor do the two lanes of a key. */
export interface KeyedQueue {
  run<T>(key: string, task: () => Promise<T>, lane?: Lane): Promise<T>;
  /** How many keys have work now. */
  readonly size: number;
}

/** A new keyed queue. */
export function createKeyedQueue(): KeyedQueue {
  const tails: Readonly<Record<Lane, Map<string, Promise<unknown>>>> = { normal: new Map(), urgent: new Map() };
  return {
    get size() {
      return new Set([...tails.normal.keys(), ...tails.urgent.keys()]).size;
    },
    async run(key, task, lane = 'normal') {
      const before = tails[lane].get(key) ?? Promise.resolve();
      const mine = before.then(task, task);
      const tail = mine.then(
        () => undefined,
        () => undefined,
      );
      tails[lane].set(key, tail);
      try {
        return await mine;
      } finally {
        if (tails[lane].get(key) === tail) tails[lane].delete(key);
      }
    },
  };
}

/** Runs `task` over all items, at most `limit` at a time, starting them in order. Rejects with the first rejection; tasks should not reject. */
export async function forEachLimited<T>(items: Iterable<T>, limit: number, task: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await task(next.value);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

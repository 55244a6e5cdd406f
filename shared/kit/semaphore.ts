/** Lets at most `limit` tasks run at a time; the others wait in the order they came. */
export interface Semaphore {
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** A new semaphore. */
export function createSemaphore(limit: number): Semaphore {
  let free = limit;
  const waiting: (() => void)[] = [];
  return {
    async run(task) {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await task();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}

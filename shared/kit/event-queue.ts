/** Events pushed on one side and iterated on the other, in order; unbounded, so only for events whose number is bounded by the work at hand. */
export interface EventQueue<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** No more events; the iteration ends after those that were pushed, with the error when one is given. */
  end(error?: Error): void;
}

/** A new, empty queue for one reader. */
export function createEventQueue<T>(): EventQueue<T> {
  const events: T[] = [];
  let ended: { error: Error | undefined } | undefined;
  let wake = (): void => undefined;
  return {
    push(event) {
      events.push(event);
      wake();
    },
    end(error) {
      ended ??= { error };
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = events.shift();
        if (next !== undefined) yield next;
        else if (ended === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (ended.error === undefined) return;
        else throw ended.error;
      }
    },
  };
}

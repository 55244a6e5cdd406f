/** Messages from several writers to one reader, in order, a few at a time: who writes waits until there is room. */
export interface Outbox<T> extends AsyncIterable<T> {
  /** Resolves when there is room for more; at once when it has ended. */
  put(message: T): Promise<void>;
  /** No more messages; the iteration ends after those that were put, with the error when one is given. Repeatable: the first one counts. */
  end(error?: Error): void;
}

/** A new outbox that holds `room` messages before writers wait. */
export function createOutbox<T>(room: number): Outbox<T> {
  const messages: T[] = [];
  let ended: { readonly error: Error | undefined } | undefined;
  let wake = (): void => undefined;
  let writers: (() => void)[] = [];
  const release = (): void => {
    const waiting = writers;
    writers = [];
    for (const writer of waiting) writer();
  };
  return {
    async put(message) {
      if (ended !== undefined) return;
      messages.push(message);
      wake();
      if (messages.length >= room) await new Promise<void>((resolve) => writers.push(resolve));
    },
    end(error) {
      ended ??= { error };
      wake();
      release();
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const next = messages.shift();
          if (next !== undefined) {
            yield next;
            // The reader has come back: it is done with that one, and there is room for one more.
            writers.shift()?.();
          } else if (ended === undefined) await new Promise<void>((resolve) => (wake = resolve));
          else if (ended.error === undefined) return;
          else throw ended.error;
        }
      } finally {
        ended ??= { error: undefined };
        release();
      }
    },
  };
}

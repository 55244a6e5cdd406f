import type { Context } from './context.js';

/** A line that says how many hosts have answered. */
export interface Progress {
  /** How many there are. */
  total(count: number): void;
  /** How many have answered. */
  done(count: number): void;
  /** Takes the line away. */
  close(): void;
}

/** Least time between two updates, ms. */
const intervalMs = 100;

/** Progress on standard error; nothing where no line can update itself, or a program reads the answer. */
export function createProgress(context: Context): Progress {
  const { terminal, clock } = context;
  if (!terminal.progress || context.json) return { total: () => undefined, done: () => undefined, close: () => undefined };
  let total = 0;
  let shownAt = -Infinity;
  return {
    total: (count) => void (total = count),
    done: (count) => {
      if (clock.monotonic() - shownAt < intervalMs) return;
      shownAt = clock.monotonic();
      terminal.err(`\r\u001b[K${String(count)}${total > 0 ? ` of ${String(total)}` : ''} answered`);
    },
    close: () => {
      if (shownAt !== -Infinity) terminal.err('\r\u001b[K');
    },
  };
}

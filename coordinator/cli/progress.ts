import type { Context } from './context.js';
import { cutText } from './table.js';

/** What is said on standard error while a change goes on: one line that updates itself, and lines that stay. */
export interface Progress {
  /** Whether a line can update itself here. */
  readonly live: boolean;
  /** How many hosts there are. */
  total(count: number): void;
  /** How many have answered. */
  done(count: number): void;
  /** Shows a line in place of the last one, cut to the width of the terminal; nothing where no line can update itself. The text must be escaped already. */
  show(text: string): void;
  /** Says a line that stays; nothing where a program reads the answer. The text must be escaped already. */
  say(text: string): void;
  /** Takes the line away. */
  close(): void;
}

/** Least time between two updates, ms. */
const intervalMs = 100;

/** Progress on standard error; nothing where a program reads the answer. */
export function createProgress(context: Context): Progress {
  const { terminal, clock } = context;
  const live = terminal.progress && !context.json;
  let total = 0;
  let doneAt = -Infinity;
  let shown = false;
  const clear = (): void => {
    if (shown) terminal.err('\r\u001b[K');
    shown = false;
  };
  const show = (text: string): void => {
    if (!live) return;
    terminal.err(`\r\u001b[K${cutText(text, terminal.columns - 1)}`);
    shown = true;
  };
  return {
    live,
    total: (count) => void (total = count),
    done: (count) => {
      if (!live || clock.monotonic() - doneAt < intervalMs) return;
      doneAt = clock.monotonic();
      show(`${String(count)}${total > 0 ? ` of ${String(total)}` : ''} answered`);
    },
    show,
    say: (text) => {
      if (context.json) return;
      clear();
      terminal.err(`${text}\n`);
    },
    close: clear,
  };
}

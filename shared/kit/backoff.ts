/** Exponential backoff with full jitter: a delay between 0 and min(maxMs, baseMs * 2^attempt). `random` gives [0, 1). */
export function backoffMs(attempt: number, options: { baseMs: number; maxMs: number; random: () => number }): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(options.random() * ceiling);
}

/** Time as the programs see it: passed in, so that pure code has none and tests can turn it. */
export interface Clock {
  /** Wall clock, unix ms. May jump. */
  now(): number;
  /** Monotonic, ms since some start. Never jumps. */
  monotonic(): number;
}

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

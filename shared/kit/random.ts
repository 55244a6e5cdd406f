import { randomInt } from 'node:crypto';

/** A random number in [0, 1) from the system's generator, for jitter. */
export function random(): number {
  return randomInt(0, 2 ** 32) / 2 ** 32;
}

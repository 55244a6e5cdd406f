import { setTimeout as timeout } from 'node:timers/promises';

/** Waits, unless the signal ends it first. Resolves true after the time, false when it was ended. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await timeout(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}

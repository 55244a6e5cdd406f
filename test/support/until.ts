/** How long to wait, how often to look, and what is waited for (it goes into the failure message). */
export interface UntilOptions {
  /** Milliseconds until giving up. */
  readonly timeoutMs: number;
  /** Milliseconds between two looks, default 50. */
  readonly everyMs?: number;
  /** Completes the sentence "Waited 5000 ms for ...". */
  readonly what: string;
  readonly signal?: AbortSignal;
}

/**
 * Looks until `probe` answers something other than undefined, false or a throw, and gives that answer.
 * The last error thrown by the probe becomes the cause of the failure.
 */
export async function until<T>(probe: () => T | Promise<T>, options: UntilOptions): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + options.timeoutMs;
  let cause: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const answer = await probe();
      cause = undefined;
      if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`Waited ${String(options.timeoutMs)} ms for ${options.what}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 50));
  }
}

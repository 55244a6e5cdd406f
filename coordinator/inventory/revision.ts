import { randomInt } from 'node:crypto';
import type { Database } from './database.js';

/** One number that grows when something may look otherwise. */
interface Revision {
  value: number;
  /** Who waits for the next one. */
  readonly waiting: Set<() => void>;
}

const revisions = new WeakMap<Database, Revision>();

function of(db: Database): Revision {
  const known = revisions.get(db);
  if (known !== undefined) return known;
  // Another beginning each time: whoever compares knows that the coordinator was started anew. Below 2^53 for as long as it runs.
  const made = { value: randomInt(2 ** 47), waiting: new Set<() => void>() };
  revisions.set(db, made);
  return made;
}

/** Something that people look at is not as it was. Costs nothing where nobody waits. */
export function noteChange(db: Database): void {
  const revision = of(db);
  revision.value += 1;
  for (const wake of revision.waiting) wake();
  revision.waiting.clear();
}

/** The revision of now. */
export function revisionOf(db: Database): number {
  return of(db).value;
}

/** Resolves when the revision is another than this one, or the signal ends the wait. */
export function revisionAfter(db: Database, value: number, signal: AbortSignal): Promise<void> {
  const revision = of(db);
  return new Promise((resolve) => {
    if (revision.value !== value || signal.aborted) {
      resolve();
      return;
    }
    const wake = (): void => {
      signal.removeEventListener('abort', stop);
      resolve();
    };
    const stop = (): void => {
      revision.waiting.delete(wake);
      resolve();
    };
    revision.waiting.add(wake);
    signal.addEventListener('abort', stop, { once: true });
  });
}

import { reeveError } from '../../shared/errors/error.js';

/** Most at a time, of one child and in all. */
export interface MeterLimits {
  readonly perChild: number;
  readonly total: number;
}

/** Counts what is open and what there was, and says when it is too much. */
export interface Meter {
  /** Takes a place for a child; give it back once. Errors: BUSY. */
  take(hostId: string): () => void;
  /** Places that are taken. */
  readonly open: number;
  /** Places that were ever taken. */
  readonly total: number;
}

/** A new meter; `what` is what it counts, for messages. */
export function createMeter(what: string, limits: MeterLimits): Meter {
  const perChild = new Map<string, number>();
  let open = 0;
  let total = 0;
  return {
    get open() {
      return open;
    },
    get total() {
      return total;
    },
    take(hostId) {
      const mine = perChild.get(hostId) ?? 0;
      if (mine >= limits.perChild || open >= limits.total) throw reeveError('BUSY', { rule: `at most ${String(limits.perChild)} ${what} of one child and ${String(limits.total)} in all at a time` });
      perChild.set(hostId, mine + 1);
      open += 1;
      total += 1;
      let taken = true;
      return () => {
        if (!taken) return;
        taken = false;
        open -= 1;
        const left = (perChild.get(hostId) ?? 1) - 1;
        if (left > 0) perChild.set(hostId, left);
        else perChild.delete(hostId);
      };
    },
  };
}

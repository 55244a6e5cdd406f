import type { ObservedNoun } from '../status/snapshot.js';
import { modelOf } from './apply.js';
import { observeNow, type FrontOptions } from './look.js';
import type { ObservedVhosts } from './observe.js';

/** Knows when sites become another without anybody touching a file. */
export interface VhostWatch {
  /** All of the row but `observe`, which runs between changes of the noun. */
  readonly noun: Omit<ObservedNoun, 'observe'>;
  readonly observe: ObservedNoun['observe'];
  /** Somebody has looked. */
  readonly seen: (now: ObservedVhosts) => void;
}

/** The watch over noun vhost; `present` says whether anything of it is managed. Files tell of all changes but one: a self-signed certificate comes to its end. */
export function vhostWatch(front: FrontOptions, present: () => boolean): VhostWatch {
  let dueAtMs: number | undefined;
  const seen = (now: ObservedVhosts): void => void (dueAtMs = now.dueAtMs);
  return {
    seen,
    noun: {
      noun: 'vhost', operation: 'observe.vhost', part: 'vhost', present,
      moved: () => Promise.resolve(dueAtMs !== undefined && dueAtMs <= front.host.clock.now()),
    },
    observe: async (id) => {
      const now = await observeNow(front, id);
      seen(now);
      return modelOf({ now });
    },
  };
}

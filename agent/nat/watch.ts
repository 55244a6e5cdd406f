import type { Host } from '../host/host.js';
import type { ObservedNoun } from '../status/snapshot.js';
import { modelOf } from './apply.js';
import { observeGeneration, observeNat, type ObservedNat } from './observe.js';

/** Knows whether the kernel's tables were changed since they were looked at last. */
export interface NatWatch {
  /** All of the row but `observe`, which runs between changes of the noun. */
  readonly noun: Omit<ObservedNoun, 'observe'>;
  readonly observe: ObservedNoun['observe'];
  /** Somebody has looked. */
  readonly seen: (nat: ObservedNat) => void;
}

/** The watch over noun nat; `present` says whether anything of it is managed. */
export function natWatch(host: Host, present: () => boolean): NatWatch {
  let last: Pick<ObservedNat, 'generation' | 'state' | 'pending'> | undefined;
  const seen = ({ generation, state, pending }: ObservedNat): void => void (last = { generation, state, pending });
  return {
    seen,
    noun: {
      noun: 'nat', operation: 'observe.nat', part: 'nat', present,
      // Where nothing is, nothing can differ: the helper is left asleep.
      moved: async (id) => last?.state !== 'absent' && (await observeGeneration(host.helper, id)) !== last?.generation,
      dueAt: () => last?.pending?.deadlineMs,
    },
    observe: async (id) => {
      const nat = await observeNat(host.helper, id, 'managed');
      seen(nat);
      return modelOf({ nat });
    },
  };
}

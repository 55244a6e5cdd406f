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
  let generation: number | undefined;
  const seen = (nat: ObservedNat): void => void (generation = nat.generation);
  return {
    seen,
    noun: { noun: 'nat', operation: 'observe.nat', part: 'nat', present, moved: async (id) => (await observeGeneration(host.helper, id)) !== generation },
    observe: async (id) => {
      const nat = await observeNat(host.helper, id, 'managed');
      seen(nat);
      return modelOf({ nat });
    },
  };
}

import type { Cause } from './alert.js';

/** A noun of a host that is not as it should be. */
export interface FedNoun {
  readonly hostId: string;
  readonly hostName: string;
  readonly noun: string;
  /** Unix ms. */
  readonly sinceMs: number;
  /** Why; may be empty. */
  readonly reason: string;
}

/** Nouns that are not as they were applied. */
export function driftCauses(nouns: readonly FedNoun[]): Cause[] {
  return nouns.map(({ hostId, hostName, noun, sinceMs }) => ({
    kind: 'drift', hostId, subject: noun, severity: 'warning', title: `noun ${noun} is not as it was applied`, text: `something other than Reeve altered it; see: reeve plan --on ${hostName} --noun ${noun}`, sinceMs, folded: [],
  }));
}

/** Nouns that are still to be applied. */
export function pendingCauses(nouns: readonly FedNoun[]): Cause[] {
  return nouns.map(({ hostId, hostName, noun, sinceMs, reason }) => ({
    kind: 'pending', hostId, subject: noun, severity: 'warning', title: `noun ${noun} is not applied`, text: reason === '' ? `to apply it: reeve apply --on ${hostName}` : reason, sinceMs, folded: [],
  }));
}

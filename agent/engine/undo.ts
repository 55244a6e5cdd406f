import type { Canonical } from '../../shared/model/canonical.js';

/** Operations of a noun that can be taken back. */
export const keptUndos = 10;

/** One object as it was before a change; null: it was not there. */
export interface Saved {
  readonly name: string;
  readonly object: Canonical;
}

/** What has to be wanted so that kept objects are as they were. */
export interface Restored<Wanted = unknown> {
  readonly wanted: Wanted;
  /** What root should know of it: what cannot be as it was, and who gets access back. */
  readonly notes: readonly string[];
}

/** One operation that can be taken back. */
export interface UndoEntry {
  readonly id: string;
  readonly noun: string;
  /** The generation that it was of, and the one that the host had before it. */
  readonly generation: number;
  readonly was: number;
  /** When it ended, unix ms. */
  readonly at: number;
  /** A failed one may have been taken back already, or in part. */
  readonly state: 'ok' | 'failed';
  /** The objects it changed. */
  readonly names: readonly string[];
}

/** The state before several operations: of each object the oldest that was kept. `kept` is newest first. */
export function mergeSaved(kept: readonly (readonly Saved[])[]): readonly Saved[] {
  const merged = new Map<string, Saved>();
  for (const saved of kept) for (const object of saved) merged.set(object.name, object);
  return [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

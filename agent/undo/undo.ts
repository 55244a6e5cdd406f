import { reeveError } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { Engine } from '../engine/engine.js';
import type { NounWork } from '../engine/noun.js';
import type { UndoEntry } from '../engine/undo.js';
import type { Journal } from '../journal/journal.js';
import { selectUndos } from './select.js';

/** What an undo would take back, and what that changes. */
export interface UndoOffer {
  /** Newest first. */
  readonly targets: readonly UndoEntry[];
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  /** What it was planned from, lower-case hex. */
  readonly digest: string;
}

/** What root of the host can ask of its agent. Nothing here is reachable from the network. */
export interface LocalUndo {
  /** Plans an undo: of the newest operation whose undo changes anything, or of all after a generation. Errors: UNDO_NOTHING, UNDO_GENERATION, those of a plan. */
  plan(noun: string, to: number | undefined): Promise<UndoOffer>;
  /** Takes back what was planned. Errors: STATE_MOVED and those of an apply; UNDO_NOTHING when a target was taken back since. */
  apply(noun: string, how: { readonly targets: readonly string[]; readonly operationId: string; readonly digest: string }): Promise<void>;
}

/** Undo over an engine. */
export function createLocalUndo(options: { engine: Engine; journal: Journal; works: readonly NounWork[]; signal: AbortSignal }): LocalUndo {
  const { engine, journal, signal } = options;
  const works = options.works.filter((work) => work.undo !== undefined);
  const workOf = (noun: string): NounWork => {
    const work = works.find((known) => known.noun === noun);
    if (work === undefined) throw fieldInvalid('noun', noun, `one of ${works.map((known) => known.noun).join(', ')}`);
    return work;
  };
  const offer = async (work: NounWork, targets: readonly UndoEntry[]): Promise<UndoOffer> => {
    const { changes, notes, digest } = await engine.planUndo(work, targets);
    return { targets, changes, notes, digest: digest.toString('hex') };
  };
  return {
    async plan(noun, to) {
      const work = workOf(noun);
      const entries = journal.undos(noun);
      if (to !== undefined) return offer(work, selectUndos(noun, entries, to));
      // What a failed operation changed may have been taken back when it failed, and what was done since may have restored the rest.
      for (const entry of [...entries].reverse()) {
        const found = await offer(work, [entry]);
        if (found.changes.length > 0) return found;
      }
      throw reeveError('UNDO_NOTHING', { noun, rule: entries.length === 0 ? 'no operation of it is kept' : 'everything is as it was before the operations that are kept' });
    },
    async apply(noun, { targets, operationId, digest }) {
      const work = workOf(noun);
      const known = journal.undos(noun);
      const undos = targets.map((id) => {
        const found = known.find((entry) => entry.id === id);
        if (found === undefined) throw reeveError('UNDO_NOTHING', { noun, rule: `operation ${id} was taken back already` });
        return found;
      });
      await engine.undo(work, undos, { operationId, digest: Buffer.from(digest, 'hex'), signal });
    },
  };
}

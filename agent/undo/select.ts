import { reeveError } from '../../shared/errors/error.js';
import type { UndoEntry } from '../engine/undo.js';

/**
 * The operations to take back so that the host has a generation again, newest first. `entries` are oldest first. Errors: UNDO_NOTHING, UNDO_GENERATION
 * when the host never had it, has it now, or what came after it is not all kept.
 */
export function selectUndos(noun: string, entries: readonly UndoEntry[], to: number): readonly UndoEntry[] {
  if (entries.length === 0) throw reeveError('UNDO_NOTHING', { noun, rule: 'no operation of it is kept' });
  const later = entries.filter((entry) => entry.generation > to).reverse();
  const first = later.at(-1);
  const reachable = [...new Set(entries.map((entry) => entry.was))].sort((a, b) => a - b).join(', ');
  const refuse = (rule: string): never => {
    throw reeveError('UNDO_GENERATION', { noun, value: String(to), rule });
  };
  if (first === undefined) return refuse('no operation after it is kept');
  if (first.was !== to) return refuse(`the host can go back to ${reachable}`);
  return later;
}

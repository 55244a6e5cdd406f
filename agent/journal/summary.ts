import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UndoEntry } from '../engine/undo.js';
import { Index, type Entry } from './entry.js';
import { parseJournal } from './line.js';

/** What the journal says, read beside whoever writes it. */
export interface JournalSummary {
  /** Oldest first. */
  readonly entries: readonly Entry[];
  /** Oldest first. */
  readonly undos: readonly UndoEntry[];
  readonly generations: ReadonlyMap<string, number>;
}

/** Reads the journal of a state folder without writing to it; a host without one has an empty one. */
export function readJournal(stateDir: string): JournalSummary {
  const index = new Index();
  for (const placed of parseJournal(readAll(join(stateDir, 'journal', 'operations'))).lines) index.add(placed.line, placed);
  return { entries: index.entries(), undos: index.undos().map((undo) => undo.entry), generations: index.generations };
}

function readAll(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

import type { JournalLine } from './line.js';
import { keptUndos, type UndoEntry } from '../engine/undo.js';

/** How far an operation is. */
export type EntryState = 'received' | 'started' | 'ok' | 'failed';

/** One operation in the journal. Bodies stay in the file. */
export interface Entry {
  readonly id: string;
  readonly method: string;
  readonly noun: string;
  readonly digest: string;
  readonly generation: number;
  readonly receivedAt: number;
  readonly state: EntryState;
  readonly endedAt: number | undefined;
  /** Whether it came as far as to change anything. */
  readonly started: boolean;
  /** Whether it was begun under a hold, as one that only removes access. */
  readonly removalOnly: boolean;
  /** The operations that it takes back; empty: a coordinator asked for it. */
  readonly undoes: readonly string[];
}

/** Where a line is in the file; one that could not be written is kept instead. */
export type Place = { readonly at: number; readonly lengthBytes: number } | { readonly unwritten: JournalLine };

/** An operation, and where its lines are. */
export interface Slot {
  entry: Entry;
  request: Place | undefined;
  undo: Place | undefined;
  end: Place | undefined;
  /** What it changes, and the generation that the host had before. */
  names: readonly string[];
  was: number;
}

/** An operation that can be taken back, and where the line is that says how. */
export interface UndoSlot {
  readonly entry: UndoEntry;
  readonly place: Place;
}

/** What is known of each operation, without its bodies. */
export class Index {
  epoch = 0;
  forgottenTo = 0;
  readonly generations = new Map<string, number>();
  readonly #slots = new Map<string, Slot>();
  readonly #undos = new Map<string, readonly UndoSlot[]>();

  slot(id: string, method: string): Slot | undefined {
    return this.#slots.get(`${id} ${method}`);
  }

  slots(): readonly Slot[] {
    return [...this.#slots.values()];
  }

  entries(): readonly Entry[] {
    return this.slots().map((slot) => slot.entry);
  }

  /** What can be taken back of a noun, or of all, oldest first. */
  undos(noun?: string): readonly UndoSlot[] {
    return noun === undefined ? [...this.#undos.values()].flat() : (this.#undos.get(noun) ?? []);
  }

  clear(): void {
    this.epoch = 0;
    this.forgottenTo = 0;
    this.generations.clear();
    this.#slots.clear();
    this.#undos.clear();
  }

  add(line: JournalLine, place: Place): void {
    if (line.t === 'epoch') {
      this.epoch = Math.max(this.epoch, line.value);
      return;
    }
    if (line.t === 'forgotten') {
      this.forgottenTo = Math.max(this.forgottenTo, line.value);
      return;
    }
    if (line.t === 'generation') {
      this.#raise(line.noun, line.value);
      return;
    }
    if (line.t === 'before') {
      const { id, noun, generation, was, at } = line;
      this.#pushUndo({ entry: { id, noun, generation, was, at, state: line.state === 'failed' ? 'failed' : 'ok', names: line.before.map((saved) => saved.name) }, place });
      return;
    }
    if (line.t === 'received') {
      const { id, method, noun, digest, generation, at } = line;
      const entry: Entry = { id, method, noun, digest, generation, receivedAt: at, state: 'received', endedAt: undefined, started: false, removalOnly: false, undoes: line.undoes ?? [] };
      this.#slots.delete(`${id} ${method}`);
      this.#slots.set(`${id} ${method}`, { entry, request: place, undo: undefined, end: undefined, names: [], was: 0 });
      return;
    }
    const slot = this.slot(line.id, line.method);
    if (slot === undefined) return;
    switch (line.t) {
      case 'undo':
        slot.undo = place;
        slot.names = (line.before ?? []).map((saved) => saved.name);
        slot.was = this.generations.get(slot.entry.noun) ?? 0;
        break;
      case 'started':
        slot.entry = { ...slot.entry, state: 'started', started: true, removalOnly: line.removalOnly === true };
        break;
      case 'ok':
        slot.end = place;
        slot.entry = { ...slot.entry, state: 'ok', endedAt: line.at };
        this.#ended(slot);
        if (line.held !== true && slot.entry.undoes.length === 0) this.#raise(slot.entry.noun, slot.entry.generation);
        break;
      case 'failed':
        slot.end = place;
        slot.entry = { ...slot.entry, state: 'failed', endedAt: line.at, started: line.started };
        this.#ended(slot);
        break;
    }
  }

  /** What ended can be taken back, and what was taken back cannot be any more. */
  #ended(slot: Slot): void {
    const { id, noun, generation, state, endedAt, undoes } = slot.entry;
    if (undoes.length > 0) {
      if (state === 'ok') this.#undos.set(noun, this.undos(noun).filter((undo) => !undoes.includes(undo.entry.id)));
      return;
    }
    if (slot.undo === undefined || slot.names.length === 0) return;
    this.#pushUndo({ entry: { id, noun, generation, was: slot.was, at: endedAt ?? 0, state: state === 'failed' ? 'failed' : 'ok', names: slot.names }, place: slot.undo });
  }

  #pushUndo(undo: UndoSlot): void {
    const { noun, id } = undo.entry;
    this.#undos.set(noun, [...this.undos(noun).filter((other) => other.entry.id !== id), undo].slice(-keptUndos));
  }

  #raise(noun: string, value: number): void {
    this.generations.set(noun, Math.max(this.generations.get(noun) ?? 0, value));
  }
}

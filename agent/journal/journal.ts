import { reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import type { Logger } from '../../shared/kit/log.js';
import { idTime } from '../../shared/model/id.js';
import type { AppendFile } from '../host/append.js';
import type { Saved, UndoEntry } from '../engine/undo.js';
import { Index, type Entry, type Place, type Slot } from './entry.js';
import { formatLine, parseJournal, type JournalLine, type StoredStep } from './line.js';

/** How long the outcome of an operation is remembered, ms. */
const keepMs = 8 * 24 * 3600 * 1000;

/** A journal larger than this is rewritten when the next operation ends, if that can make it much smaller. Bytes. */
const compactBytes = 8 * 1024 * 1024;

/** What an operation is known by, and what it asks. */
export interface Received {
  readonly id: string;
  readonly method: string;
  readonly noun: string;
  readonly digest: string;
  readonly generation: number;
  readonly request: Uint8Array;
  /** The operations that it takes back; absent: none. */
  readonly undoes?: readonly string[];
}

/** How an operation ended. */
export type Ending = { readonly kind: 'ok'; readonly response: Uint8Array; /** A hold held something back. */ readonly held?: boolean } | { readonly kind: 'failed'; readonly errors: readonly ErrorItem[] };

/** What became of every operation, on disk before it matters. */
export interface Journal {
  /** Notes that an operation came in; replaces an earlier try that never started. Errors: AUDIT_UNWRITABLE. */
  received(operation: Received): Promise<Entry>;
  /** Notes how to take the operation back when it fails, and what it changes, as that is now. Errors: AUDIT_UNWRITABLE. */
  undoSaved(entry: Entry, steps: readonly StoredStep[], before: readonly Saved[]): Promise<void>;
  /** Notes that the first change is about to be made. Errors: AUDIT_UNWRITABLE. */
  started(entry: Entry, how: { readonly removalOnly: boolean }): Promise<void>;
  /** Notes how it ended. Does not fail: what cannot be written is logged, and found again by recovery. */
  done(entry: Entry, ending: Ending): Promise<void>;
  find(id: string, method: string): Entry | undefined;
  /** The newest entry of an operation id, of one method unless that is absent or empty. */
  findOperation(id: string, method?: string): Entry | undefined;
  /** Operations begun and not ended, oldest first. */
  open(): readonly Entry[];
  request(entry: Entry): Promise<Buffer>;
  undo(entry: Entry): Promise<readonly StoredStep[]>;
  /** The operations of a noun that can be taken back, oldest first. */
  undos(noun: string): readonly UndoEntry[];
  /** What such an operation changed, as it was before. */
  saved(undo: UndoEntry): Promise<readonly Saved[]>;
  /** How an ended operation ended. */
  ending(entry: Entry): Promise<Ending>;
  /** The newest generation of a noun that was applied; 0: none. */
  generation(noun: string): number;
  /** Operations made up to this time (unix ms, by their ids) may have been here and be forgotten; 0: none is. */
  readonly forgottenTo: number;
  /** The highest epoch that was seen; 0: none. */
  readonly epoch: number;
  /** Remembers a higher epoch. Errors: AUDIT_UNWRITABLE. */
  raiseEpoch(value: number): Promise<void>;
}

/** What the journal needs. */
export interface JournalOptions {
  readonly file: AppendFile;
  readonly clock: Clock;
  readonly log: Logger;
  /** Name of the host, for errors. */
  readonly hostName: string;
}

/** Opens the journal: reads it, leaves out what is torn, forgets what is old, and rewrites it. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const index = new Index();
  const { lines, torn } = parseJournal(await options.file.readAll());
  if (torn > 0) options.log.warn({ torn }, 'the journal had lines that were not written to their end');
  for (const placed of lines) index.add(placed.line, placed);
  await compact(options, index);
  return journalOf(options, index);
}

function journalOf(options: JournalOptions, index: Index): Journal {
  const { file, clock, log } = options;
  let compactedBytes = file.sizeBytes;

  const write = async (line: JournalLine): Promise<void> => {
    const text = formatLine(line);
    try {
      const at = await file.append(text, true);
      index.add(line, { at, lengthBytes: Buffer.byteLength(text) });
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'the journal cannot be written';
      throw reeveError('AUDIT_UNWRITABLE', { where: `host "${options.hostName}"`, reason }, { cause: error });
    }
  };
  const body = async (place: Place | undefined): Promise<JournalLine | undefined> => {
    if (place === undefined) return undefined;
    return 'unwritten' in place ? place.unwritten : parseJournal(await file.read(place.at, place.lengthBytes)).lines[0]?.line;
  };
  const slotOf = (entry: Entry): Slot => index.slot(entry.id, entry.method) ?? { entry, request: undefined, undo: undefined, end: undefined, names: [], was: 0 };

  return {
    async received(operation) {
      await write({ ...operation, t: 'received', at: clock.now(), request: Buffer.from(operation.request).toString('base64') });
      failpoint('agent.journal.received');
      const slot = index.slot(operation.id, operation.method);
      if (slot === undefined) throw new Error('the journal lost a line it has just written');
      return slot.entry;
    },
    async undoSaved(entry, steps, before) {
      await write({ t: 'undo', id: entry.id, method: entry.method, steps, before });
      failpoint('agent.journal.undo');
    },
    async started(entry, how) {
      await write({ t: 'started', id: entry.id, method: entry.method, ...(how.removalOnly ? { removalOnly: true } : {}) });
      failpoint('agent.journal.started');
    },
    async done(entry, ending) {
      const { id, method } = entry;
      const at = clock.now();
      const line: JournalLine =
        ending.kind === 'ok'
          ? { t: 'ok', id, method, at, response: Buffer.from(ending.response).toString('base64'), ...(ending.held === true ? { held: true } : {}) }
          : { t: 'failed', id, method, at, errors: ending.errors, started: slotOf(entry).entry.started };
      try {
        await write(line);
        failpoint('agent.journal.done');
        if (file.sizeBytes > compactBytes && file.sizeBytes > 2 * compactedBytes) {
          await compact(options, index);
          compactedBytes = file.sizeBytes;
        }
      } catch (error) {
        log.error({ err: error, operationId: id }, 'the end of an operation could not be journaled');
        if (slotOf(entry).entry.endedAt === undefined) index.add(line, { unwritten: line });
      }
    },
    find: (id, method) => index.slot(id, method)?.entry,
    findOperation: (id, method = '') => index.entries().filter((entry) => entry.id === id && (method === '' || entry.method === method)).at(-1),
    open: () => index.entries().filter((entry) => entry.endedAt === undefined),
    async request(entry) {
      const line = await body(slotOf(entry).request);
      return Buffer.from(line?.t === 'received' ? line.request : '', 'base64');
    },
    async undo(entry) {
      const line = await body(slotOf(entry).undo);
      return line?.t === 'undo' ? line.steps : [];
    },
    undos: (noun) => index.undos(noun).map((undo) => undo.entry),
    async saved(undo) {
      const line = await body(index.undos(undo.noun).find((other) => other.entry.id === undo.id)?.place);
      return line?.t === 'undo' || line?.t === 'before' ? (line.before ?? []) : [];
    },
    async ending(entry) {
      const line = await body(slotOf(entry).end);
      if (line?.t === 'ok') return { kind: 'ok', response: Buffer.from(line.response, 'base64') };
      if (line?.t === 'failed') return { kind: 'failed', errors: line.errors };
      return { kind: 'failed', errors: [{ code: 'INTERNAL', fields: { correlation: entry.id } }] };
    },
    generation: (noun) => index.generations.get(noun) ?? 0,
    get forgottenTo() {
      return index.forgottenTo;
    },
    get epoch() {
      return index.epoch;
    },
    raiseEpoch: (value) => write({ t: 'epoch', value }),
  };
}

/**
 * Rewrites the file with what still matters: epoch, generations, open operations whole, ended ones without their requests,
 * and what can be taken back. Which times are forgotten is
 * kept: with a clock that was ahead and goes back, an operation forgotten too early would else be taken for a new one.
 */
async function compact(options: JournalOptions, index: Index): Promise<void> {
  const { file, clock } = options;
  const lineAt = async (place: Place): Promise<string> =>
    'unwritten' in place ? formatLine(place.unwritten) : (await file.read(place.at, place.lengthBytes)).toString('utf8');
  const kept: string[] = [];
  if (index.epoch > 0) kept.push(formatLine({ t: 'epoch', value: index.epoch }));
  for (const [noun, value] of index.generations) kept.push(formatLine({ t: 'generation', noun, value }));
  for (const { entry, place } of index.undos()) {
    const before = parseJournal(Buffer.from(await lineAt(place))).lines[0]?.line;
    if (before?.t !== 'undo' && before?.t !== 'before') continue;
    const { id, noun, generation, was, at, state } = entry;
    kept.push(formatLine({ t: 'before', id, noun, generation, was, at, state, before: before.before ?? [] }));
  }
  for (const { entry, request, undo, end } of index.slots()) {
    if (isOld(entry, clock.now())) continue;
    const { id, method, noun, digest, generation, receivedAt: at } = entry;
    if (end !== undefined) kept.push(formatLine({ t: 'received', id, method, noun, digest, generation, at, request: '' }), await lineAt(end));
    else if (request !== undefined) {
      kept.push(await lineAt(request));
      if (undo !== undefined) kept.push(await lineAt(undo));
      if (entry.started) kept.push(formatLine({ t: 'started', id, method, ...(entry.removalOnly ? { removalOnly: true } : {}) }));
    }
  }
  let { forgottenTo } = index;
  for (const { entry } of index.slots()) if (isOld(entry, clock.now())) forgottenTo = Math.max(forgottenTo, idTime(entry.id));
  if (forgottenTo > 0) kept.unshift(formatLine({ t: 'forgotten', value: forgottenTo }));
  const content = kept.join('');
  await file.replace(content);
  index.clear();
  for (const placed of parseJournal(Buffer.from(content)).lines) index.add(placed.line, placed);
}

function isOld(entry: Entry, now: number): boolean {
  return entry.endedAt !== undefined && now - entry.endedAt > keepMs;
}

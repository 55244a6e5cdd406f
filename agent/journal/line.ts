import { isErrorCode, type ErrorItem } from '../../shared/errors/error.js';
import type { Saved } from '../engine/undo.js';
import type { PrivdVerbName } from '../../shared/gen/privd.js';

/** A helper verb with its arguments, or something that the agent does itself, as it is kept for undoing. */
export interface StoredStep {
  readonly verb: PrivdVerbName | 'relay.keep' | 'key.store' | 'key.forget' | 'cert.make' | 'container.make';
  readonly request: Readonly<Record<string, string | number | boolean>>;
}

/** One line of the journal. `id` and `method` name the operation. */
export type JournalLine =
  | { readonly t: 'epoch'; readonly value: number }
  | { readonly t: 'forgotten'; /** Operations made up to this time (unix ms, by their ids) may be missing here. */ readonly value: number }
  | { readonly t: 'generation'; readonly noun: string; readonly value: number }
  | {
      readonly t: 'received';
      readonly id: string;
      readonly method: string;
      readonly noun: string;
      /** sha256 of the request without its operation id, hex: tells a repeat from a re-use. */
      readonly digest: string;
      readonly generation: number;
      readonly at: number;
      /** The encoded request, base64; empty once the operation has ended. */
      readonly request: string;
      /** The operations that it takes back; absent: none, it was asked by a coordinator. */
      readonly undoes?: readonly string[];
    }
  | {
      readonly t: 'undo';
      readonly id: string;
      readonly method: string;
      readonly steps: readonly StoredStep[];
      /** What it changes, as it was before; absent in journals of before there was undo. */
      readonly before?: readonly Saved[];
    }
  | {
      /** What is left of an ended operation that can be taken back. */
      readonly t: 'before';
      readonly id: string;
      readonly noun: string;
      readonly generation: number;
      readonly was: number;
      readonly at: number;
      readonly state: string;
      readonly before: readonly Saved[];
    }
  | { readonly t: 'started'; readonly id: string; readonly method: string; /** A hold lasted: only removal of access is made. */ readonly removalOnly?: boolean }
  | {
      readonly t: 'ok';
      readonly id: string;
      readonly method: string;
      readonly at: number;
      /** The encoded response, base64. */
      readonly response: string;
      /** Something was held back: the generation does not count as applied. */
      readonly held?: boolean;
    }
  | {
      readonly t: 'failed';
      readonly id: string;
      readonly method: string;
      readonly at: number;
      readonly errors: readonly ErrorItem[];
      /** Whether anything may have been changed. */
      readonly started: boolean;
    };

/** A line and where it is in the file, bytes. */
export interface PlacedLine {
  readonly line: JournalLine;
  readonly at: number;
  readonly lengthBytes: number;
}

/** A line as it is written. */
export function formatLine(line: JournalLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** All whole lines of a journal. A last line that was torn by a crash is left out, and so is one that cannot be read; `torn` counts both. */
export function parseJournal(bytes: Buffer): { lines: readonly PlacedLine[]; torn: number; wholeBytes: number } {
  const lines: PlacedLine[] = [];
  let torn = 0;
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) break;
    const line = parseLine(bytes.toString('utf8', at, end));
    if (line === undefined) torn += 1;
    else lines.push({ line, at, lengthBytes: end + 1 - at });
    at = end + 1;
  }
  return { lines, torn: torn + (at < bytes.length ? 1 : 0), wholeBytes: at };
}

function parseLine(text: string): JournalLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isLine(value) ? value : undefined;
}

/** Types of the fields of each kind of line. */
const shapes: Readonly<Record<string, Readonly<Record<string, 'string' | 'number' | 'boolean' | 'steps' | 'errors' | 'before'>>>> = {
  before: { id: 'string', noun: 'string', generation: 'number', was: 'number', at: 'number', state: 'string', before: 'before' },
  epoch: { value: 'number' },
  forgotten: { value: 'number' },
  generation: { noun: 'string', value: 'number' },
  received: { id: 'string', method: 'string', noun: 'string', digest: 'string', generation: 'number', at: 'number', request: 'string' },
  undo: { id: 'string', method: 'string', steps: 'steps' },
  started: { id: 'string', method: 'string' },
  ok: { id: 'string', method: 'string', at: 'number', response: 'string' },
  failed: { id: 'string', method: 'string', at: 'number', errors: 'errors', started: 'boolean' },
};

function isLine(value: unknown): value is JournalLine {
  if (!isRecord(value) || typeof value['t'] !== 'string' || !Object.hasOwn(shapes, value['t'])) return false;
  return Object.entries(shapes[value['t']] ?? {}).every(([name, type]) => {
    const field = value[name];
    if (type === 'steps') return Array.isArray(field) && field.every((step: unknown) => isRecord(step) && typeof step['verb'] === 'string' && isRecord(step['request']));
    if (type === 'errors') return Array.isArray(field) && field.every((item: unknown) => isRecord(item) && isErrorCode(String(item['code'])) && isRecord(item['fields']));
    if (type === 'before') return isBefore(field);
    return typeof field === type;
  });
}

function isBefore(value: unknown): boolean {
  return Array.isArray(value) && value.every((saved: unknown) => isRecord(saved) && typeof saved['name'] === 'string' && 'object' in saved);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

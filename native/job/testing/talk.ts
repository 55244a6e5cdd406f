/**
 * One piece of work of reeve-job or reeve-container, as root: a ticket, a connection, and what was said on it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';

/** Kinds of frames. */
export const frames = { data: 1, end: 2, ready: 3, progress: 4, problem: 5, row: 6, output: 7, result: 8, input: 9 } as const;

/** Fields of a frame, each value as latin1, so that no byte is lost. */
export type Fields = Readonly<Record<string, string>>;

/** What a piece of work said. */
export interface Said {
  readonly rows: readonly Fields[];
  readonly problems: readonly Fields[];
  readonly progress: readonly Fields[];
  readonly output: string;
  /** Empty: it ended without one. */
  readonly result: Fields;
  /** All values of a key of the result. */
  readonly list: (key: string) => readonly string[];
  readonly exit: number | null;
}

/** What may be different. */
export interface WorkOptions {
  /** Paths that are asked for, as latin1. */
  readonly input?: readonly string[];
  /** What is taken in, to its end. */
  readonly data?: Buffer;
  /** What is said in the place of the ticket's name. */
  readonly says?: string;
  /** Is given the connection and the process when it has begun. */
  readonly begun?: (connection: Duplex, child: ChildProcess) => void;
  /** Folders that are something else for it: pairs of what is seen and where. */
  readonly over?: readonly (readonly [string, string])[];
}

/** A frame, as both sides write it. */
export function frameOf(kind: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length + 1);
  head.writeUInt8(kind, 4);
  return Buffer.concat([head, bytes]);
}

const inputOf = (paths: readonly string[]): Buffer => Buffer.concat([
  ...paths.map((path) => frameOf(frames.input, Buffer.from(`${path}\0`, 'latin1'))), frameOf(frames.input, Buffer.alloc(0)),
]);

/** What is taken in, as frames. */
export function dataOf(data: Buffer, ended = true): Buffer {
  const pieces = Array.from({ length: Math.ceil(data.length / 65_536) }, (_, at) => frameOf(frames.data, data.subarray(at * 65_536, (at + 1) * 65_536)));
  return Buffer.concat([...pieces, ...(ended ? [frameOf(frames.end, Buffer.alloc(0))] : [])]);
}

const pairsOf = (payload: Buffer): readonly (readonly [string, string])[] => payload.toString('latin1').split('\0').filter((text) => text !== '')
  .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] as const);

const fieldsOf = (payload: Buffer): Fields => Object.fromEntries(pairsOf(payload));

function saidOf(all: Buffer, exit: number | null): Said {
  const of = (kind: number): Buffer[] => found.filter((frame) => frame.kind === kind).map((frame) => frame.payload);
  const found: { kind: number; payload: Buffer }[] = [];
  for (let at = 0; at + 5 <= all.length;) {
    const n = all.readUInt32BE(at);
    found.push({ kind: all.readUInt8(at + 4), payload: all.subarray(at + 5, at + 4 + n) });
    at += 4 + n;
  }
  return {
    rows: of(frames.row).map(fieldsOf), problems: of(frames.problem).map(fieldsOf), progress: of(frames.progress).map(fieldsOf),
    output: Buffer.concat(of(frames.output)).toString('latin1'), result: fieldsOf(of(frames.result)[0] ?? Buffer.alloc(0)), exit,
    list: (key) => pairsOf(of(frames.result)[0] ?? Buffer.alloc(0)).filter(([name]) => name === key).map(([, value]) => value),
  };
}

function start(command: readonly string[], options: WorkOptions): ChildProcess {
  const inside = [...(options.over ?? []).map(([from, to]) => `mount --bind '${from}' '${to}'`), 'exec "$@" <&3'].join(' && ');
  const [program, args] = options.over === undefined ? ['sh', []] : ['unshare', ['-m', 'sh']];
  return spawn(program, [...args, '-c', inside, 'sh', ...command], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
}

/** Pairs of key and value as a ticket, each value as latin1. */
export const ticketOf = (pairs: readonly (readonly [string, string])[]): Buffer => Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(''), 'latin1');

/** Does one piece of work, to its end: `command` runs, with a ticket in `folder`. */
export function talk(command: readonly string[], folder: string, ticket: Buffer, options: WorkOptions): Promise<Said> {
  const name = randomBytes(16).toString('hex');
  writeFileSync(join(folder, name), ticket, { mode: 0o600 });
  const child = start(command, options);
  const connection = child.stdio[3] as Duplex;
  const got: Buffer[] = [];
  connection.on('error', () => undefined);
  connection.on('data', (chunk: Buffer) => { got.push(chunk); });
  connection.write(options.says ?? name);
  if (options.input !== undefined) connection.write(inputOf(options.input));
  if (options.data !== undefined) connection.write(dataOf(options.data));
  options.begun?.(connection, child);
  return new Promise((done) => { child.once('close', (code) => { done(saidOf(Buffer.concat(got), code)); }); });
}

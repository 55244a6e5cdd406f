/**
 * One piece of work of reeve-job, as root, on a folder of a job that the test makes. REEVE_JOB_TEST names the binary; otherwise it is compiled.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the C sources. */
export const sources = join(dirname(fileURLToPath(import.meta.url)), '..');
const given = process.env['REEVE_JOB_TEST'];
const binary = resolve(given ?? join(sources, 'gen/reeve-job'));
/** These tests need it. */
export const isRoot = process.getuid?.() === 0;
/** Owner of the folders of jobs in tests. */
export const storeUid = 61_234;
/** The job. */
export const jobId = '01890000-0000-7000-8000-000000000001';

/** Kinds of frames. */
export const frames = { ready: 3, progress: 4, problem: 5, row: 6, output: 7, result: 8, input: 9 } as const;

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
  readonly exit: number | null;
}

/** A folder with a job in it, and what is needed to work on it. */
export interface Store {
  /** A folder for the test's own files. */
  readonly dir: string;
  /** The folder of the job. */
  readonly folder: string;
  /** Makes a snapshot's folder, and its note unless `complete` is undefined; its path. */
  readonly addSnapshot: (name: string, complete?: boolean) => string;
  /** Gives everything below the folder of the job to its owner. */
  readonly own: () => void;
  /** Does it, to its end. Pairs of key and value; `folder` and `job` are added unless a pair has them. */
  readonly work: (name: string, ticket?: readonly (readonly [string, string])[], options?: WorkOptions) => Promise<Said>;
  readonly close: () => void;
}

/** What may be different. */
export interface WorkOptions {
  /** Paths that are asked for, as latin1. */
  readonly input?: readonly string[];
  /** Is given the connection and the process when it has begun. */
  readonly begun?: (connection: Duplex, child: ChildProcess) => void;
  /** Folders that are something else for it: pairs of what is seen and where. */
  readonly over?: readonly (readonly [string, string])[];
}

const fieldsOf = (payload: Buffer): Fields => Object.fromEntries(payload.toString('latin1').split('\0').filter((text) => text !== '')
  .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]));

function frameOf(kind: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length + 1);
  head.writeUInt8(kind, 4);
  return Buffer.concat([head, payload]);
}

const inputOf = (paths: readonly string[]): Buffer => Buffer.concat([
  ...paths.map((path) => frameOf(frames.input, Buffer.from(`${path}\0`, 'latin1'))), frameOf(frames.input, Buffer.alloc(0)),
]);

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
  };
}

function start(state: string, options: WorkOptions): ChildProcess {
  const command = [binary, '--state', state, '--caller-uid', '0', '--store-uid', String(storeUid)];
  const inside = [...(options.over ?? []).map(([from, to]) => `mount --bind '${from}' '${to}'`), 'exec "$@" <&3'].join(' && ');
  const [program, args] = options.over === undefined ? ['sh', []] : ['unshare', ['-m', 'sh']];
  return spawn(program, [...args, '-c', inside, 'sh', ...command], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
}

function run(state: string, ticket: Buffer, options: WorkOptions): Promise<Said> {
  const name = randomBytes(16).toString('hex');
  writeFileSync(join(state, 'job', name), ticket, { mode: 0o600 });
  const child = start(state, options);
  const connection = child.stdio[3] as Duplex;
  const got: Buffer[] = [];
  connection.on('error', () => undefined);
  connection.on('data', (chunk: Buffer) => { got.push(chunk); });
  connection.write(name);
  if (options.input !== undefined) connection.write(inputOf(options.input));
  options.begun?.(connection, child);
  return new Promise((done) => { child.once('close', (code) => { done(saidOf(Buffer.concat(got), code)); }); });
}

/** A folder of a job with nothing in it yet. */
export function makeStore(): Store {
  if (given === undefined) execFileSync('flock', [sources, 'make', '-s', '-C', sources], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = mkdtempSync(join(tmpdir(), 'job-'));
  const folder = join(dir, 'store');
  chmodSync(dir, 0o755);
  for (const path of ['state', 'state/job', 'store', 'store/snapshots', 'store/info', 'store/trash']) mkdirSync(join(dir, path), { mode: 0o700 });
  writeFileSync(join(folder, '.reeve-backup'), `reeve-backup 1\nfleet=${jobId}\njob=${jobId}\n`);
  const own = (): void => { execFileSync('chown', ['-hR', `${String(storeUid)}:${String(storeUid)}`, folder]); };
  chownSync(folder, storeUid, storeUid);
  return {
    dir, folder, own,
    addSnapshot: (name, complete) => {
      const path = join(folder, 'snapshots', name);
      mkdirSync(path);
      if (complete !== undefined) writeFileSync(join(folder, 'info', name), `complete=${complete ? '1' : '0'}\nfiles=3\nbytes=4\nsent-bytes=5\n`);
      return path;
    },
    work: (name, ticket = [], options = {}) => {
      const has = new Set(ticket.map(([key]) => key));
      const pairs: readonly (readonly [string, string])[] = [['work', name], ['operation', jobId], ...(has.has('job') ? [] : [['job', jobId] as const]), ...(has.has('folder') ? [] : [['folder', folder] as const]), ...ticket];
      return run(join(dir, 'state'), Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(''), 'latin1'), options);
    },
    close: () => { rmSync(dir, { recursive: true, force: true }); },
  };
}

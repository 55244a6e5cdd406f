/**
 * One piece of work of reeve-job, as root, on a folder of a job that the test makes. REEVE_JOB_TEST names the binary; otherwise it is compiled.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { talk, ticketOf, type Said, type WorkOptions } from './talk.js';

export type { Fields, Said, WorkOptions } from './talk.js';

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
      const state = join(dir, 'state');
      return talk([binary, '--state', state, '--caller-uid', '0', '--store-uid', String(storeUid)], join(state, 'job'), ticketOf(pairs), options);
    },
    close: () => { rmSync(dir, { recursive: true, force: true }); },
  };
}

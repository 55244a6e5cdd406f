import { rmSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import type { Database, OpenOptions } from './database.js';

/** What the thread that checks is given. */
interface CheckOrder {
  readonly kind: 'reeve-check';
  readonly file: string;
  readonly options: OpenOptions;
}

/**
 * Checks the whole database thoroughly (integrity_check and foreign_key_check) on a copy, in a thread of its own: a large one takes seconds, in which hosts must not
 * be kept waiting. Answers what is wrong; undefined: nothing. `entry` is the
 * program's own entry file, which hands checking threads to runCheckThread; without it the caller waits.
 */
export async function checkDatabase(db: Database, order: { copy: string; entry?: string; options: OpenOptions }): Promise<string | undefined> {
  const clear = (): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${order.copy}${suffix}`, { force: true });
  };
  clear();
  try {
    await db.backup(order.copy);
    const { entry } = order;
    if (entry === undefined) return findDamage(order.copy, order.options) || undefined;
    return await new Promise<string | undefined>((resolve, reject) => {
      const worker = new Worker(entry, { workerData: { kind: 'reeve-check', file: order.copy, options: order.options } satisfies CheckOrder });
      worker.once('message', (found: string) => resolve(found === '' ? undefined : found));
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the checking thread ended without an answer')));
    });
  } finally {
    clear();
  }
}

/** In a checking thread: checks and answers, true. Anywhere else: false. */
export function runCheckThread(): boolean {
  const order = workerData as CheckOrder | null;
  if (isMainThread || order?.kind !== 'reeve-check') return false;
  parentPort?.postMessage(findDamage(order.file, order.options));
  return true;
}

/** What is wrong with a database file; empty: nothing. */
export function findDamage(file: string, options: OpenOptions): string {
  let db: Database | undefined;
  try {
    db = new Sqlite(file, { ...options, readonly: true, fileMustExist: true });
    const integrity = db.pragma('integrity_check(3)', { simple: true });
    if (integrity !== 'ok') return String(integrity);
    const orphans = db.pragma('foreign_key_check') as { table: string }[];
    return orphans.length === 0 ? '' : `${String(orphans.length)} rows of ${orphans[0]?.table ?? ''} refer to rows that are not there`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    db?.close();
  }
}

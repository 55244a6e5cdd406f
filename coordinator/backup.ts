import { copyFileSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { reeveError } from '../shared/errors/error.js';
import { openDatabase, type OpenOptions } from './inventory/database.js';
import { jumpCounters } from './inventory/fleet.js';

/** Copies the database while it is in use, by SQLite's backup API, to a temporary file that is synced and renamed. */
export async function backupDatabase(source: string, target: string, options: OpenOptions): Promise<void> {
  if (!existsSync(source)) throw reeveError('NOT_INITIALISED', { value: dirname(source) });
  const db = openDatabase(source, options);
  try {
    await db.backup(`${target}.new`);
  } finally {
    db.close();
  }
  sync(`${target}.new`);
  renameSync(`${target}.new`, target);
  sync(dirname(target));
}

/** Puts a copy back, and raises epoch and generations so that nothing old can be taken for new. The coordinator must be stopped. */
export function restoreDatabase(stateDir: string, source: string, options: OpenOptions): void {
  const target = join(stateDir, 'reeve.db');
  const staged = `${target}.restored`;
  copyFileSync(source, staged);
  const db = openDatabase(staged, options);
  jumpCounters(db);
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
  for (const suffix of ['-wal', '-shm']) rmSync(`${staged}${suffix}`, { force: true });
  sync(staged);
  for (const suffix of ['-wal', '-shm']) rmSync(`${target}${suffix}`, { force: true });
  renameSync(staged, target);
  sync(stateDir);
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

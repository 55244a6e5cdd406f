import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { reeveError } from '../../shared/errors/error.js';
import { version } from '../../shared/kit/version.js';
import { writerOf } from './format.js';
import { migrations } from './migration.js';

/** The open inventory. Only coordinator/inventory says SQL to it. */
export type Database = Sqlite.Database;

/** `REEV` in ASCII: marks the file as ours. */
const applicationId = 0x52454556;

/** Older SQLite can corrupt a WAL database when two connections checkpoint (fixed in 3.51.3). */
const oldestSqlite = [3, 51, 3] as const;

/** Network file systems on which SQLite's locks and fsync cannot be relied on (statfs(2) names, as in /proc/mounts). */
const networkFileSystems = new Set(['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'fuse.sshfs', 'ceph', 'glusterfs', 'fuse.glusterfs', 'afs']);

/** How to open. */
export interface OpenOptions {
  /** The compiled SQLite binding of a package; absent: the one in node_modules. */
  readonly nativeBinding?: string;
}

/**
 * Opens (or makes) the inventory, checks it and brings its schema up to date.
 * Errors: DATABASE_UNSAFE (too old SQLite, network file system, damaged, not ours), DATABASE_NEWER (made by a newer Reeve; not touched).
 */
export function openDatabase(path: string, options: OpenOptions = {}): Database {
  const unsafe = (reason: string, cause?: unknown): Error => reeveError('DATABASE_UNSAFE', { value: path, reason }, { cause });
  const fileSystem = path === ':memory:' ? 'memory' : fileSystemOf(dirname(path));
  if (networkFileSystems.has(fileSystem)) throw unsafe(`it is on a network file system (${fileSystem})`);
  const fresh = path === ':memory:' || !existsSync(path);
  const db = new Sqlite(path, options);
  try {
    checkVersion(db, unsafe);
    setPragmas(db);
    if (!fresh) {
      checkFile(db, unsafe);
      checkSchema(db, path);
    }
    migrate(db, unsafe);
    return db;
  } catch (error) {
    db.close();
    if (error instanceof Sqlite.SqliteError) throw unsafe(error.message, error);
    throw error;
  }
}

/** The settings that acknowledged commits rely on; the library's own default, synchronous=NORMAL in WAL, loses them at a power cut. */
function setPragmas(db: Database): void {
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma('busy_timeout = 5000');
  db.pragma('trusted_schema = OFF');
  db.pragma('cell_size_check = ON');
  db.pragma('journal_size_limit = 67108864');
  db.pragma('secure_delete = ON');
  if (db.pragma('synchronous', { simple: true }) !== 2) throw new Error('synchronous=FULL could not be set');
  if (db.pragma('foreign_keys', { simple: true }) !== 1) throw new Error('foreign_keys=ON could not be set');
}

function checkVersion(db: Database, unsafe: (reason: string) => Error): void {
  const text = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  const parts = text.split('.').map(Number);
  for (const [index, oldest] of oldestSqlite.entries()) {
    const part = parts[index] ?? 0;
    if (part > oldest) return;
    if (part < oldest) throw unsafe(`SQLite ${text} is older than ${oldestSqlite.join('.')}`);
  }
}

function checkFile(db: Database, unsafe: (reason: string) => Error): void {
  const found = db.pragma('application_id', { simple: true });
  const empty = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (found !== applicationId && !empty) throw unsafe('it is not an inventory of Reeve');
  const result = db.pragma('quick_check(1)', { simple: true });
  if (result !== 'ok') throw unsafe(`it is damaged: ${String(result)}`);
}

/** A newer coordinator's schema is not guessed at. Which version that was stands in the file "format" beside the database. */
function checkSchema(db: Database, path: string): void {
  const at = Number(db.pragma('user_version', { simple: true }));
  if (at <= migrations.length) return;
  throw reeveError('DATABASE_NEWER', { value: path, owner: writerOf(dirname(path), at), rule: `it has schema ${String(at)}, reeve-coordinator ${version} knows ${String(migrations.length)}` });
}

/** Applies the steps that are missing, each in a transaction of its own: a kill leaves the step before or the step after. */
export function migrate(db: Database, unsafe: (reason: string) => Error, steps: readonly string[] = migrations): void {
  db.pragma(`application_id = ${String(applicationId)}`);
  const at = Number(db.pragma('user_version', { simple: true }));
  if (at > steps.length) throw unsafe(`it was made by a newer Reeve (schema ${String(at)}, this one knows ${String(steps.length)})`);
  for (const [index, step] of steps.entries()) {
    if (index < at) continue;
    db.transaction(() => {
      db.exec(step);
      db.pragma(`user_version = ${String(index + 1)}`);
    }).immediate();
  }
}

/** The type of the file system a folder is on, from /proc/self/mounts. */
function fileSystemOf(folder: string): string {
  let best = { mount: '', type: 'unknown' };
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, mount = '', type = ''] = line.split(' ');
    const inside = folder === mount || folder.startsWith(mount === '/' ? '/' : `${mount}/`);
    if (inside && mount.length >= best.mount.length) best = { mount, type };
  }
  return best.type;
}

import Sqlite from 'better-sqlite3';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { Logger } from '../../shared/kit/log.js';
import type { Database } from './database.js';
import { noteChange } from './revision.js';

/** Databases that were found damaged, with what is wrong: they are read, and not written any more. */
const damaged = new WeakMap<Database, string>();

/** A check found damage: every write is refused from now on. */
export function refuseWrites(db: Database, reason: string): void {
  damaged.set(db, reason);
}

/** What a check found; undefined: nothing. */
export function damageOf(db: Database): string | undefined {
  return damaged.get(db);
}

/**
 * Runs `work` in one transaction: all of it is durable when this returns, or none of it happened.
 * Errors: AUDIT_UNWRITABLE when the disk refuses, DATABASE_UNSAFE when the database was found damaged.
 */
export function writing<T>(db: Database, work: () => T): T {
  const result = stored(db, work);
  noteChange(db);
  return result;
}

function stored<T>(db: Database, work: () => T): T {
  const reason = damaged.get(db);
  if (reason !== undefined) throw reeveError('DATABASE_UNSAFE', { value: db.name, reason: `it is damaged: ${reason}` });
  return translating(() => db.transaction(work).immediate());
}

/** Errors: AUDIT_UNWRITABLE when the disk refuses. */
function translating<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(?:FULL|IOERR|READONLY)/.test(error.code)) {
      throw reeveError('AUDIT_UNWRITABLE', { where: 'the coordinator', reason: error.message }, { cause: error });
    }
    throw error;
  }
}

/** Whether an error says that the database takes no writes now, or none any more: a state of the machine, and no bug. */
export function isUnwritable(error: unknown): error is ReeveError {
  return error instanceof ReeveError && (error.code === 'AUDIT_UNWRITABLE' || error.code === 'DATABASE_UNSAFE');
}

/**
 * Runs `work` like writing(), for what is done again by itself (what hosts say, forgetting what is old): a database that takes no writes loses it, and that is logged. Who
 * watches is not told; the caller does that where it is worth it. Answers whether it was written.
 */
export function noting(db: Database, log: Logger, work: () => void): boolean {
  try {
    stored(db, work);
    return true;
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    log.warn({ err: error }, 'what was noted could not be stored');
    return false;
  }
}

/** Runs `work` and takes back whatever it wrote: what would be, if. Errors: AUDIT_UNWRITABLE when the disk refuses. */
export function asIf<T>(db: Database, work: () => T): T {
  const rollback = Symbol('rollback');
  let result: { value: T } | undefined;
  try {
    translating(
      db.transaction(() => {
        result = { value: work() };
        throw rollback as unknown as Error;
      }),
    );
  } catch (thrown) {
    if (thrown !== rollback) throw thrown;
  }
  if (result === undefined) throw new Error('asIf has no result');
  return result.value;
}

import Sqlite from 'better-sqlite3';
import { reeveError } from '../../shared/errors/error.js';
import type { Database } from './database.js';

/** Runs `work` in one transaction: all of it is durable when this returns, or none of it happened. Errors: AUDIT_UNWRITABLE when the disk refuses. */
export function writing<T>(db: Database, work: () => T): T {
  try {
    return db.transaction(work).immediate();
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(?:FULL|IOERR|READONLY)/.test(error.code)) {
      throw reeveError('AUDIT_UNWRITABLE', { where: 'the coordinator', reason: error.message }, { cause: error });
    }
    throw error;
  }
}

import type Sqlite from 'better-sqlite3';
import type { Database } from './database.js';

const made = new WeakMap<Database, Map<string, Sqlite.Statement>>();

/** A statement that is compiled once for each open database: for what is run for thousands of hosts in a row. Never one whose text has values in it. */
export function statement(db: Database, sql: string): Sqlite.Statement {
  const known = made.get(db) ?? new Map<string, Sqlite.Statement>();
  made.set(db, known);
  const found = known.get(sql) ?? db.prepare(sql);
  known.set(sql, found);
  return found;
}

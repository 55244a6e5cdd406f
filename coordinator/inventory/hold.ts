import type { Hold } from '../../shared/model/hold.js';
import type { Database } from './database.js';

/** A hold that an operator set on a host. */
export interface HoldRow extends Hold {
  readonly hostId: string;
  readonly untilMs: number;
}

interface Sql {
  host_id: string;
  noun: string;
  until_ms: number;
  by: string;
  reason: string;
  since_ms: number;
}

const fromSql = (row: Sql): HoldRow => ({ hostId: row.host_id, noun: row.noun, untilMs: row.until_ms, by: row.by, reason: row.reason, sinceMs: row.since_ms, local: false });

/** Holds a host or a noun of it; replaces the hold there was. */
export function putHold(db: Database, hold: HoldRow): void {
  db.prepare(
    `INSERT INTO hold (host_id, noun, until_ms, by, reason, since_ms) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms, by = excluded.by, reason = excluded.reason, since_ms = excluded.since_ms`,
  ).run(hold.hostId, hold.noun, hold.untilMs, hold.by, hold.reason, hold.sinceMs);
}

/** The holds of a host that have not ended, sorted by noun. */
export function holdsOf(db: Database, hostId: string, now: number): HoldRow[] {
  return (db.prepare('SELECT * FROM hold WHERE host_id = ? AND until_ms > ? ORDER BY noun').all(hostId, now) as Sql[]).map(fromSql);
}

/** The holds of all hosts that have not ended, sorted by noun. */
export function listHolds(db: Database, now: number): HoldRow[] {
  return (db.prepare('SELECT * FROM hold WHERE until_ms > ? ORDER BY host_id, noun').all(now) as Sql[]).map(fromSql);
}

/** Ends the hold of a noun, or with `undefined` all holds of a host; answers how many there were. */
export function dropHolds(db: Database, hostId: string, noun: string | undefined): number {
  return db.prepare('DELETE FROM hold WHERE host_id = ? AND (? IS NULL OR noun = ?)').run(hostId, noun ?? null, noun ?? null).changes;
}

/** The holds whose time has come. */
export function endedHolds(db: Database, now: number): HoldRow[] {
  return (db.prepare('SELECT * FROM hold WHERE until_ms <= ? ORDER BY host_id, noun').all(now) as Sql[]).map(fromSql);
}

/** When the next hold ends, unix ms; undefined: there is none. */
export function nextHoldEnd(db: Database): number | undefined {
  return (db.prepare('SELECT min(until_ms) FROM hold').pluck().get() as number | null) ?? undefined;
}

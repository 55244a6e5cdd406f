import { reeveError } from '../../shared/errors/error.js';
import type { AlertKind } from '../../shared/model/alert.js';
import type { Label } from '../../shared/model/label.js';
import type { MuteRow } from '../desired/alert.js';
import type { Database } from './database.js';

interface Sql {
  id: number;
  selector: string;
  kinds: string;
  scope: string | null;
  until_ms: number;
  reason: string;
  by: string;
  since_ms: number;
}

const fromSql = (row: Sql): MuteRow => ({
  id: row.id,
  selector: row.selector,
  kinds: JSON.parse(row.kinds) as AlertKind[],
  scope: row.scope === null ? undefined : (JSON.parse(row.scope) as Label[]),
  untilMs: row.until_ms,
  reason: row.reason,
  by: row.by,
  sinceMs: row.since_ms,
});

/** Stores a mute; answers it with its id. */
export function addMute(db: Database, mute: Omit<MuteRow, 'id'>): MuteRow {
  const { lastInsertRowid } = db
    .prepare('INSERT INTO alert_mute (selector, kinds, scope, until_ms, reason, by, since_ms) VALUES (@selector, @kinds, @scope, @untilMs, @reason, @by, @sinceMs)')
    .run({ ...mute, kinds: JSON.stringify(mute.kinds), scope: mute.scope === undefined ? null : JSON.stringify(mute.scope) });
  return { ...mute, id: Number(lastInsertRowid) };
}

/** The mutes that have not ended, the one that ends first first. */
export function listMutes(db: Database, now: number): MuteRow[] {
  return (db.prepare('SELECT * FROM alert_mute WHERE until_ms > ? ORDER BY until_ms, id').all(now) as Sql[]).map(fromSql);
}

/** A mute that has not ended. Errors: ALERT_MUTE_UNKNOWN. */
export function findMute(db: Database, id: number, now: number): MuteRow {
  const row = db.prepare('SELECT * FROM alert_mute WHERE id = ? AND until_ms > ?').get(id, now) as Sql | undefined;
  if (row === undefined) throw reeveError('ALERT_MUTE_UNKNOWN', { value: String(id) });
  return fromSql(row);
}

/** Takes a mute away. */
export function removeMute(db: Database, id: number): void {
  db.prepare('DELETE FROM alert_mute WHERE id = ?').run(id);
}

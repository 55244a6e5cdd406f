import type { AlertKind, AlertSeverity } from '../../shared/model/alert.js';
import type { AlertRow, Cause } from '../desired/alert.js';
import type { Database } from './database.js';
import { statement } from './statement.js';

/** A row of the table. */
export interface AlertSql {
  id: number;
  kind: AlertKind;
  host_id: string | null;
  subject: string;
  severity: AlertSeverity;
  title: string;
  text: string;
  since_ms: number;
  opened_at_ms: number;
  ended_at_ms: number | null;
  folded: string;
}

/** An alert of its row. */
export const alertFromSql = (row: AlertSql): AlertRow => ({
  id: row.id,
  kind: row.kind,
  hostId: row.host_id ?? undefined,
  subject: row.subject,
  severity: row.severity,
  title: row.title,
  text: row.text,
  sinceMs: row.since_ms,
  openedAtMs: row.opened_at_ms,
  endedAtMs: row.ended_at_ms ?? undefined,
  folded: JSON.parse(row.folded) as string[],
});

/** Most characters of what is stored of a cause: hosts have a hand in all of it. */
export const mostAlertText = { subject: 1_400, title: 1_400, text: 4_000 } as const;

const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

/** How long an alert is kept that is over, ms. */
const keptMs = 30 * 86_400_000;

/** Opens an alert; answers its id. The schema lets a cause have one that is open. */
export function openAlert(db: Database, cause: Cause & { readonly sinceMs: number }, now: number): number {
  const insert = statement(db, 'INSERT INTO alert (kind, host_id, subject, severity, title, text, since_ms, opened_at_ms, folded) VALUES (@kind, @hostId, @subject, @severity, @title, @text, @sinceMs, @now, @folded)');
  const { lastInsertRowid } = insert.run({
    kind: cause.kind, hostId: cause.hostId ?? null, subject: cause.subject, severity: cause.severity, sinceMs: cause.sinceMs, now,
    title: cut(cause.title, mostAlertText.title), text: cut(cause.text, mostAlertText.text), folded: JSON.stringify(cause.folded),
  });
  return Number(lastInsertRowid);
}

/** Stores how the cause of an open alert is now. */
export function updateAlert(db: Database, id: number, cause: Pick<Cause, 'severity' | 'title' | 'text' | 'folded'>): void {
  const { severity, folded } = cause;
  statement(db, 'UPDATE alert SET severity = ?, title = ?, text = ?, folded = ? WHERE id = ?').run(severity, cut(cause.title, mostAlertText.title), cut(cause.text, mostAlertText.text), JSON.stringify(folded), id);
}

/** Ends an alert. */
export function endAlert(db: Database, id: number, now: number): void {
  statement(db, 'UPDATE alert SET ended_at_ms = ? WHERE id = ? AND ended_at_ms IS NULL').run(now, id);
}

/** The alerts that are open. */
export function openAlerts(db: Database): AlertRow[] {
  return (db.prepare('SELECT * FROM alert WHERE ended_at_ms IS NULL ORDER BY id').all() as AlertSql[]).map(alertFromSql);
}

/** Alerts that are over and of which somebody has heard, or may have, that does not know yet. */
export function endedToTell(db: Database): AlertRow[] {
  const rows = db
    .prepare(
      `SELECT DISTINCT alert.* FROM alert JOIN alert_item AS opening ON opening.alert_id = alert.id AND opening.what = 'open'
       WHERE ended_at_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM alert_item AS ending WHERE ending.alert_id = alert.id AND ending.route_id = opening.route_id AND ending.what = 'end')
       ORDER BY alert.id`,
    )
    .all() as AlertSql[];
  return rows.map(alertFromSql);
}

/** The alerts of a list: open ones first, worst first, then the latest first. */
export function listAlerts(db: Database, of: { readonly ended: boolean }): AlertRow[] {
  const rows = db
    .prepare(
      `SELECT * FROM alert WHERE ended_at_ms IS NULL OR ?
       ORDER BY ended_at_ms IS NOT NULL, CASE WHEN ended_at_ms IS NOT NULL THEN 0 WHEN severity = 'error' THEN 0 WHEN severity = 'warning' THEN 1 ELSE 2 END, ifnull(ended_at_ms, opened_at_ms) DESC, id DESC`,
    )
    .all(of.ended ? 1 : 0) as AlertSql[];
  return rows.map(alertFromSql);
}

/** By how many routes the opening of each of these alerts was told. */
export function toldCounts(db: Database): ReadonlyMap<number, number> {
  const rows = db
    .prepare(`SELECT alert_id AS id, count(*) AS told FROM alert_item JOIN alert_message AS message ON message.id = message_id WHERE what = 'open' AND sent_at_ms IS NOT NULL GROUP BY alert_id`)
    .all() as { id: number; told: number }[];
  return new Map(rows.map(({ id, told }) => [id, told]));
}

/** Forgets alerts that are over for 30 days, and the messages that had nothing else. */
export function tidyAlerts(db: Database, now: number): void {
  db.prepare('DELETE FROM alert WHERE ended_at_ms < ?').run(now - keptMs);
  db.prepare('DELETE FROM alert_message WHERE made_at_ms < ? AND NOT EXISTS (SELECT 1 FROM alert_item WHERE message_id = alert_message.id)').run(now - keptMs);
  db.prepare('DELETE FROM alert_mute WHERE until_ms < ?').run(now - keptMs);
}

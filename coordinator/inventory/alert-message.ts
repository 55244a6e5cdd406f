import type { AlertRow, ItemKind, ItemRow, MessageRow } from '../desired/alert.js';
import { alertFromSql, type AlertSql } from './alert.js';
import type { Database } from './database.js';
import { statement } from './statement.js';

interface ItemSql {
  id: number;
  alert_id: number;
  route_id: number;
  what: ItemKind;
  owed_at_ms: number;
  message_id: string | null;
  attempts: number | null;
  sent_at_ms: number | null;
  dropped_at_ms: number | null;
}

interface MessageSql {
  id: string;
  route_id: number;
  made_at_ms: number;
  attempts: number;
  next_at_ms: number;
}

const itemFromSql = (row: ItemSql): ItemRow => ({
  id: row.id,
  alertId: row.alert_id,
  routeId: row.route_id,
  what: row.what,
  owedAtMs: row.owed_at_ms,
  message: row.message_id === null ? undefined : { id: row.message_id, tried: (row.attempts ?? 0) > 0, sentAtMs: row.sent_at_ms ?? undefined, dropped: row.dropped_at_ms !== null },
});

const messageFromSql = (row: MessageSql): MessageRow => ({ id: row.id, routeId: row.route_id, madeAtMs: row.made_at_ms, attempts: row.attempts, nextAtMs: row.next_at_ms });

const items = 'SELECT alert_item.*, attempts, sent_at_ms, dropped_at_ms FROM alert_item LEFT JOIN alert_message AS message ON message.id = message_id';

/** What is told, or to be told, of alerts that are open, or over without that being told. */
export function listItems(db: Database): ItemRow[] {
  const rows = db
    .prepare(
      `${items} JOIN alert ON alert.id = alert_id
       WHERE ended_at_ms IS NULL OR message_id IS NULL OR NOT EXISTS (SELECT 1 FROM alert_item AS ending WHERE ending.alert_id = alert.id AND ending.route_id = alert_item.route_id AND ending.what = 'end')
       ORDER BY alert_item.id`,
    )
    .all() as ItemSql[];
  return rows.map(itemFromSql);
}

/** Something is to be told. */
export function addItem(db: Database, item: Pick<ItemRow, 'alertId' | 'routeId' | 'what' | 'owedAtMs'>): void {
  statement(db, 'INSERT INTO alert_item (alert_id, route_id, what, owed_at_ms) VALUES (@alertId, @routeId, @what, @owedAtMs)').run(item);
}

/** Something is not to be told any more. */
export function dropItem(db: Database, id: number): void {
  statement(db, 'DELETE FROM alert_item WHERE id = ?').run(id);
}

/** Puts all that waits on a route into a new message; answers how many it has. */
export function addMessage(db: Database, message: Pick<MessageRow, 'id' | 'routeId' | 'madeAtMs'>, most: number): number {
  db.prepare('INSERT INTO alert_message (id, route_id, made_at_ms, next_at_ms) VALUES (@id, @routeId, @madeAtMs, @madeAtMs)').run(message);
  return db
    .prepare('UPDATE alert_item SET message_id = @id WHERE id IN (SELECT id FROM alert_item WHERE route_id = @routeId AND message_id IS NULL ORDER BY id LIMIT @most)')
    .run({ id: message.id, routeId: message.routeId, most }).changes;
}

/** Routes that have something to tell which no message has. */
export function waitingRoutes(db: Database): number[] {
  return db.prepare('SELECT DISTINCT route_id FROM alert_item WHERE message_id IS NULL ORDER BY route_id').pluck().all() as number[];
}

/** When the last message of a route was made, unix ms; undefined: there was none. */
export function lastMessageAt(db: Database, routeId: number): number | undefined {
  return (db.prepare('SELECT max(made_at_ms) FROM alert_message WHERE route_id = ?').pluck().get(routeId) as number | null) ?? undefined;
}

/** The messages that are still to be sent: at most one of a route. */
export function owedMessages(db: Database): MessageRow[] {
  return (db.prepare('SELECT * FROM alert_message WHERE sent_at_ms IS NULL AND dropped_at_ms IS NULL ORDER BY made_at_ms, id').all() as MessageSql[]).map(messageFromSql);
}

/** What a message tells, with the message that told the opening of each; in the order in which it was owed. */
export function messageItems(db: Database, messageId: string): { readonly what: ItemKind; readonly alert: AlertRow; readonly openedIn: string | undefined }[] {
  const rows = db
    .prepare(
      `SELECT alert.*, item.what, opening.message_id AS opened_in FROM alert_item AS item JOIN alert ON alert.id = item.alert_id
       LEFT JOIN alert_item AS opening ON opening.alert_id = item.alert_id AND opening.route_id = item.route_id AND opening.what = 'open'
       WHERE item.message_id = ? ORDER BY item.id`,
    )
    .all(messageId) as (AlertSql & { what: ItemKind; opened_in: string | null })[];
  return rows.map((row) => ({ what: row.what, alert: alertFromSql(row), openedIn: row.opened_in ?? undefined }));
}

/** A message is about to be sent; the next try is not before `nextAtMs`. */
export function beginAttempt(db: Database, id: string, nextAtMs: number): void {
  db.prepare('UPDATE alert_message SET attempts = attempts + 1, next_at_ms = ? WHERE id = ?').run(nextAtMs, id);
}

/** A message was sent. */
export function noteSent(db: Database, id: string, now: number): void {
  db.prepare(`UPDATE alert_message SET sent_at_ms = ?, problem = '' WHERE id = ?`).run(now, id);
}

/** A try failed; with `droppedAtMs` it is not tried again. */
export function noteFailed(db: Database, id: string, failed: { readonly problem: string; readonly nextAtMs: number; readonly droppedAtMs: number | undefined }): void {
  db.prepare('UPDATE alert_message SET problem = ?, next_at_ms = ?, dropped_at_ms = ? WHERE id = ?').run(failed.problem.slice(0, 1000), failed.nextAtMs, failed.droppedAtMs ?? null, id);
}

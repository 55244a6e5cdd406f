import { reeveError } from '../../shared/errors/error.js';
import type { AlertKind, AlertSeverity, AlertTarget } from '../../shared/model/alert.js';
import type { RouteRow } from '../desired/alert.js';
import type { Database } from './database.js';

interface Sql {
  id: number;
  person: string | null;
  webhook: string | null;
  hook: string | null;
  kinds: string;
  severity: AlertSeverity;
  selector: string;
  remind: number;
  by: string;
  added_at_ms: number;
}

function targetOf(row: Sql): AlertTarget {
  if (row.person !== null) return { way: 'mail', person: row.person };
  return row.webhook !== null ? { way: 'webhook', url: row.webhook } : { way: 'hook', hook: row.hook ?? '' };
}

const fromSql = (row: Sql): RouteRow => ({
  id: row.id,
  target: targetOf(row),
  kinds: JSON.parse(row.kinds) as AlertKind[],
  severity: row.severity,
  selector: row.selector,
  remind: row.remind === 1,
  by: row.by,
  addedAtMs: row.added_at_ms,
});

/** Most routes that there may be. */
export const mostRoutes = 200;

/** Stores a route; answers it with its id. Errors: FIELD_INVALID (too many). */
export function addRoute(db: Database, route: Omit<RouteRow, 'id'>): RouteRow {
  if (listRoutes(db).length >= mostRoutes) throw reeveError('FIELD_INVALID', { field: 'route', value: String(mostRoutes + 1), rule: `at most ${String(mostRoutes)} routes` });
  const { target } = route;
  const { lastInsertRowid } = db
    .prepare('INSERT INTO alert_route (person, webhook, hook, kinds, severity, selector, remind, by, added_at_ms) VALUES (@person, @webhook, @hook, @kinds, @severity, @selector, @remind, @by, @addedAtMs)')
    .run({
      person: target.way === 'mail' ? target.person : null, webhook: target.way === 'webhook' ? target.url : null, hook: target.way === 'hook' ? target.hook : null,
      kinds: JSON.stringify(route.kinds), severity: route.severity, selector: route.selector, remind: route.remind ? 1 : 0, by: route.by, addedAtMs: route.addedAtMs,
    });
  return { ...route, id: Number(lastInsertRowid) };
}

/** All routes, by id. */
export function listRoutes(db: Database): RouteRow[] {
  return (db.prepare('SELECT * FROM alert_route ORDER BY id').all() as Sql[]).map(fromSql);
}

/** A route by id. Errors: ALERT_ROUTE_UNKNOWN. */
export function findRoute(db: Database, id: number): RouteRow {
  const row = db.prepare('SELECT * FROM alert_route WHERE id = ?').get(id) as Sql | undefined;
  if (row === undefined) throw reeveError('ALERT_ROUTE_UNKNOWN', { value: String(id) });
  return fromSql(row);
}

/** Takes a route away, with what it still owes. */
export function removeRoute(db: Database, id: number): void {
  db.prepare('DELETE FROM alert_route WHERE id = ?').run(id);
}

/** How sending by a route goes. */
export interface RouteState {
  /** When a message was sent last, unix ms; undefined: never. */
  readonly sentAtMs: number | undefined;
  /** Why the last try failed; empty: it did not. */
  readonly problem: string;
  /** When the first try of the message failed that the problem is about, about; undefined: there is no problem. */
  readonly problemSinceMs: number | undefined;
  /** Alerts of which something is still to be told. */
  readonly owed: number;
}

/** How sending by a route goes. */
export function routeState(db: Database, id: number): RouteState {
  const sent = db.prepare('SELECT max(sent_at_ms) FROM alert_message WHERE route_id = ?').pluck().get(id) as number | null;
  const last = db.prepare('SELECT problem, made_at_ms FROM alert_message WHERE route_id = ? ORDER BY made_at_ms DESC, id DESC LIMIT 1').get(id) as { problem: string; made_at_ms: number } | undefined;
  const owed = db
    .prepare(
      `SELECT count(DISTINCT alert_id) FROM alert_item LEFT JOIN alert_message AS message ON message.id = message_id
       WHERE alert_item.route_id = ? AND (message_id IS NULL OR (sent_at_ms IS NULL AND dropped_at_ms IS NULL))`,
    )
    .pluck()
    .get(id) as number;
  const problem = last?.problem ?? '';
  return { sentAtMs: sent ?? undefined, problem, problemSinceMs: problem === '' ? undefined : last?.made_at_ms, owed };
}

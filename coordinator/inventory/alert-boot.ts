import type { Database } from './database.js';

/** A start of a host that nobody had announced. */
export interface RebootRow {
  readonly hostId: string;
  /** When it was seen, unix ms. */
  readonly atMs: number;
}

/** How long starts are kept, ms; of each host the last one stays. */
const keptMs = 7 * 86_400_000;

/** The boot id that was last seen of each host. */
export function lastBoots(db: Database): ReadonlyMap<string, string> {
  const rows = db.prepare('SELECT host_id AS hostId, boot_id AS bootId, max(seen_at_ms) FROM alert_boot GROUP BY host_id').all() as { hostId: string; bootId: string }[];
  return new Map(rows.map(({ hostId, bootId }) => [hostId, bootId]));
}

/** Notes that a host runs under another boot id; `told`: it is worth an alert. */
export function addBoot(db: Database, boot: { readonly hostId: string; readonly bootId: string; readonly now: number; readonly told: boolean }): void {
  db.prepare('INSERT INTO alert_boot VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen_at_ms = excluded.seen_at_ms').run(boot.hostId, boot.bootId, boot.now, boot.told ? 1 : 0);
}

/** The starts since a time that are worth an alert, the oldest first. */
export function rebootsSince(db: Database, sinceMs: number): RebootRow[] {
  return db.prepare('SELECT host_id AS hostId, seen_at_ms AS atMs FROM alert_boot WHERE told = 1 AND seen_at_ms >= ? ORDER BY seen_at_ms').all(sinceMs) as RebootRow[];
}

/** Forgets old starts. */
export function tidyBoots(db: Database, now: number): void {
  db.prepare('DELETE FROM alert_boot WHERE seen_at_ms < @old AND EXISTS (SELECT 1 FROM alert_boot AS later WHERE later.host_id = alert_boot.host_id AND later.seen_at_ms > alert_boot.seen_at_ms)').run({ old: now - keptMs });
}

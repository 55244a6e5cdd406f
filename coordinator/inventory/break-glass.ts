import type { Database } from './database.js';

/**
 * Fingerprints (hex, sorted) of the break-glass keys of a host. They let nobody in by themselves: they say which of the keys that do is not to be the last
 * one taken away. They stay when a key is taken out of the inventory, so that this is asked then.
 */
export function breakGlassOf(db: Database, hostId: string): string[] {
  return db.prepare('SELECT fingerprint FROM break_glass WHERE host_id = ? ORDER BY fingerprint').pluck().all(hostId) as string[];
}

/** Makes a key a break-glass key of a host; false when it is one. */
export function addBreakGlass(db: Database, hostId: string, fingerprint: string, now: number): boolean {
  return db.prepare('INSERT INTO break_glass VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(hostId, fingerprint, now).changes > 0;
}

/** A key is no break-glass key of a host any more; false when it was none. */
export function removeBreakGlass(db: Database, hostId: string, fingerprint: string): boolean {
  return db.prepare('DELETE FROM break_glass WHERE host_id = ? AND fingerprint = ?').run(hostId, fingerprint).changes > 0;
}

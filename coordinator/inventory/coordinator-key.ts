import type { Database } from './database.js';

/** Notes a key that the coordinator has a certificate for. */
export function noteCoordinatorKey(db: Database, fingerprint: string, notAfterMs: number): void {
  db.prepare('INSERT INTO coordinator_key (fingerprint, not_after_ms) VALUES (?, ?) ON CONFLICT DO NOTHING').run(fingerprint, notAfterMs);
}

/** Denies all keys of the coordinator but the one in use, and counts the list's version up. */
export function denyOtherCoordinatorKeys(db: Database, inUse: string): void {
  db.prepare('UPDATE coordinator_key SET denied = 1 WHERE fingerprint <> ?').run(inUse);
  db.prepare('UPDATE fleet SET deny_version = deny_version + 1').run();
}

/** The denied keys, sorted. */
export function deniedCoordinatorKeys(db: Database): { key: string; notAfterMs: number }[] {
  return db.prepare('SELECT fingerprint AS key, not_after_ms AS notAfterMs FROM coordinator_key WHERE denied = 1 ORDER BY fingerprint').all() as { key: string; notAfterMs: number }[];
}

/** A day, ms: how long a key is remembered beyond the end of its certificate. */
const keepAfterEndMs = 86_400_000;

/** Forgets keys whose certificate ended more than a day ago, never one that is still valid. */
export function tidyCoordinatorKeys(db: Database, now: number): void {
  db.prepare('DELETE FROM coordinator_key WHERE not_after_ms + ? < ?').run(keepAfterEndMs, now);
}

import type { RemovedKey } from '../../shared/model/manifest.js';
import type { Database } from './database.js';
import { statement } from './statement.js';

/** What is to become of keys that are taken away by name. */
export interface Removal {
  /** They are taken out of users' own files too. */
  readonly purge: boolean;
  /** Sessions that they opened are ended. */
  readonly endSessions: boolean;
  /** Fingerprints (hex) that are named also where they let nobody in, as far as Reeve knows. */
  readonly also?: readonly string[];
}

interface Sql {
  fingerprint: string;
  purge: number;
  end_sessions: number;
}

/** The keys that a host is told were taken away, sorted by fingerprint. */
export function removedKeysOf(db: Database, hostId: string): RemovedKey[] {
  const rows = statement(db, 'SELECT fingerprint, purge, end_sessions FROM key_removed WHERE host_id = ? ORDER BY fingerprint').all(hostId) as Sql[];
  return rows.map((row) => ({ fingerprint: row.fingerprint, purge: row.purge === 1, endSessions: row.end_sessions === 1 }));
}

/**
 * Before a host is told something new: forgets what it has acknowledged (a manifest of one version never changes, so not earlier), and does not purge what is
 * wanted again.
 */
export function tidyRemoved(db: Database, hostId: string, wanted: ReadonlySet<string>): void {
  statement(db, `DELETE FROM key_removed WHERE host_id = ? AND generation <= (SELECT applied FROM generation WHERE host_id = key_removed.host_id AND noun = 'key')`).run(hostId);
  const keep = statement(db, 'UPDATE key_removed SET purge = 0, end_sessions = 0 WHERE host_id = ? AND fingerprint = ?');
  for (const { fingerprint, purge, endSessions } of removedKeysOf(db, hostId)) {
    if ((purge || endSessions) && wanted.has(fingerprint)) keep.run(hostId, fingerprint);
  }
}

/** Notes keys that are taken away with this generation. What was to be done with one already stays to be done. */
export function addRemoved(db: Database, hostId: string, keys: readonly RemovedKey[], generation: number): void {
  const put = statement(db, 
    `INSERT INTO key_removed VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET purge = max(purge, excluded.purge), end_sessions = max(end_sessions, excluded.end_sessions), generation = excluded.generation`,
  );
  for (const key of keys) put.run(hostId, key.fingerprint, key.purge ? 1 : 0, key.endSessions ? 1 : 0, generation);
}

import type { Database } from './database.js';

/** A key that a host has, or had, a certificate for. */
export interface HostKey {
  /** sha256 of the public key (SubjectPublicKeyInfo, DER), hex. */
  readonly fingerprint: string;
  readonly hostId: string;
  readonly publicKey: Buffer;
  /** staged: issued by a renewal, not used yet. current: in use. old: replaced. revoked: refused for ever. */
  readonly state: 'staged' | 'current' | 'old' | 'revoked';
  readonly notAfterMs: number;
}

interface Sql {
  fingerprint: string;
  host_id: string;
  public_key: Buffer;
  state: HostKey['state'];
  not_after_ms: number;
}

const fromSql = (row: Sql): HostKey => ({
  fingerprint: row.fingerprint,
  hostId: row.host_id,
  publicKey: row.public_key,
  state: row.state,
  notAfterMs: row.not_after_ms,
});

/** A host's key by fingerprint. */
export function getHostKey(db: Database, fingerprint: string): HostKey | undefined {
  const row = db.prepare('SELECT * FROM host_key WHERE fingerprint = ?').get(fingerprint) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** The key a host uses now; undefined: none. */
export function currentKey(db: Database, hostId: string): HostKey | undefined {
  const row = db.prepare(`SELECT * FROM host_key WHERE host_id = ? AND state = 'current'`).get(hostId) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Adds the key of a host's new certificate. */
export function addHostKey(db: Database, key: HostKey & { issuedAtMs: number }): void {
  db.prepare('INSERT INTO host_key VALUES (?, ?, ?, ?, ?, ?)').run(key.fingerprint, key.hostId, key.publicKey, key.state, key.issuedAtMs, key.notAfterMs);
}

/** A staged key was used: it becomes the current one, and the one before it is old. */
export function promoteKey(db: Database, key: HostKey): void {
  db.transaction(() => {
    db.prepare(`UPDATE host_key SET state = 'old' WHERE host_id = ? AND (state = 'current' OR state = 'staged') AND fingerprint <> ?`).run(key.hostId, key.fingerprint);
    db.prepare(`UPDATE host_key SET state = 'current' WHERE fingerprint = ?`).run(key.fingerprint);
  })();
}

/** Keys that were staged by earlier renewals and never used are replaced by the next renewal. */
export function dropStagedKeys(db: Database, hostId: string): void {
  db.prepare(`UPDATE host_key SET state = 'old' WHERE host_id = ? AND state = 'staged'`).run(hostId);
}

/** Revokes all keys a host ever had. */
export function revokeKeys(db: Database, hostId: string): void {
  db.prepare(`UPDATE host_key SET state = 'revoked' WHERE host_id = ?`).run(hostId);
}

/** A day, ms: how long a key is remembered beyond the end of its certificate. */
const keepAfterEndMs = 86_400_000;

/** Forgets replaced and revoked keys whose certificate ended more than a day ago. Never one that is still valid; never a host's current key. */
export function tidyKeys(db: Database, now: number): number {
  return db.prepare(`DELETE FROM host_key WHERE state IN ('old', 'revoked') AND not_after_ms + ? < ?`).run(keepAfterEndMs, now).changes;
}

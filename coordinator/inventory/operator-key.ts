import type { Database } from './database.js';

/** A key that an operator has, or had, a certificate for. */
export interface OperatorKey {
  /** sha256 of the public key (SubjectPublicKeyInfo, DER), hex. */
  readonly fingerprint: string;
  readonly operator: string;
  /** Id of the login: one machine's chain of certificates, each the renewal of the one before. */
  readonly login: string;
  /** staged: issued by a renewal, not used yet. current: in use. old: replaced. revoked: refused for ever. */
  readonly state: 'staged' | 'current' | 'old' | 'revoked';
  /** When the login began, unix ms. */
  readonly loginAtMs: number;
  readonly notAfterMs: number;
}

interface Sql {
  fingerprint: string;
  operator: string;
  login: string;
  state: OperatorKey['state'];
  login_at_ms: number;
  not_after_ms: number;
}

const fromSql = (row: Sql): OperatorKey => ({
  fingerprint: row.fingerprint,
  operator: row.operator,
  login: row.login,
  state: row.state,
  loginAtMs: row.login_at_ms,
  notAfterMs: row.not_after_ms,
});

/** An operator's key by fingerprint. */
export function getOperatorKey(db: Database, fingerprint: string): OperatorKey | undefined {
  const row = db.prepare('SELECT * FROM operator_key WHERE fingerprint = ?').get(fingerprint) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Adds the key of an operator's new certificate. */
export function addOperatorKey(db: Database, key: OperatorKey): void {
  db.prepare('INSERT INTO operator_key VALUES (?, ?, ?, ?, ?, ?)').run(key.fingerprint, key.operator, key.login, key.state, key.loginAtMs, key.notAfterMs);
}

/** A staged key was used: it becomes the current one of its login, and all others of that login are old. */
export function promoteOperatorKey(db: Database, key: OperatorKey): void {
  db.prepare(`UPDATE operator_key SET state = 'old' WHERE login = ? AND state IN ('staged', 'current') AND fingerprint <> ?`).run(key.login, key.fingerprint);
  db.prepare(`UPDATE operator_key SET state = 'current' WHERE fingerprint = ? AND state = 'staged'`).run(key.fingerprint);
}

/** Revokes all keys an operator ever had. Answers how many logins were good until now. */
export function revokeOperatorKeys(db: Database, operator: string, now: number): number {
  const good = loginsOf(db, operator, now).length;
  db.prepare(`UPDATE operator_key SET state = 'revoked' WHERE operator = ?`).run(operator);
  return good;
}

/** The logins of an operator that are good now, oldest first: of each the key that ends last. */
export function loginsOf(db: Database, operator: string, now: number): { sinceMs: number; notAfterMs: number }[] {
  return db
    .prepare(
      `SELECT login_at_ms AS sinceMs, max(not_after_ms) AS notAfterMs FROM operator_key
       WHERE operator = ? AND state IN ('staged', 'current') AND not_after_ms > ? GROUP BY login ORDER BY login_at_ms, login`,
    )
    .all(operator, now) as { sinceMs: number; notAfterMs: number }[];
}

/** A day, ms: how long a key is remembered beyond the end of its certificate. */
const keepAfterEndMs = 86_400_000;

/** Forgets keys whose certificate ended more than a day ago, whatever their state: an operator's expired key is good for nothing. Never one that is still valid. */
export function tidyOperatorKeys(db: Database, now: number): number {
  return db.prepare('DELETE FROM operator_key WHERE not_after_ms + ? < ?').run(keepAfterEndMs, now).changes;
}

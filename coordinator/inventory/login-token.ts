import type { Database } from './database.js';

/** Stores the hash of a new login token; unused older ones of the operator are void. */
export function addLoginToken(db: Database, token: { hash: Buffer; operator: string; now: number; expiresAtMs: number }): void {
  voidLoginTokens(db, token.operator);
  db.prepare('INSERT INTO login_token (hash, operator, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?)').run(token.hash, token.operator, token.now, token.expiresAtMs);
}

/** Unused login tokens of an operator are good for nothing any more. */
export function voidLoginTokens(db: Database, operator: string): void {
  db.prepare('DELETE FROM login_token WHERE operator = ? AND used_at_ms IS NULL').run(operator);
}

/** Spends a token: the name of its operator, or undefined when it is unknown, used or too old. Exactly one of many parallel callers gets it. */
export function spendLoginToken(db: Database, hash: Buffer, now: number): string | undefined {
  return db.prepare('UPDATE login_token SET used_at_ms = ? WHERE hash = ? AND used_at_ms IS NULL AND expires_at_ms > ? RETURNING operator').pluck().get(now, hash, now) as string | undefined;
}

/** Forgets tokens that ended more than a day ago. */
export function tidyLoginTokens(db: Database, now: number): void {
  db.prepare('DELETE FROM login_token WHERE expires_at_ms < ?').run(now - 86_400_000);
}

import type { Database } from './database.js';

/** Stores the hash of a new join token; unused older ones of the host are void. */
export function addToken(db: Database, token: { hash: Buffer; hostId: string; now: number; expiresAtMs: number }): void {
  voidTokens(db, token.hostId);
  db.prepare('INSERT INTO join_token (hash, host_id, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?)').run(token.hash, token.hostId, token.now, token.expiresAtMs);
}

/** Unused tokens of a host are good for nothing any more. */
export function voidTokens(db: Database, hostId: string): void {
  db.prepare('DELETE FROM join_token WHERE host_id = ? AND used_at_ms IS NULL').run(hostId);
}

/** Spends a token: the id of its host, or undefined when it is unknown, used or too old. Exactly one of many parallel callers gets it. */
export function spendToken(db: Database, hash: Buffer, now: number): string | undefined {
  return db.prepare('UPDATE join_token SET used_at_ms = ? WHERE hash = ? AND used_at_ms IS NULL AND expires_at_ms > ? RETURNING host_id').pluck().get(now, hash, now) as string | undefined;
}

/** Forgets tokens that ended more than a day ago. */
export function tidyTokens(db: Database, now: number): void {
  db.prepare('DELETE FROM join_token WHERE expires_at_ms < ?').run(now - 86_400_000);
}

import type { Database } from './database.js';

/** What should be and what is, for one noun of one host. */
export interface Generation {
  readonly hostId: string;
  readonly noun: string;
  /** Generation that should be. */
  readonly wanted: number;
  /** Generation that the host applied last; 0: none. */
  readonly applied: number;
  /** Digest after that. */
  readonly appliedDigest: Buffer | undefined;
  /** Digest the host reported last. */
  readonly observedDigest: Buffer | undefined;
  /** Why it is pending; empty when it is not. */
  readonly reason: string;
  /** Since when it is as it is. */
  readonly sinceMs: number;
  /** Whether what should be is that the host lets go of it; what was wanted of it before is forgotten when it has. */
  readonly released: boolean;
  /** The generation that the host took back because it could not be confirmed; 0: none. It is sent again only when somebody asks for it. */
  readonly reverted: number;
}

interface Sql {
  host_id: string;
  noun: string;
  wanted: number;
  applied: number;
  applied_digest: Buffer | null;
  observed_digest: Buffer | null;
  reason: string;
  since_ms: number;
  released: number;
  reverted: number;
}

const fromSql = (row: Sql): Generation => ({
  hostId: row.host_id,
  noun: row.noun,
  wanted: row.wanted,
  applied: row.applied,
  appliedDigest: row.applied_digest ?? undefined,
  observedDigest: row.observed_digest ?? undefined,
  reason: row.reason,
  sinceMs: row.since_ms,
  released: row.released === 1,
  reverted: row.reverted,
});

/** All nouns of a host that were ever wanted, sorted. */
export function generationsOf(db: Database, hostId: string): Generation[] {
  return (db.prepare('SELECT * FROM generation WHERE host_id = ? ORDER BY noun').all(hostId) as Sql[]).map(fromSql);
}

/** One noun of a host. */
export function getGeneration(db: Database, hostId: string, noun: string): Generation | undefined {
  const row = db.prepare('SELECT * FROM generation WHERE host_id = ? AND noun = ?').get(hostId, noun) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** What hosts still have to be told. */
export function listPending(db: Database): Generation[] {
  return (db.prepare('SELECT * FROM generation WHERE applied < wanted').all() as Sql[]).map(fromSql);
}

/** Whether a host still owes what was altered at a generation of its noun, or is to let go of the noun and has not. */
export function isOwed(generation: Generation | undefined, altered: number): generation is Generation {
  return generation !== undefined && (altered > generation.applied || (generation.released && generation.applied < generation.wanted));
}

/** Nouns that are not as they were applied. */
export function listDrift(db: Database): Generation[] {
  const where = 'applied = wanted AND applied_digest IS NOT NULL AND observed_digest IS NOT applied_digest';
  return (db.prepare(`SELECT * FROM generation WHERE ${where}`).all() as Sql[]).map(fromSql);
}

/** Something else is wanted of a noun, or that the host lets go of it: the next generation, answered. */
export function raiseGeneration(db: Database, next: { hostId: string; noun: string; now: number; released: boolean }): number {
  return db
    .prepare(
      `INSERT INTO generation (host_id, noun, wanted, since_ms, released) VALUES (?, ?, 1, ?, ?)
       ON CONFLICT DO UPDATE SET wanted = wanted + 1, released = excluded.released, since_ms = CASE WHEN applied < wanted THEN since_ms ELSE excluded.since_ms END
       RETURNING wanted`,
    )
    .pluck()
    .get(next.hostId, next.noun, next.now, next.released ? 1 : 0) as number;
}

/** Nothing is wanted of a noun any more, and nothing is known of it. */
export function dropGeneration(db: Database, hostId: string, noun: string): void {
  db.prepare('DELETE FROM generation WHERE host_id = ? AND noun = ?').run(hostId, noun);
}

/** A host applied a generation. A generation older than one it applied before changes nothing. */
export function setApplied(db: Database, applied: { hostId: string; noun: string; generation: number; digest: Buffer; now: number }): void {
  db.prepare(
    `UPDATE generation SET applied = ?, applied_digest = ?, observed_digest = ?, reason = '', since_ms = ? WHERE host_id = ? AND noun = ? AND applied <= ? AND wanted >= ?`,
  ).run(applied.generation, applied.digest, applied.digest, applied.now, applied.hostId, applied.noun, applied.generation, applied.generation);
}

/** Why a noun is still pending. */
export function setPendingReason(db: Database, hostId: string, noun: string, reason: string): void {
  db.prepare('UPDATE generation SET reason = ? WHERE host_id = ? AND noun = ? AND applied < wanted').run(reason, hostId, noun);
}

/** A host took a generation back because it could not be confirmed, or failed to make it. */
export function setReverted(db: Database, reverted: { hostId: string; noun: string; generation: number }): void {
  db.prepare('UPDATE generation SET reverted = ? WHERE host_id = ? AND noun = ? AND applied < ?').run(reverted.generation, reverted.hostId, reverted.noun, reverted.generation);
}

/** The digest a host reported. Writes only when it is another; answers whether it is. */
export function setObserved(db: Database, observed: { hostId: string; noun: string; digest: Buffer; now: number }): boolean {
  const { changes } = db.prepare('UPDATE generation SET observed_digest = ?, since_ms = ? WHERE host_id = ? AND noun = ? AND observed_digest IS NOT ?').run(
    observed.digest,
    observed.now,
    observed.hostId,
    observed.noun,
    observed.digest,
  );
  return changes > 0;
}

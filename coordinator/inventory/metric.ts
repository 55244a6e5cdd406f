import type { Database } from './database.js';

/** Stores the hash of a new token of the metrics listener; the one before is good for nothing any more. */
export function setMetricToken(db: Database, token: { hash: Buffer; now: number }): void {
  db.prepare('INSERT INTO metric_token VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET hash = excluded.hash, made_at_ms = excluded.made_at_ms').run(token.hash, token.now);
}

/** Hash of the token; undefined: there is none. */
export function metricTokenHash(db: Database): Buffer | undefined {
  return db.prepare('SELECT hash FROM metric_token').pluck().get() as Buffer | undefined;
}

/** Forgets the token; answers whether there was one. */
export function dropMetricToken(db: Database): boolean {
  return db.prepare('DELETE FROM metric_token').run().changes > 0;
}

/** How many nouns of a host are not as they should be, and since when the first of them, unix ms. */
export interface NounCount {
  readonly count: number;
  readonly sinceMs: number;
}

/** Nouns that hosts have not applied yet, and those that have drifted, by host; as of listPending and listDrift. */
export function countNouns(db: Database): { readonly pending: ReadonlyMap<string, NounCount>; readonly drifted: ReadonlyMap<string, NounCount> } {
  const counted = (where: string): ReadonlyMap<string, NounCount> => {
    const rows = db.prepare(`SELECT host_id AS hostId, count(*) AS count, min(since_ms) AS sinceMs FROM generation WHERE ${where} GROUP BY host_id`).all() as (NounCount & { hostId: string })[];
    return new Map(rows.map(({ hostId, ...row }) => [hostId, row]));
  };
  return { pending: counted('applied < wanted'), drifted: counted('applied = wanted AND applied_digest IS NOT NULL AND observed_digest IS NOT applied_digest') };
}

/** How many operations run, and how many ended after one time and not after another (unix ms), by outcome. */
export function countOperations(db: Database, sinceMs: number, toMs: number): { readonly running: number; readonly ended: ReadonlyMap<string, number> } {
  const rows = db
    .prepare('SELECT outcome, count(*) AS count, count(*) FILTER (WHERE ended_at_ms > ? AND ended_at_ms <= ?) AS ended FROM operation GROUP BY outcome')
    .all(sinceMs, toMs) as { outcome: string; count: number; ended: number }[];
  return { running: rows.find(({ outcome }) => outcome === 'running')?.count ?? 0, ended: new Map(rows.filter(({ ended }) => ended > 0).map(({ outcome, ended }) => [outcome, ended])) };
}

/** The certificates that end first, of hosts that have joined. */
export function firstCertEnds(db: Database, limit: number): { readonly host: string; readonly cert: string; readonly endsAtMs: number }[] {
  const rows = db
    .prepare(
      `SELECT host.name AS host, cert_state.name AS cert, not_after_s AS endsAtS FROM cert_state JOIN host ON host.id = host_id
       WHERE not_after_s IS NOT NULL AND host.state = 'joined' ORDER BY not_after_s LIMIT ?`,
    )
    .all(limit) as { host: string; cert: string; endsAtS: number }[];
  return rows.map(({ host, cert, endsAtS }) => ({ host, cert, endsAtMs: endsAtS * 1000 }));
}

/** Size of the inventory, bytes. */
export function databaseBytes(db: Database): number {
  return Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
}

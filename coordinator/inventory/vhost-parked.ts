import type { Database } from './database.js';

/** What a host says of a site that it does not have as it should be. */
export interface Parked {
  readonly name: string;
  readonly problem: string;
  readonly servesBefore: boolean;
}

/** A site of the inventory that its host does not have as it should be. */
export interface ParkedRow extends Parked {
  readonly hostId: string;
  /** Unix ms. */
  readonly sinceMs: number;
}

/** Longest text that is kept of what a host says, characters. */
const mostText = 1024;

/** A host made a generation: what it took over or wrote over by then is done, and these are parked; no others are. */
export function settleVhosts(db: Database, made: { readonly hostId: string; readonly generation: number; readonly parked: readonly Parked[]; readonly now: number }): void {
  const { hostId, generation, parked, now } = made;
  db.prepare('UPDATE vhost SET overwrite = 0, take_over = NULL WHERE host_id = ? AND generation <= ? AND (overwrite = 1 OR take_over IS NOT NULL)').run(hostId, generation);
  const names = JSON.stringify(parked.map(({ name }) => name));
  db.prepare('DELETE FROM vhost_parked WHERE vhost_id IN (SELECT id FROM vhost WHERE host_id = ? AND name NOT IN (SELECT value FROM json_each(?)))').run(hostId, names);
  park(db, hostId, parked, now);
}

/**
 * A host did not make a generation because of these. Where the others were made all the same (`rest`), what those took over or wrote over is done: a file is taken over when
 * none of the sites that wanted it is among these.
 */
export function failVhosts(db: Database, failed: { readonly hostId: string; readonly generation: number; readonly parked: readonly Parked[]; readonly rest: boolean; readonly now: number }): void {
  const { hostId, generation } = failed;
  park(db, hostId, failed.parked, failed.now);
  if (!failed.rest) return;
  const names = JSON.stringify(failed.parked.map(({ name }) => name));
  db.prepare('UPDATE vhost SET overwrite = 0 WHERE host_id = ? AND generation <= ? AND overwrite = 1 AND name NOT IN (SELECT value FROM json_each(?))').run(hostId, generation, names);
  db.prepare(
    `UPDATE vhost SET take_over = NULL WHERE host_id = @hostId AND generation <= @generation AND take_over IS NOT NULL
       AND take_over NOT IN (SELECT take_over FROM vhost WHERE host_id = @hostId AND take_over IS NOT NULL AND name IN (SELECT value FROM json_each(@names)))`,
  ).run({ hostId, generation, names });
}

/** A site is known to be parked since it was first told; a site that is not in the inventory is nobody's. */
function park(db: Database, hostId: string, parked: readonly Parked[], now: number): void {
  const store = db.prepare(
    `INSERT INTO vhost_parked (vhost_id, problem, serves_before, since_ms) SELECT id, @problem, @before, @now FROM vhost WHERE host_id = @hostId AND name = @name
     ON CONFLICT DO UPDATE SET problem = excluded.problem, serves_before = excluded.serves_before`,
  );
  for (const { name, problem, servesBefore } of parked) store.run({ hostId, name, problem: problem.slice(0, mostText) || 'the host does not say why', before: servesBefore ? 1 : 0, now });
}

/** What is parked on all hosts, by host and name. */
export function listParked(db: Database): ParkedRow[] {
  const rows = db.prepare('SELECT host_id, name, problem, serves_before, vhost_parked.since_ms AS since_ms FROM vhost_parked JOIN vhost ON vhost.id = vhost_id ORDER BY host_id, name').all() as {
    host_id: string;
    name: string;
    problem: string;
    serves_before: number;
    since_ms: number;
  }[];
  return rows.map((row) => ({ hostId: row.host_id, name: row.name, problem: row.problem, servesBefore: row.serves_before === 1, sinceMs: row.since_ms }));
}

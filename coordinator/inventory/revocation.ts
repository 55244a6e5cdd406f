import type { Database } from './database.js';

/** That a person was revoked. */
export interface RevocationRow {
  readonly id: number;
  readonly person: string;
  readonly atMs: number;
  /** The operator who did it. */
  readonly by: string;
  readonly operationId: string;
  readonly purge: boolean;
  readonly endSessions: boolean;
  /** Fingerprints (hex) of the keys that the person had. */
  readonly keys: readonly string[];
}

/** One host's part in a revocation. */
export interface RevocationHostRow {
  readonly hostId: string;
  /** The generation of noun key that takes the keys away. */
  readonly generation: number;
  /** Undefined: it has not acknowledged. */
  readonly acknowledgedAtMs: number | undefined;
  readonly digest: Buffer | undefined;
  /** Lines taken out of users' own files, and sessions ended. */
  readonly purged: number;
  readonly ended: number;
  /** Lines and sessions that are still there. */
  readonly remaining: number;
  readonly sessions: number;
}

interface Sql {
  id: number;
  person: string;
  at_ms: number;
  by: string;
  operation_id: string;
  purge: number;
  end_sessions: number;
  keys: string;
}

interface HostSql {
  host_id: string;
  generation: number;
  acknowledged_at_ms: number | null;
  digest: Buffer | null;
  purged: number;
  ended: number;
  remaining: number;
  sessions: number;
}

/** Notes that a person is revoked; answers the number of it. */
export function addRevocation(db: Database, row: Omit<RevocationRow, 'id'>): number {
  const sql = 'INSERT INTO revocation (person, at_ms, by, operation_id, purge, end_sessions, keys) VALUES (?, ?, ?, ?, ?, ?, ?)';
  return Number(db.prepare(sql).run(row.person, row.atMs, row.by, row.operationId, row.purge ? 1 : 0, row.endSessions ? 1 : 0, JSON.stringify(row.keys)).lastInsertRowid);
}

/** Notes a host that has to acknowledge a revocation, by applying a generation of noun key. */
export function addRevocationHost(db: Database, id: number, host: { hostId: string; generation: number }): void {
  db.prepare('INSERT INTO revocation_host (revocation_id, host_id, generation) VALUES (?, ?, ?)').run(id, host.hostId, host.generation);
}

/** The newest revocation of a person; undefined: there was none. */
export function getRevocation(db: Database, person: string): RevocationRow | undefined {
  const row = db.prepare('SELECT * FROM revocation WHERE person = ? ORDER BY id DESC LIMIT 1').get(person) as Sql | undefined;
  if (row === undefined) return undefined;
  return {
    id: row.id, person: row.person, atMs: row.at_ms, by: row.by, operationId: row.operation_id, purge: row.purge === 1, endSessions: row.end_sessions === 1,
    keys: JSON.parse(row.keys) as string[],
  };
}

/** The hosts of a revocation, sorted by name. */
export function revocationHosts(db: Database, id: number): RevocationHostRow[] {
  const rows = db.prepare('SELECT revocation_host.* FROM revocation_host JOIN host ON host.id = host_id WHERE revocation_id = ? ORDER BY host.name').all(id) as HostSql[];
  return rows.map((row) => ({
    hostId: row.host_id, generation: row.generation, acknowledgedAtMs: row.acknowledged_at_ms ?? undefined, digest: row.digest ?? undefined, purged: row.purged, ended: row.ended,
    remaining: row.remaining, sessions: row.sessions,
  }));
}

/**
 * A host applied a generation of noun key, or (`atMs`) as much of it as removes access: it has acknowledged every revocation that it was to be told by then, at
 * the time that its generation notes. What still remained of one at an earlier answer is looked at anew.
 */
export function acknowledgeRevocations(db: Database, answer: Omit<RevocationHostRow, 'acknowledgedAtMs'>, atMs: number | undefined): void {
  db.prepare(
    `UPDATE revocation_host SET acknowledged_at_ms = coalesce(acknowledged_at_ms, @atMs, (SELECT since_ms FROM generation WHERE host_id = @hostId AND noun = 'key')), digest = @digest,
       purged = purged + @purged, ended = ended + @ended, remaining = @remaining, sessions = @sessions
     WHERE host_id = @hostId AND generation <= @generation AND (acknowledged_at_ms IS NULL OR remaining > 0 OR sessions > 0)`,
  ).run({ ...answer, atMs: atMs ?? null });
}

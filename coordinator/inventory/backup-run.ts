import { mostRuns, type BackupRun, type RunKind } from '../desired/backup.js';
import type { Database } from './database.js';

interface Sql {
  id: string;
  job_id: string;
  kind: BackupRun['kind'];
  state: BackupRun['state'];
  by: string;
  started_at_ms: number;
  ended_at_ms: number | null;
  reason: string;
  snapshot: string;
  files: number;
  bytes: number;
  sent_files: number;
  sent_bytes: number;
  way: BackupRun['way'];
  problems: number;
}

const columns = 'id, job_id, kind, state, by, started_at_ms, ended_at_ms, reason, snapshot, files, bytes, sent_files, sent_bytes, way, problems';

const fromSql = (row: Sql): BackupRun => ({
  id: row.id,
  jobId: row.job_id,
  kind: row.kind,
  state: row.state,
  by: row.by,
  startedAtMs: row.started_at_ms,
  endedAtMs: row.ended_at_ms ?? undefined,
  reason: row.reason,
  snapshot: row.snapshot,
  files: row.files,
  bytes: row.bytes,
  sentFiles: row.sent_files,
  sentBytes: row.sent_bytes,
  way: row.way,
  problems: row.problems,
});

/** What became of a file that was not copied as it should be; the proto says what the words mean. */
const problemKinds = ['vanished', 'skipped', 'failed'] as const;

/** A file that a run could not copy. */
export interface ProblemRow {
  readonly path: Buffer;
  readonly kind: (typeof problemKinds)[number];
  readonly text: string;
}

/** Whether a word is the kind of a problem. */
export function isProblemKind(word: string): word is ProblemRow['kind'] {
  return problemKinds.some((kind) => kind === word);
}

/** Begins a run; the schema lets one run of a job. */
export function addRun(db: Database, run: Pick<BackupRun, 'id' | 'jobId' | 'kind' | 'by' | 'startedAtMs' | 'snapshot'>): void {
  db.prepare(`INSERT INTO backup_run (id, job_id, kind, state, by, started_at_ms, snapshot) VALUES (@id, @jobId, @kind, 'running', @by, @startedAtMs, @snapshot)`).run(run);
}

/** Stores what is known of a run; false: its job has gone. */
export function setRun(db: Database, run: BackupRun): boolean {
  const { changes } = db
    .prepare(
      `UPDATE backup_run SET state = @state, ended_at_ms = @ended, reason = @reason, snapshot = @snapshot, files = @files, bytes = @bytes, sent_files = @sentFiles, sent_bytes = @sentBytes,
         way = @way, problems = @problems WHERE id = @id`,
    )
    .run({ ...run, ended: run.endedAtMs ?? null, reason: run.reason.slice(0, mostRuns.reason) });
  return changes > 0;
}

/** Stores what a run's programs printed, at most 128 KiB, and which files it could not copy, at most 1,000. */
export function setRunDetails(db: Database, id: string, { output, problems }: { readonly output: string; readonly problems: readonly ProblemRow[] }): void {
  const bytes = Buffer.from(output);
  // The end says why; half a character at the cut is left out.
  const kept = bytes.length <= mostRuns.outputBytes ? output : bytes.subarray(bytes.length - mostRuns.outputBytes).toString('utf8').replace(/^\ufffd+/, '');
  db.prepare('UPDATE backup_run SET output = ? WHERE id = ?').run(kept, id);
  const insert = db.prepare('INSERT OR REPLACE INTO backup_problem VALUES (?, ?, ?, ?, ?)');
  for (const [index, problem] of problems.slice(0, mostRuns.problems).entries()) insert.run(id, index + 1, problem.path, problem.kind, problem.text);
}

/** A run by its id; undefined: there is none. */
export function getRun(db: Database, id: string): BackupRun | undefined {
  const row = db.prepare(`SELECT ${columns} FROM backup_run WHERE id = ?`).get(id) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Runs of a job, newest first. */
export function listRuns(db: Database, jobId: string, limit: number): BackupRun[] {
  return (db.prepare(`SELECT ${columns} FROM backup_run WHERE job_id = ? ORDER BY started_at_ms DESC, id DESC LIMIT ?`).all(jobId, limit) as Sql[]).map(fromSql);
}

/** The newest run of a job of some kinds and states; undefined: there is none. */
export function lastRun(db: Database, jobId: string, of: { readonly kind?: RunKind; readonly states?: readonly BackupRun['state'][]; readonly by?: string }): BackupRun | undefined {
  const row = db
    .prepare(
      `SELECT ${columns} FROM backup_run WHERE job_id = @jobId AND (@kind IS NULL OR kind = @kind) AND (@by IS NULL OR by = @by) AND (@states IS NULL OR state IN (SELECT value FROM json_each(@states)))
       ORDER BY started_at_ms DESC, id DESC LIMIT 1`,
    )
    .get({ jobId, kind: of.kind ?? null, by: of.by ?? null, states: of.states === undefined ? null : JSON.stringify(of.states) }) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** What a run's programs printed, and the files it could not copy. */
export function runDetails(db: Database, id: string): { output: string; problems: ProblemRow[] } {
  const output = (db.prepare('SELECT output FROM backup_run WHERE id = ?').pluck().get(id) ?? '') as string;
  return { output, problems: db.prepare('SELECT path, kind, text FROM backup_problem WHERE run_id = ? ORDER BY position').all(id) as ProblemRow[] };
}

/** The runs of a job of which nobody knows how they ended. */
export function unknownRuns(db: Database, jobId: string): BackupRun[] {
  return (db.prepare(`SELECT ${columns} FROM backup_run WHERE job_id = ? AND state = 'unknown' ORDER BY started_at_ms`).all(jobId) as Sql[]).map(fromSql);
}

/** Ids of the jobs that have one. */
export function jobsWithUnknownRuns(db: Database): string[] {
  return db.prepare(`SELECT DISTINCT job_id FROM backup_run WHERE state = 'unknown'`).pluck().all() as string[];
}

/** After a restart nothing runs any more (of one job, when it is named): of a backup its destination is asked, the rest has failed. Answers how many ran. */
export function orphanRuns(db: Database, now: number, jobId?: string): number {
  const update = db.prepare(
    `UPDATE backup_run SET state = iif(kind = 'backup', 'unknown', 'failed'), ended_at_ms = @now, reason = 'the coordinator ended while it ran'
     WHERE state = 'running' AND (@jobId IS NULL OR job_id = @jobId)`,
  );
  return update.run({ now, jobId: jobId ?? null }).changes;
}

/** Forgets all but the newest 500 runs of a job, its last good one and that of its last proof. */
export function tidyRuns(db: Database, jobId: string): void {
  db.prepare(
    `DELETE FROM backup_run WHERE job_id = @jobId AND state <> 'running'
       AND id NOT IN (SELECT id FROM backup_run WHERE job_id = @jobId ORDER BY started_at_ms DESC, id DESC LIMIT @kept)
       AND id IS NOT (SELECT id FROM backup_run WHERE job_id = @jobId AND kind = 'backup' AND state = 'done' ORDER BY started_at_ms DESC, id DESC LIMIT 1)
       AND id IS NOT (SELECT run_id FROM backup_proof WHERE job_id = @jobId ORDER BY at_ms DESC LIMIT 1)`,
  ).run({ jobId, kept: mostRuns.kept });
}

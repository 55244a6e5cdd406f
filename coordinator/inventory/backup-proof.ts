import { mostRuns, type BackupProof } from '../desired/backup.js';
import type { Database } from './database.js';

interface Sql {
  run_id: string;
  job_id: string;
  at_ms: number;
  snapshot: string;
  kind: BackupProof['kind'];
  ok: number;
  files: number;
  bytes: number;
  skipped: number;
  different: string;
  dumps: string;
  evidence: Buffer;
}

const fromSql = (row: Sql): BackupProof => ({
  runId: row.run_id,
  jobId: row.job_id,
  atMs: row.at_ms,
  snapshot: row.snapshot,
  kind: row.kind,
  ok: row.ok === 1,
  files: row.files,
  bytes: row.bytes,
  skipped: row.skipped,
  // JSON has no bytes.
  different: (JSON.parse(row.different) as string[]).map((hex) => Buffer.from(hex, 'hex')),
  dumps: JSON.parse(row.dumps) as string[],
  evidence: row.evidence,
});

/** Stores a proof; a run has one. */
export function addProof(db: Database, proof: BackupProof): void {
  const different = proof.different.slice(0, mostRuns.different).map((path) => Buffer.from(path).toString('hex'));
  db.prepare('INSERT INTO backup_proof VALUES (@runId, @jobId, @atMs, @snapshot, @kind, @ok, @files, @bytes, @skipped, @different, @dumps, @evidence)').run({
    ...proof, ok: proof.ok ? 1 : 0, different: JSON.stringify(different), dumps: JSON.stringify(proof.dumps), evidence: Buffer.from(proof.evidence),
  });
}

/** The proof of a run; undefined: it made none. */
export function proofOf(db: Database, runId: string): BackupProof | undefined {
  const row = db.prepare('SELECT * FROM backup_proof WHERE run_id = ?').get(runId) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** The last proof of a job; undefined: there is none. */
export function lastProof(db: Database, jobId: string, kind?: BackupProof['kind']): BackupProof | undefined {
  const row = db.prepare('SELECT * FROM backup_proof WHERE job_id = @jobId AND (@kind IS NULL OR kind = @kind) ORDER BY at_ms DESC, run_id DESC LIMIT 1').get({ jobId, kind: kind ?? null }) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

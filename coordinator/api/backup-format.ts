import type { BackupProofInput } from '../../shared/gen/proto/reeve/coordinator/v1/BackupProof.js';
import type { BackupRowInput } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRow.js';
import type { BackupRunInput } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { BackupEntryInput } from '../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import { formatBackup } from '../../shared/model/backup.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { BackupJob, BackupProof, BackupRun } from '../desired/backup.js';
import { backupHealth } from '../desired/backup-health.js';
import { dueAt } from '../desired/backup-schedule.js';
import { lastRun } from '../inventory/backup-run.js';
import type { Office } from '../office.js';
import { beganAt } from '../reconcile/backup-due.js';
import type { BackupEntry } from '../reconcile/backup-entry.js';
import { backupFacts } from '../inventory/backup-facts.js';
import type { RunView } from '../reconcile/backup-live.js';
import { nameFor, type Scoped } from './select.js';

/** A time that may be none, as the wire has it. */
const timeOf = (ms: number | undefined): ReturnType<typeof toTimestamp> | null => (ms === undefined ? null : toTimestamp(ms));

/** A run as the wire has it; with how far it is, when it runs. */
export function formatRun(run: BackupRun, jobName: string, progress?: RunView['progress']): BackupRunInput {
  const { id, kind, state, by, reason, snapshot, files, bytes, sentFiles, sentBytes, way, problems } = run;
  return { id, job: jobName, kind, state, by, reason, snapshot, files, bytes, sentFiles, sentBytes, way, problems, startedAt: toTimestamp(run.startedAtMs), endedAt: timeOf(run.endedAtMs), progress: progress === undefined ? null : { ...progress } };
}

/** A proof as the wire has it. */
export function formatProof(proof: BackupProof): BackupProofInput {
  const { snapshot, kind, ok, files, bytes, skipped, dumps } = proof;
  return { at: toTimestamp(proof.atMs), snapshot, kind, ok, files, bytes, skipped, dumps: [...dumps], different: proof.different.map((path) => Buffer.from(path)), evidence: Buffer.from(proof.evidence) };
}

/** A file as the wire has it. */
export function formatEntry(entry: BackupEntry): BackupEntryInput {
  return { ...entry };
}

/** A job with how it does, as the wire has it. */
export function formatJob(office: Office, caller: Scoped, job: BackupJob): BackupRowInput {
  const { db, clock, backups } = office;
  const nameOf = nameFor(db, caller);
  const { drill } = job.backup;
  const facts = backupFacts(db, job);
  const last = lastRun(db, job.id, {});
  const running = backups.engine.active(job.id)?.view();
  const named = { ...job.backup, source: nameOf(job.backup.source), destination: nameOf(job.backup.destination), drill: drill === undefined ? undefined : { ...drill, host: nameOf(drill.host) } };
  return {
    backup: formatBackup(named),
    id: job.id,
    ...backupHealth(facts, clock.now()),
    last: last === undefined ? null : formatRun(running?.run.id === last.id ? running.run : last, job.backup.name, running?.run.id === last.id ? running.progress : undefined),
    lastGood: facts.good === undefined ? null : formatRun(facts.good, job.backup.name),
    proof: facts.proof === undefined ? null : formatProof(facts.proof),
    nextAt: timeOf(dueAt(job.backup, beganAt(office, job))),
    frozenAt: timeOf(job.frozen?.atMs),
    addedAt: toTimestamp(job.addedAtMs),
    addedBy: job.by,
  };
}

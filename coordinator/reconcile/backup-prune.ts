import { reeveError } from '../../shared/errors/error.js';
import type { BackupJob } from '../desired/backup.js';
import { rotatedSnapshots } from '../desired/backup-retention.js';
import type { HostRow } from '../inventory/host.js';
import { readSnapshots, workOn, type BackupFleet } from './backup-agent.js';
import type { BackupSnapshot } from './backup-entry.js';
import { hostOfWork, type BackupWork, type WorkEnd } from './backup-work.js';

/** Most snapshots that one call takes away. */
const perCall = 1_000;

/** Snapshots that go. */
export interface Pruning {
  readonly names: readonly string[];
  /** So many complete ones have to be left, or none goes: others may have gone since they were counted. */
  readonly minKeep: number;
}

/** What is left of snapshots when some go. */
export function pruningOf(snapshots: readonly BackupSnapshot[], names: readonly string[]): Pruning {
  const gone = new Set(names);
  return { names, minKeep: snapshots.filter(({ name, complete }) => complete && !gone.has(name)).length };
}

/** Has the destination take snapshots away. Errors: POLICY_DENIED (min-keep), BACKUP_FAILED, HOST_UNREACHABLE. */
export async function pruneSnapshots(work: BackupWork, destination: HostRow, { names, minKeep }: Pruning): Promise<void> {
  const { job, runId, fleet, signal } = work;
  for (let at = 0; at < names.length; at += perCall) {
    const snapshots = names.slice(at, at + perCall);
    const request = { operationId: runId, jobId: job.id, folder: job.backup.folder, snapshots, minKeep };
    await workOn(fleet, destination, { method: 'PruneSnapshots', request, what: 'Taking snapshots away', signal }, { progress: work.progress });
    work.print(snapshots.map((name) => `taken away: ${name}`).join('\n'));
  }
}

/** The snapshots that a command takes away: those that are named, or those that the retention does not keep. Errors: SNAPSHOT_UNKNOWN, HOST_UNREACHABLE, what the agent says. */
export async function prunedSnapshots(fleet: BackupFleet, destination: HostRow, { id, backup }: BackupJob, names: readonly string[], signal: AbortSignal): Promise<Pruning> {
  const snapshots = await readSnapshots(fleet, destination, { id, folder: backup.folder }, signal);
  if (names.length === 0) return pruningOf(snapshots, rotatedSnapshots(snapshots, backup.retention));
  const unknown = names.find((name) => !snapshots.some((row) => row.name === name));
  if (unknown !== undefined) throw reeveError('SNAPSHOT_UNKNOWN', { value: backup.name, rule: unknown });
  // A complete one is always left where there is one.
  return { names: [...new Set(names)], minKeep: snapshots.some(({ complete }) => complete) ? 1 : 0 };
}

/** Takes snapshots of a job away. */
export async function runPrune(work: BackupWork, pruning: Pruning): Promise<WorkEnd> {
  work.phase('rotating');
  await pruneSnapshots(work, hostOfWork(work, work.job.backup.destination), pruning);
  return { state: 'done', reason: '' };
}

import { ReeveError } from '../../shared/errors/error.js';
import type { BackupRun } from '../desired/backup.js';
import { addAudit } from '../inventory/audit.js';
import { getBackup } from '../inventory/backup.js';
import { jobsWithUnknownRuns, setRun, unknownRuns } from '../inventory/backup-run.js';
import { getHost } from '../inventory/host.js';
import { isUnwritable, writing } from '../inventory/write.js';
import type { World } from '../world.js';
import { readSnapshots, type BackupFleet } from './backup-agent.js';
import type { BackupSnapshot } from './backup-entry.js';

/** How a run ended of which only its destination knows: its snapshot is there whole, there in part, or not there. */
function settled(run: BackupRun, snapshots: readonly BackupSnapshot[]): BackupRun {
  const kept = snapshots.find(({ name }) => name === run.snapshot);
  if (kept === undefined) return { ...run, state: 'failed', reason: `${run.reason}; its snapshot is not there` };
  const { files, bytes, sentBytes } = kept;
  const how = kept.complete ? ({ state: 'done', reason: 'it was found whole afterwards' } as const) : ({ state: 'failed', reason: `${run.reason}; what was copied is kept` } as const);
  return { ...run, ...how, files, bytes, sentBytes };
}

/** Settles the runs of a job of which nobody knows how they ended, by the list of its snapshots. */
export function settleByList(world: World, jobId: string, snapshots: readonly BackupSnapshot[]): void {
  const { db, clock } = world;
  const runs = unknownRuns(db, jobId);
  if (runs.length === 0) return;
  writing(db, () => {
    for (const run of runs) {
      const after = settled(run, snapshots);
      setRun(db, after);
      addAudit(db, { timeMs: clock.now(), principal: 'reeved', action: `backup ${run.kind} ${getBackup(db, jobId)?.backup.name ?? jobId} settled`, arguments: JSON.stringify({ state: after.state, snapshot: run.snapshot }), phase: after.state === 'done' ? 'ok' : 'failed', operationId: run.id, code: '' });
    }
  });
}

/** Asks the destinations that are there what became of such runs; of those on one host, when it is named. */
export async function settleRuns(world: World, fleet: BackupFleet, signal: AbortSignal, hostId?: string): Promise<void> {
  for (const jobId of jobsWithUnknownRuns(world.db)) {
    const job = getBackup(world.db, jobId);
    const destination = job === undefined ? undefined : getHost(world.db, job.backup.destination);
    if (job === undefined || destination === undefined || (hostId !== undefined && destination.id !== hostId) || fleet.live(destination.id).state !== 'connected') continue;
    try {
      settleByList(world, jobId, await readSnapshots(fleet, destination, { id: jobId, folder: job.backup.folder }, AbortSignal.any([signal, AbortSignal.timeout(60_000)])));
    } catch (error) {
      if (signal.aborted) return;
      // A folder that is refused has no snapshot of this run that anybody could use.
      if (error instanceof ReeveError && error.code === 'BACKUP_FOLDER') settleByList(world, jobId, []);
      else if (!(error instanceof ReeveError) || isUnwritable(error)) world.log.error({ err: error, job: job.backup.name }, 'what became of a backup could not be stored');
      else world.log.warn({ err: error, job: job.backup.name }, 'what became of a backup is not known yet');
    }
  }
}

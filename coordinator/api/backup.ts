import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/BackupService.js';
import { parseLimit } from './operation.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { listRuns } from '../inventory/backup-run.js';
import type { Office } from '../office.js';
import { addJob, removeJob, setJob } from './backup-change.js';
import { formatJob, formatRun } from './backup-format.js';
import { jobFor, jobsFor } from './backup-job.js';
import { adopt, prune, restore, runNow, verify, watchRun } from './backup-run.js';
import { findSnapshotFiles, listSnapshotFiles, listSnapshots, showJob, showRun } from './backup-show.js';
import type { OperatorCaller } from './caller.js';
import { changes, reads } from './row.js';

/** A job may have 200 patterns. */
const sized = { ...changes, maxBytes: 262_144 };

/** A host is asked, which may have many files to look through. */
const asks = { ...reads, rate: { perSecond: 5, burst: 50 }, deadlineMs: 300_000 };

/** Backup jobs, their runs and snapshots, for operators. */
export function backupService(office: () => Office): Service<OperatorCaller> {
  return defineService<BackupServiceDefinition, OperatorCaller>('reeve.coordinator.v1.BackupService', {
    AddBackup: { ...sized, handle: (request, context) => addJob(office(), context, request) },
    SetBackup: { ...sized, handle: (request, context) => setJob(office(), context, request) },
    RemoveBackup: { ...changes, handle: (request, context) => removeJob(office(), context, request) },
    ListBackups: {
      ...reads,
      handle: (request, { principal }) => {
        const running = office();
        return Promise.resolve({ rows: jobsFor(running.db, principal, request.selector).map((job) => formatJob(running, principal, job)) });
      },
    },
    ShowBackup: { ...reads, handle: (request, { principal }) => Promise.resolve(showJob(office(), principal, request.name)) },
    RunBackup: { ...changes, handle: (request, context) => runNow(office(), context, request) },
    WatchBackup: { ...reads, handle: (request, context) => watchRun(office(), context, request.name) },
    CancelBackup: {
      ...changes,
      handle: async (request, { principal }) => {
        const running = office();
        const job = jobFor(running.db, principal, request.name);
        return { run: formatRun(await running.backups.engine.cancel(job, principal.name), job.backup.name) };
      },
    },
    ListBackupRuns: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const job = jobFor(db, principal, request.name);
        return Promise.resolve({ runs: listRuns(db, job.id, parseLimit(request.limit)).map((run) => formatRun(run, job.backup.name)) });
      },
    },
    ShowBackupRun: { ...reads, handle: (request, { principal }) => Promise.resolve(showRun(office(), principal, request)) },
    ListSnapshots: { ...asks, handle: (request, context) => listSnapshots(office(), context, request.name) },
    ListSnapshotFiles: { ...asks, handle: (request, context) => listSnapshotFiles(office(), context, request) },
    FindSnapshotFiles: { ...asks, handle: (request, context) => findSnapshotFiles(office(), context, request) },
    RestoreBackup: { ...changes, handle: (request, context) => restore(office(), context, request) },
    VerifyBackup: { ...changes, handle: (request, context) => verify(office(), context, request) },
    PruneBackup: { ...changes, handle: (request, context) => prune(office(), context, request) },
    AdoptBackup: { ...changes, handle: (request, context) => adopt(office(), context, request) },
  });
}

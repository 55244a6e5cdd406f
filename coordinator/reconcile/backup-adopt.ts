import type { HostRow } from '../inventory/host.js';
import { mostSnapshots, workOn, type BackupFleet } from './backup-agent.js';
import type { BackupSnapshot } from './backup-entry.js';
import { hostOfWork, type BackupWork, type WorkEnd } from './backup-work.js';

/** Where snapshots of rsnapshot(1) are. */
export interface AdoptedFrom {
  readonly rsnapshot: string;
  readonly point: string;
}

/** Has the destination take over, or say (`plan`) what it would take over; answers the snapshots that come of it. Errors: BACKUP_FOLDER, BACKUP_FAILED, HOST_UNREACHABLE. */
export async function adoptSnapshots(
  fleet: BackupFleet,
  destination: HostRow,
  order: { readonly runId: string; readonly jobId: string; readonly folder: string; readonly from: AdoptedFrom; readonly plan: boolean; readonly signal: AbortSignal },
): Promise<readonly BackupSnapshot[]> {
  const { runId, jobId, folder, from, plan, signal } = order;
  const snapshots: BackupSnapshot[] = [];
  const request = { operationId: runId, jobId, folder, ...from, plan };
  await workOn(fleet, destination, { method: 'AdoptSnapshots', request, what: 'Taking over the snapshots of rsnapshot', signal }, {
    snapshot(snapshot) {
      if (snapshots.length < mostSnapshots) snapshots.push(snapshot);
    },
  });
  return snapshots;
}

/** Takes over what rsnapshot has made. */
export async function runAdopt(work: BackupWork, from: AdoptedFrom): Promise<WorkEnd> {
  const { job, runId, fleet, signal } = work;
  const made = await adoptSnapshots(fleet, hostOfWork(work, job.backup.destination), { runId, jobId: job.id, folder: job.backup.folder, from, plan: false, signal });
  work.print(made.map(({ name }) => `taken over: ${name}`).join('\n'));
  work.note({ files: made.reduce((sum, { files }) => sum + files, 0) });
  return { state: 'done', reason: '' };
}

import type { FindSnapshotFilesRequest } from '../../shared/gen/proto/reeve/coordinator/v1/FindSnapshotFilesRequest.js';
import type { FindSnapshotFilesResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/FindSnapshotFilesResponse.js';
import type { ListSnapshotFilesRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListSnapshotFilesRequest.js';
import type { ListSnapshotsResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListSnapshotsResponse.js';
import type { ShowBackupResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ShowBackupResponse.js';
import type { ShowBackupRunRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ShowBackupRunRequest.js';
import type { ShowBackupRunResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ShowBackupRunResponse.js';
import { reeveError } from '../../shared/errors/error.js';
import { parseSnapshotName } from '../../shared/model/backup.js';
import { fieldInvalid, parsePattern } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { keepSnapshots } from '../desired/backup-retention.js';
import { proofOf } from '../inventory/backup-proof.js';
import { getRun, lastRun, listRuns, runDetails } from '../inventory/backup-run.js';
import type { Office } from '../office.js';
import { readSnapshots, workOn } from '../reconcile/backup-agent.js';
import { rootless, type BackupEntry } from '../reconcile/backup-entry.js';
import { findSnapshot } from '../reconcile/backup-restore.js';
import { hostOfWork } from '../reconcile/backup-work.js';
import { formatEntry, formatJob, formatProof, formatRun } from './backup-format.js';
import { jobFor } from './backup-job.js';
import type { OperatorCaller } from './caller.js';
import type { Scoped } from './select.js';

type Context = Pick<CallContext<OperatorCaller>, 'principal' | 'signal'>;

/** Most files that one answer has. */
const mostEntries = 10_000;

/** Longest path that is asked for, bytes. */
const mostPathBytes = 4_096;

/** One job with its last runs. */
export function showJob(office: Office, caller: Scoped, name: string): ShowBackupResponseInput {
  const job = jobFor(office.db, caller, name);
  return { row: formatJob(office, caller, job), runs: listRuns(office.db, job.id, 10).map((run) => formatRun(run, job.backup.name)) };
}

/** One run with what it left behind. Errors: BACKUP_RUN_UNKNOWN. */
export function showRun({ db, backups }: Office, caller: Scoped, request: ShowBackupRunRequest): ShowBackupRunResponseInput {
  const job = jobFor(db, caller, request.name);
  const run = request.runId === '' ? lastRun(db, job.id, {}) : getRun(db, parseId('run', request.runId));
  if (run?.jobId !== job.id) throw reeveError('BACKUP_RUN_UNKNOWN', { value: job.backup.name, rule: request.runId === '' ? 'yet' : request.runId });
  const running = backups.engine.active(job.id)?.view();
  const proof = proofOf(db, run.id);
  const shown = running?.run.id === run.id ? formatRun(running.run, job.backup.name, running.progress) : formatRun(run, job.backup.name);
  return { run: shown, ...runDetails(db, run.id), proof: proof === undefined ? null : formatProof(proof) };
}

/** The snapshots of a job as its destination has them, newest first. */
export async function listSnapshots(office: Office, { principal, signal }: Context, name: string): Promise<ListSnapshotsResponseInput> {
  const { id, backup } = jobFor(office.db, principal, name);
  const destination = hostOfWork({ world: office, fleet: office.fleet }, backup.destination);
  const snapshots = await readSnapshots(office.fleet, destination, { id, folder: backup.folder }, signal);
  return { snapshots: keepSnapshots(snapshots, backup.retention).map(({ snapshot, levels }) => ({ snapshot: { ...snapshot }, levels: [...levels] })) };
}

/** A path within a snapshot. Errors: FIELD_INVALID. */
export function parseSnapshotPath(path: Buffer): Buffer {
  const parts = path.toString('latin1').split('/');
  if (path.length > mostPathBytes || path.includes(0) || parts.includes('..') || parts.includes('.')) throw fieldInvalid('path', path.toString(), `a path without "." and "..", at most ${String(mostPathBytes)} bytes`);
  const bare = rootless(path);
  return bare.at(-1) === 0x2f ? bare.subarray(0, -1) : bare;
}

/** The files of one folder of a snapshot. */
export async function listSnapshotFiles(office: Office, { principal, signal }: Context, request: ListSnapshotFilesRequest): Promise<FindSnapshotFilesResponseInput> {
  const job = jobFor(office.db, principal, request.name);
  const path = parseSnapshotPath(request.path);
  const name = request.snapshot === '' ? '' : parseSnapshotName('snapshot', request.snapshot);
  const destination = hostOfWork({ world: office, fleet: office.fleet }, job.backup.destination);
  const { name: snapshot } = await findSnapshot(office.fleet, destination, job, name, signal);
  return entriesOf(office, { jobId: job.id, folder: job.backup.folder, list: { snapshot, path } }, destination, signal);
}

/** In which snapshots files are. */
export async function findSnapshotFiles(office: Office, { principal, signal }: Context, request: FindSnapshotFilesRequest): Promise<FindSnapshotFilesResponseInput> {
  const { id, backup } = jobFor(office.db, principal, request.name);
  const find = parsePattern('pattern', request.pattern, /^[^\u0000-\u001f\u007f]{1,256}$/u, 'a pattern of glob(7) of 1 to 256 characters');
  return entriesOf(office, { jobId: id, folder: backup.folder, find }, hostOfWork({ world: office, fleet: office.fleet }, backup.destination), signal);
}

async function entriesOf({ fleet }: Office, request: Parameters<typeof workOn<'ReadSnapshots'>>[2]['request'], destination: Parameters<typeof workOn>[1], signal: AbortSignal): Promise<FindSnapshotFilesResponseInput> {
  const entries: BackupEntry[] = [];
  let more = false;
  const { truncated } = await workOn(fleet, destination, { method: 'ReadSnapshots', request, what: 'Looking into the snapshots', signal }, {
    entry(entry) {
      if (entries.length < mostEntries) entries.push(entry);
      else more = true;
    },
  });
  return { entries: entries.map(formatEntry), truncated: truncated || more };
}

import { reeveError } from '../../shared/errors/error.js';
import type { AdoptBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AdoptBackupRequest.js';
import type { BackupRunEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { PruneBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/PruneBackupRequest.js';
import type { RestoreBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RestoreBackupRequest.js';
import type { RunBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RunBackupRequest.js';
import type { VerifyBackupRequest } from '../../shared/gen/proto/reeve/coordinator/v1/VerifyBackupRequest.js';
import { newId } from '../../shared/kit/id.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { parseBackupFolder, parseSnapshotName } from '../../shared/model/backup.js';
import { formatChange, type Change } from '../../shared/model/change.js';
import { fieldInvalid, fieldMissing, parsePattern } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { BackupJob } from '../desired/backup.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { adoptSnapshots, runAdopt } from '../reconcile/backup-adopt.js';
import { inspectFolders } from '../reconcile/backup-agent.js';
import { requireIdle, viewRun } from '../reconcile/backup-engine.js';
import type { RunOrder } from '../reconcile/backup-live.js';
import { prunedSnapshots, runPrune } from '../reconcile/backup-prune.js';
import { findSnapshot, restoredPath, runFullVerify, runRestore, runVerify } from '../reconcile/backup-restore.js';
import { runBackup } from '../reconcile/backup-run.js';
import { hostOfWork } from '../reconcile/backup-work.js';
import { formatProof, formatRun } from './backup-format.js';
import { jobFor } from './backup-job.js';
import { parseSnapshotPath } from './backup-show.js';
import type { OperatorCaller } from './caller.js';
import { parseChangeOptions } from './event.js';
import { changeableHost } from './select.js';

type Context = Pick<CallContext<OperatorCaller>, 'principal' | 'signal'>;
type Events = AsyncGenerator<BackupRunEventInput>;

/** How often a watcher is told how far a run is, ms. */
const tellMs = 1_000;

/** How far a run is, until it ends or the caller goes; that does not end the run. */
export async function* followRun({ db, backups }: Office, { id: jobId, backup }: BackupJob, runId: string, signal: AbortSignal): Events {
  let proved = false;
  for (;;) {
    const view = viewRun({ db }, backups.engine, runId);
    // The job went with one of its hosts.
    if (view === undefined) throw reeveError('BACKUP_RUN_UNKNOWN', { value: backup.name, rule: runId });
    if (view.proof !== undefined && !proved) {
      proved = true;
      yield { proof: formatProof(view.proof) };
    }
    if (view.run.state !== 'running') {
      yield { ended: formatRun(view.run, backup.name) };
      return;
    }
    yield { run: formatRun(view.run, backup.name, view.progress) };
    const told = new AbortController();
    const running = backups.engine.active(jobId);
    await Promise.race([waitFor(tellMs, AbortSignal.any([signal, told.signal])), ...(running === undefined ? [] : [running.ended])]);
    told.abort();
    if (signal.aborted) return;
  }
}

function begin(office: Office, { principal, signal }: Context, order: Omit<RunOrder, 'by' | 'principal'>): Events {
  const id = order.id ?? newId(office.clock.now());
  office.backups.engine.start({ ...order, id, by: principal.account, principal: principal.name });
  return followRun(office, order.job, id, signal);
}

/** The run of a command that was begun before; undefined: it is new. Errors: OPERATION_REUSED. */
function begun(office: Office, { signal }: Context, job: BackupJob, id: string | undefined): Events | undefined {
  const view = id === undefined ? undefined : viewRun(office, office.backups.engine, id);
  if (view === undefined) return undefined;
  if (view.run.jobId !== job.id) throw reeveError('OPERATION_REUSED', { value: view.run.id });
  return followRun(office, job, view.run.id, signal);
}

/** How far a command goes, and its id. */
interface RunOptions {
  readonly plan: boolean;
  readonly operationId: string | undefined;
}

/** A command about a job: one that was begun before under this id is watched. Errors: BACKUP_UNKNOWN, OPERATION_REUSED. */
function once(office: Office, context: Context, request: { readonly name: string; readonly options: WireOptions | null }, make: (job: BackupJob, how: RunOptions) => Events): Events {
  const job = jobFor(office.db, context.principal, request.name);
  const how = parseRunOptions(request.options);
  return begun(office, context, job, how.operationId) ?? make(job, how);
}

/** Runs are begun or planned: there is nothing that could be stored for later. */
function parseRunOptions(wire: WireOptions | null): RunOptions {
  const { mode, operationId } = parseChangeOptions(wire);
  if (mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY');
  return { plan: mode === 'plan', operationId };
}

const planOf = (changes: readonly Change[], notes: readonly string[]): BackupRunEventInput => ({ plan: { changes: changes.map(formatChange), notes: [...notes] } });

/** Runs a job now. */
export function runNow(office: Office, context: Context, request: RunBackupRequest): Events {
  const job = jobFor(office.db, context.principal, request.name);
  const id = request.operationId === '' ? undefined : parseId('operation id', request.operationId);
  const known = begun(office, context, job, id);
  if (known !== undefined) return known;
  for (const hostId of [job.backup.source, job.backup.destination]) hostOfWork({ world: office, fleet: office.fleet }, hostId);
  return begin(office, context, { job, kind: 'backup', id, detail: {}, work: runBackup });
}

/** Watches the run of a job. Errors: BACKUP_IDLE. */
export function watchRun(office: Office, context: Context, name: string): Events {
  const job = jobFor(office.db, context.principal, name);
  const running = office.backups.engine.active(job.id);
  if (running === undefined) throw reeveError('BACKUP_IDLE', { value: job.backup.name });
  return followRun(office, job, running.view().run.id, context.signal);
}

/** The host that is restored to: two hosts copy, so that it is not the one that keeps the snapshots. Errors: HOST_*, FIELD_INVALID. */
function targetFor({ db }: Office, { principal }: Context, { backup }: BackupJob, name: string): HostRow {
  const target = changeableHost(db, principal, name);
  if (target.id === backup.destination) throw fieldInvalid('host', target.name, 'another host than the one that keeps the snapshots');
  return target;
}

/** Restores a snapshot. */
export function restore(office: Office, context: Context, request: RestoreBackupRequest): Events {
  return once(office, context, request, (job, how) => restoreAnew(office, context, request, job, how));
}

async function* restoreAnew(office: Office, context: Context, request: RestoreBackupRequest, job: BackupJob, { plan, operationId }: RunOptions): Events {
  const { fleet, backups } = office;
  const named = request.snapshot === '' ? '' : parseSnapshotName('snapshot', request.snapshot);
  const path = restoredPath(job, parseSnapshotPath(request.path));
  const folder = parseBackupFolder('folder', request.folder);
  const target = targetFor(office, context, job, request.host);
  requireIdle(backups.engine.active(job.id), job);
  const world = { world: office, fleet };
  const { name: snapshot, complete } = await findSnapshot(fleet, hostOfWork(world, job.backup.destination), job, named, context.signal);
  const { state } = await inspectFolders(fleet, hostOfWork(world, target.id), { role: 'restore', folders: [folder], jobId: job.id }, context.signal);
  if (state === 'full' && !request.keepOld) throw reeveError('BACKUP_FOLDER', { value: folder, host: target.name, rule: 'it is not empty', remedy: 'Name another folder, or keep what is there beside the restored one.' });
  const what = path.length === 0 ? '/' : `/${path.toString()}`;
  const fields = [{ field: 'snapshot', from: '', to: snapshot }, { field: 'path', from: '', to: what }];
  const notes = [...(complete ? [] : [`${snapshot} has not all files of the source`]), ...(state === 'full' ? [`what is in ${folder} is kept beside it`] : [])];
  yield planOf([{ kind: state === 'full' ? 'update' : 'create', noun: 'backup', subject: `${target.name}:${folder}`, fields }], notes);
  if (plan) return;
  yield* begin(office, context, {
    job, kind: 'restore', id: operationId, snapshot, detail: { snapshot, path: path.toString('hex'), host: target.id, folder, keepOld: request.keepOld },
    work: (work) => runRestore(work, { snapshot, path, targetId: target.id, folder, keepOld: request.keepOld }),
  });
}

/** Proves a snapshot. */
export async function* verify(office: Office, context: Context, request: VerifyBackupRequest): Events {
  const { db, fleet, backups } = office;
  const job = jobFor(db, context.principal, request.name);
  const named = request.snapshot === '' ? '' : parseSnapshotName('snapshot', request.snapshot);
  if (request.host === '' && request.folder !== '') throw fieldMissing('host', 'a host that is restored to');
  const target = request.host === '' ? undefined : targetFor(office, context, job, request.host);
  const folder = target === undefined ? '' : parseBackupFolder('folder', request.folder);
  requireIdle(backups.engine.active(job.id), job);
  const world = { world: office, fleet };
  const { name: snapshot } = await findSnapshot(fleet, hostOfWork(world, job.backup.destination), job, named, context.signal);
  hostOfWork(world, target?.id ?? job.backup.source);
  yield* begin(office, context, {
    job, kind: 'verify', snapshot, detail: { snapshot, ...(target === undefined ? {} : { host: target.id, folder }) },
    work: (work) => (target === undefined ? runVerify(work, snapshot) : runFullVerify(work, { snapshot, targetId: target.id, folder })),
  });
}

/** Takes snapshots away. Errors: BACKUP_FROZEN: what the retention does not keep is kept all the same. */
export function prune(office: Office, context: Context, request: PruneBackupRequest): Events {
  return once(office, context, request, (job, how) => pruneAnew(office, context, request, job, how));
}

async function* pruneAnew(office: Office, context: Context, request: PruneBackupRequest, job: BackupJob, { plan, operationId }: RunOptions): Events {
  const { fleet, backups } = office;
  const given = request.snapshots.map((name) => parseSnapshotName('snapshot', name));
  if (given.length === 0 && job.frozen !== undefined) throw reeveError('BACKUP_FROZEN', { value: job.backup.name, rule: job.frozen.reason });
  requireIdle(backups.engine.active(job.id), job);
  const pruning = await prunedSnapshots(fleet, hostOfWork({ world: office, fleet }, job.backup.destination), job, given, context.signal);
  const { names } = pruning;
  yield planOf(names.map((subject) => ({ kind: 'remove', noun: 'snapshot', subject, fields: [] })), []);
  if (plan || names.length === 0) return;
  yield* begin(office, context, { job, kind: 'prune', id: operationId, detail: { snapshots: names }, work: (work) => runPrune(work, pruning) });
}

/** Takes over the snapshots of rsnapshot. */
export function adopt(office: Office, context: Context, request: AdoptBackupRequest): Events {
  return once(office, context, request, (job, how) => adoptAnew(office, context, request, job, how));
}

async function* adoptAnew(office: Office, context: Context, request: AdoptBackupRequest, job: BackupJob, { plan, operationId }: RunOptions): Events {
  const { fleet, backups } = office;
  const from = {
    rsnapshot: parseBackupFolder('rsnapshot', request.rsnapshot),
    point: parsePattern('point', request.point, /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/, 'the name of a folder within each level'),
  };
  requireIdle(backups.engine.active(job.id), job);
  const destination = hostOfWork({ world: office, fleet }, job.backup.destination);
  const runId = operationId ?? newId(office.clock.now());
  const made = await adoptSnapshots(fleet, destination, { runId, jobId: job.id, folder: job.backup.folder, from, plan: true, signal: context.signal });
  yield planOf(made.map(({ name }) => ({ kind: 'create', noun: 'snapshot', subject: name, fields: [] })), []);
  if (plan || made.length === 0) return;
  yield* begin(office, context, { job, kind: 'adopt', id: runId, detail: from, work: (work) => runAdopt(work, from) });
}

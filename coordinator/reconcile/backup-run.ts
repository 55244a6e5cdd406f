import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import { formatDump, snapshotTime } from '../../shared/model/backup.js';
import type { GrantedBackup } from '../../shared/model/backup-grant.js';
import { judgeCopy, judgeShrink } from '../desired/backup-judge.js';
import { isProofDue } from '../desired/backup-health.js';
import { rotatedSnapshots } from '../desired/backup-retention.js';
import { freezeBackup, getBackup, setBaseline } from '../inventory/backup.js';
import { lastProof } from '../inventory/backup-proof.js';
import type { HostRow } from '../inventory/host.js';
import { readSnapshots, workOn } from './backup-agent.js';
import { copyBetween, isLost, type CopyEnd } from './backup-copy.js';
import type { BackupSnapshot } from './backup-entry.js';
import { proveSample } from './backup-prove.js';
import { pruneSnapshots, pruningOf } from './backup-prune.js';
import { settleByList } from './backup-settle.js';
import { hostOfWork, type BackupWork, type WorkEnd } from './backup-work.js';

/** Copies what a job names into a new snapshot, and looks after the older ones. Errors: HOST_UNREACHABLE, BACKUP_FAILED, what the agents say. */
export async function runBackup(work: BackupWork): Promise<WorkEnd> {
  const { backup } = work.job;
  const source = hostOfWork(work, backup.source);
  const destination = hostOfWork(work, backup.destination);
  await dumpAll(work, source);
  work.phase('copying');
  const before = await readSnapshots(work.fleet, destination, { id: work.job.id, folder: backup.folder }, work.signal);
  settleByList(work.world, work.job.id, before);
  const snapshot = snapshotName(work.world.clock.now(), before);
  work.note({ snapshot });
  const end = await copyBetween(work.world, work.fleet, copyOrder(work, { source, destination }, grantOf(work, snapshot, before)), earsOf(work), work.signal);
  return conclude(work, { source, destination, snapshot }, end);
}

async function dumpAll(work: BackupWork, source: HostRow): Promise<void> {
  const { job, runId, signal } = work;
  for (const dump of job.backup.dumps) {
    work.phase('dumping');
    const what = `The dump of ${formatDump(dump)}`;
    const { bytes } = await workOn(work.fleet, source, { method: 'DumpDatabase', request: { operationId: runId, jobId: job.id, dump }, what, signal }, { progress: work.progress });
    work.print(`${what} has ${String(bytes)} bytes`);
  }
}

/** The name of a new snapshot: its time, later than that of any other one, also when the clock was turned back. */
export function snapshotName(now: number, snapshots: readonly { readonly name: string }[]): string {
  const newest = Math.max(0, ...snapshots.map(({ name }) => snapshotTime(name) ?? 0));
  return `${new Date(Math.max(now, newest + 1_000)).toISOString().slice(0, 19).replaceAll(/:/g, '')}Z`;
}

function grantOf({ job: { backup } }: BackupWork, snapshot: string, before: readonly BackupSnapshot[]): GrantedBackup {
  const newest = before.at(-1);
  const complete = before.filter((row) => row.complete).at(-1);
  const basis = [...new Set([newest, complete].flatMap((row) => (row === undefined ? [] : [row.name])))];
  return { kind: 'backup', folders: backup.folders, excludes: backup.excludes, systemFolders: backup.systemFolders, into: backup.folder, snapshot, basis };
}

/** A copy from one host to another as part of a run. */
export function copyOrder(work: BackupWork, { source, destination }: { readonly source: HostRow; readonly destination: HostRow }, what: Parameters<typeof copyBetween>[2]['what']): Parameters<typeof copyBetween>[2] {
  const { bandwidthKib, timeLimitMinutes } = work.job.backup;
  return { runId: work.runId, jobId: work.job.id, sender: source, receiver: destination, bandwidthKib, seconds: timeLimitMinutes * 60, what };
}

/** What a copy says goes into its run. */
export function earsOf(work: BackupWork): Parameters<typeof copyBetween>[3] {
  return { progress: work.progress, problem: work.problem, connected: (way) => work.note({ way }), lacks: (host, what) => work.print(`rsync on host "${host.name}" is less confined than it could be: ${what}`) };
}

interface Place {
  readonly source: HostRow;
  readonly destination: HostRow;
  readonly snapshot: string;
}

async function conclude(work: BackupWork, place: Place, end: CopyEnd): Promise<WorkEnd> {
  if (work.signal.aborted) throw new Error('it is ended', { cause: work.signal.reason });
  for (const [name, side] of [['sender', end.sender], ['receiver', end.receiver]] as const) if (side !== undefined && side.output !== '') work.print(`${name}:\n${side.output}`);
  if (end.kind === 'broken') return broken(work, place, end);
  const { files, bytes, sentFiles, sentBytes } = end.receiver;
  work.note({ files, bytes, sentFiles, sentBytes });
  const verdict = judgeCopy(end.sender, end.receiver);
  return verdict.state === 'done' ? afterGood(work, place, { files, bytes }) : verdict;
}

/** A stream broke: the destination knows whether the snapshot is there. */
async function broken(work: BackupWork, place: Place, { error, sender, receiver }: Extract<CopyEnd, { kind: 'broken' }>): Promise<WorkEnd> {
  if (!(error instanceof ReeveError)) throw error;
  const reason = [sender?.reason ?? '', receiver?.reason ?? '', ...error.items.map(formatMessage)].filter((text) => text !== '').join('; ');
  if (!isLost(error)) return { state: 'failed', reason };
  try {
    const kept = (await readSnapshots(work.fleet, place.destination, { id: work.job.id, folder: work.job.backup.folder }, work.signal)).find(({ name }) => name === place.snapshot);
    if (kept === undefined) return { state: 'failed', reason };
    work.note({ files: kept.files, bytes: kept.bytes, sentBytes: kept.sentBytes });
    return kept.complete ? await afterGood(work, place, kept) : { state: 'failed', reason: `not all files could be copied; what was is kept: ${reason}` };
  } catch (asked) {
    if (work.signal.aborted || !isLost(asked)) throw asked;
    return { state: 'unknown', reason };
  }
}

/** A snapshot is whole: what is usual is noted, older ones are rotated, and it is proved when that is due. */
async function afterGood(work: BackupWork, place: Place, size: { readonly files: number; readonly bytes: number }): Promise<WorkEnd> {
  const { world, job } = work;
  const now = getBackup(world.db, job.id) ?? job;
  const shrunk = judgeShrink(job.backup, now.baseline, size);
  if (shrunk !== undefined) work.remark(`nothing is rotated any more: ${shrunk}`);
  else if (now.frozen !== undefined) work.remark('nothing is rotated: that is frozen');
  else await orRemark(work, 'older snapshots could not be taken away', () => rotate(work, place.destination));
  if (isProofDue({ job, proof: lastProof(world.db, job.id) }, world.clock.now())) {
    await orRemark(work, 'it could not be proved', async () => {
      const proof = await proveSample(work, place);
      if (!proof.ok) work.remark('what was proved is not as it is on the source');
    });
  }
  const frozen = { atMs: world.clock.now(), reason: shrunk ?? '' };
  const store = shrunk !== undefined ? (db: typeof world.db) => freezeBackup(db, job.id, frozen) : now.frozen === undefined ? (db: typeof world.db) => setBaseline(db, job.id, size) : undefined;
  return { state: 'done', reason: '', ...(store === undefined ? {} : { store }) };
}

async function rotate(work: BackupWork, destination: HostRow): Promise<void> {
  const { job, fleet, signal } = work;
  work.phase('rotating');
  const snapshots = await readSnapshots(fleet, destination, { id: job.id, folder: job.backup.folder }, signal);
  await pruneSnapshots(work, destination, pruningOf(snapshots, rotatedSnapshots(snapshots, job.backup.retention)));
}

/** What follows a copy does not make it a bad one: that it failed is only told. What ends the run ends this as well. */
async function orRemark(work: BackupWork, what: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    if (work.signal.aborted) work.remark(`${what}: it was ended`);
    else if (error instanceof ReeveError) work.remark(`${what}: ${error.items.map(formatMessage).join('; ').slice(0, 512)}`);
    else throw error;
  }
}

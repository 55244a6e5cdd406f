import { formatMessage, ReeveError, reeveError } from '../../shared/errors/error.js';
import type { BackupJob } from '../desired/backup.js';
import { judgeCopy } from '../desired/backup-judge.js';
import type { HostRow } from '../inventory/host.js';
import { readSnapshots, workOn, type BackupFleet } from './backup-agent.js';
import { copyBetween } from './backup-copy.js';
import { rootless, type BackupSnapshot } from './backup-entry.js';
import { proveFull, proveSample } from './backup-prove.js';
import { copyOrder, earsOf } from './backup-run.js';
import { hostOfWork, type BackupWork, type WorkEnd } from './backup-work.js';

/** What is restored, and where to. */
export interface Restore {
  readonly snapshot: string;
  /** From the root of the source, without the first slash; empty: all. */
  readonly path: Buffer;
  readonly targetId: string;
  readonly folder: string;
  readonly keepOld: boolean;
  /** It goes again once it was proved; absent: it is wanted. */
  readonly proof?: boolean;
}

/** A snapshot of a job: the one that is named, or the newest; complete ones before others. Errors: SNAPSHOT_UNKNOWN, HOST_UNREACHABLE, what the agent says. */
export async function findSnapshot(fleet: BackupFleet, destination: HostRow, { id, backup }: BackupJob, name: string, signal: AbortSignal): Promise<BackupSnapshot> {
  const snapshots = await readSnapshots(fleet, destination, { id, folder: backup.folder }, signal);
  const found = name === '' ? (snapshots.filter(({ complete }) => complete).at(-1) ?? snapshots.at(-1)) : snapshots.find((row) => row.name === name);
  if (found === undefined) throw reeveError('SNAPSHOT_UNKNOWN', { value: backup.name, rule: name === '' ? 'yet' : name });
  return found;
}

/** The path that is restored when none is named: the one folder of the job, or the root. */
export function restoredPath({ backup }: Pick<BackupJob, 'backup'>, path: Buffer): Buffer {
  if (path.length > 0) return rootless(path);
  const [only, ...more] = backup.folders;
  return only !== undefined && more.length + backup.dumps.length === 0 ? rootless(Buffer.from(only)) : Buffer.alloc(0);
}

/** Restores a part of a snapshot to a folder of a host. */
export async function runRestore(work: BackupWork, restore: Restore): Promise<WorkEnd> {
  const { job } = work;
  const sender = hostOfWork(work, job.backup.destination);
  const receiver = hostOfWork(work, restore.targetId);
  work.phase('restoring');
  const { snapshot, folder: into, keepOld } = restore;
  const what = { kind: 'restore', folder: job.backup.folder, snapshot, path: restore.path.toString('hex'), into, keepOld, proof: restore.proof ?? false } as const;
  const end = await copyBetween(work.world, work.fleet, copyOrder(work, { source: sender, destination: receiver }, what), earsOf(work), work.signal);
  for (const side of [end.sender, end.receiver]) if (side !== undefined && side.output !== '') work.print(side.output);
  if (end.kind === 'broken') {
    if (work.signal.aborted || !(end.error instanceof ReeveError)) throw end.error;
    const said = [end.receiver?.reason ?? '', ...end.error.items.map(formatMessage)].filter((text) => text !== '').join('; ');
    return { state: 'failed', reason: said };
  }
  const { files, bytes, sentFiles, sentBytes } = end.receiver;
  work.note({ files, bytes, sentFiles, sentBytes });
  return judgeCopy(end.sender, end.receiver);
}

/** Proves a snapshot by a sample. */
export async function runVerify(work: BackupWork, snapshot: string): Promise<WorkEnd> {
  const source = hostOfWork(work, work.job.backup.source);
  const destination = hostOfWork(work, work.job.backup.destination);
  const proof = await proveSample(work, { source, destination, snapshot });
  return proof.ok ? { state: 'done', reason: '' } : { state: 'failed', reason: 'what was proved is not as it is on the source' };
}

/** Proves a snapshot by restoring all of it to a folder of a host, and takes that away again. */
export async function runFullVerify(work: BackupWork, at: { readonly snapshot: string; readonly targetId: string; readonly folder: string }): Promise<WorkEnd> {
  const restored = await runRestore(work, { ...at, path: Buffer.alloc(0), keepOld: false, proof: true });
  if (restored.state !== 'done') return restored;
  const target = hostOfWork(work, at.targetId);
  const proof = await proveFull(work, { destination: hostOfWork(work, work.job.backup.destination), snapshot: at.snapshot, target, folder: at.folder });
  await discardRestore(work, target, at.folder);
  return proof.ok ? { state: 'done', reason: '' } : { state: 'failed', reason: 'what was restored is not as it is in the snapshot' };
}

/** What is left of a proof is told, and is no failure of it. */
async function discardRestore(work: BackupWork, target: HostRow, folder: string): Promise<void> {
  try {
    await workOn(work.fleet, target, { method: 'DiscardRestore', request: { runId: work.runId, folder }, what: 'Taking the restored files away', signal: work.signal });
  } catch (error) {
    if (work.signal.aborted || !(error instanceof ReeveError)) throw error;
    work.remark(`what was restored stays in ${folder} of "${target.name}": ${error.items.map(formatMessage).join('; ').slice(0, 500)}`);
  }
}

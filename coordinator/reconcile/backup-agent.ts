import { reeveError, ReeveError } from '../../shared/errors/error.js';
import type { BackupServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/BackupService.js';
import type { BackupWork } from '../../shared/gen/proto/reeve/agent/v1/BackupWork.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { RequestInputOf } from '../../shared/rpc/type.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import { requireAble } from './able.js';
import { parseEntry, parseProgress, parseSnapshot, wholeOf, type BackupEntry, type BackupSnapshot, type WorkProgress } from './backup-entry.js';

/** What a copy of folders needs of an agent. */
export const agentBackups = serviceName<BackupServiceDefinition>('reeve.agent.v1.BackupService');

/** The capability of an agent that can do what is here. */
export const backupAbility = { needs: { capability: 'backup', lack: 'it cannot copy backups yet' } } as const;

/** As much of the fleet as is needed to reach the agents. */
export type BackupFleet = Pick<Fleet, 'call' | 'lane' | 'live'>;

/** Methods of an agent that work and tell of it. */
type WorkMethod = 'DiscardRestore' | 'DumpDatabase' | 'LoadDump' | 'ReadSnapshots' | 'HashFiles' | 'PruneSnapshots' | 'AdoptSnapshots';

/** One piece of work on a host. */
export interface WorkOrder<M extends WorkMethod> {
  readonly method: M;
  readonly request: RequestInputOf<BackupServiceDefinition[M]>;
  /** What it is, for people, in an error: "the dump of postgresql:shop". */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** Who hears of it. A handler that takes time holds the host up. */
export interface WorkEars {
  readonly progress?: (progress: WorkProgress) => void;
  readonly entry?: (entry: BackupEntry) => void | Promise<void>;
  readonly snapshot?: (snapshot: BackupSnapshot) => void;
}

/** How it ended. */
export interface WorkResult {
  /** Not all rows were told, or not all of them could be. */
  readonly truncated: boolean;
  readonly bytes: number;
  readonly count: number;
  readonly rows: number;
}

/** Longest silence between two messages of a host that is at work, ms. */
const silenceMs = 120_000;

/** Has an agent do a piece of work. Errors: BACKUP_FAILED, HOST_UNREACHABLE, VERSION_UNSUPPORTED, what the agent says. */
export async function workOn<M extends WorkMethod>(fleet: BackupFleet, host: HostRow, order: WorkOrder<M>, ears: WorkEars = {}): Promise<WorkResult> {
  requireAble(fleet.live(host.id), backupAbility);
  const lane = await fleet.lane(host);
  const silent = new AbortController();
  // While we are at work with what it said, it is not the host that is silent.
  let busy = false;
  const timer = setTimeout(() => (busy ? timer.refresh() : silent.abort()), silenceMs);
  const failed = (rule: string): Error => reeveError('BACKUP_FAILED', { value: order.what, host: host.name, rule });
  let dropped = false;
  try {
    const signal = AbortSignal.any([order.signal, silent.signal]);
    for await (const event of lane.channel.stream<BackupServiceDefinition, M>(agentBackups, order.method, order.request, { signal }) as AsyncIterable<BackupWork>) {
      busy = true;
      if (event.progress) ears.progress?.(parseProgress(event.progress));
      if (event.snapshot) {
        const snapshot = parseSnapshot(event.snapshot);
        if (snapshot === undefined) dropped = true;
        else ears.snapshot?.(snapshot);
      }
      if (event.entry) {
        const entry = parseEntry(event.entry);
        if (entry === undefined) dropped = true;
        else await ears.entry?.(entry);
      }
      busy = false;
      timer.refresh();
      if (!event.result) continue;
      const { ok, reason, truncated, bytes, count, rows } = event.result;
      if (!ok) throw failed(reason === '' ? 'its agent does not say why' : reason.slice(0, 1_024));
      return { truncated: truncated || dropped, bytes: wholeOf(bytes), count: wholeOf(count), rows: wholeOf(rows) };
    }
  } catch (error) {
    if (silent.signal.aborted) throw failed('its agent says nothing any more');
    throw error;
  } finally {
    clearTimeout(timer);
    lane.release();
  }
  throw failed('its agent stopped in the middle');
}

/** Most snapshots of a job that are listened to. */
export const mostSnapshots = 10_000;

/** The snapshots of a job as its destination has them, oldest first; a folder that is not there yet, or is empty, has none. Errors: as of workOn. */
export async function readSnapshots(fleet: BackupFleet, host: HostRow, job: { readonly id: string; readonly folder: string }, signal: AbortSignal): Promise<readonly BackupSnapshot[]> {
  try {
    return await listSnapshots(fleet, host, job, signal);
  } catch (error) {
    if (!(error instanceof ReeveError) || (error.code !== 'BACKUP_FAILED' && error.code !== 'BACKUP_FOLDER')) throw error;
    const { state } = await inspectFolders(fleet, host, { role: 'receive', folders: [job.folder], jobId: job.id }, signal);
    // The first run makes it.
    if (state === 'missing' || state === 'empty') return [];
    throw error;
  }
}

async function listSnapshots(fleet: BackupFleet, host: HostRow, job: { readonly id: string; readonly folder: string }, signal: AbortSignal): Promise<readonly BackupSnapshot[]> {
  const snapshots: BackupSnapshot[] = [];
  const request = { jobId: job.id, folder: job.folder, snapshots: true };
  await workOn(fleet, host, { method: 'ReadSnapshots', request, what: 'the list of the snapshots', signal }, {
    snapshot(snapshot) {
      if (snapshots.length < mostSnapshots) snapshots.push(snapshot);
    },
  });
  return snapshots.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a host says of folders that it is to read, keep snapshots in, or restore to. */
export interface Inspected {
  readonly state: string;
  readonly availableBytes: number;
  readonly rsync: string;
}

/** Asks whether a host could do its part of a job. Errors: what the agent says, HOST_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function inspectFolders(fleet: BackupFleet, host: HostRow, asked: { readonly role: 'send' | 'receive' | 'restore'; readonly folders: readonly string[]; readonly jobId: string }, signal?: AbortSignal): Promise<Inspected> {
  requireAble(fleet.live(host.id), backupAbility);
  const request = { role: asked.role, folders: [...asked.folders], jobId: asked.jobId };
  const said = await fleet.call(host, agentBackups, 'InspectBackup', request, { deadlineMs: 20_000, ...(signal === undefined ? {} : { signal }) });
  return { state: said.state.slice(0, 16), availableBytes: wholeOf(said.availableBytes), rsync: said.rsync.slice(0, 32) };
}

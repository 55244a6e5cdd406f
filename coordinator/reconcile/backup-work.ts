import { reeveError } from '../../shared/errors/error.js';
import type { BackupJob, BackupProof, BackupRun } from '../desired/backup.js';
import type { ProblemRow } from '../inventory/backup-run.js';
import type { Database } from '../inventory/database.js';
import { getHost, type HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import { requireAble } from './able.js';
import { backupAbility, type BackupFleet } from './backup-agent.js';
import type { WorkProgress } from './backup-entry.js';

/** What a run is at. */
export type Phase = 'waiting' | 'dumping' | 'copying' | 'verifying' | 'rotating' | 'restoring';

/** What a run may note of itself before it ends. */
export type RunNote = Partial<Pick<BackupRun, 'snapshot' | 'files' | 'bytes' | 'sentFiles' | 'sentBytes' | 'way'>>;

/** A run as the code that does it sees it. */
export interface BackupWork {
  readonly world: World;
  readonly fleet: BackupFleet;
  /** As it was when the run began. */
  readonly job: BackupJob;
  readonly runId: string;
  /** Ends the work: cancelled, out of time, or the coordinator ends. */
  readonly signal: AbortSignal;
  phase(phase: Phase): void;
  progress(progress: WorkProgress): void;
  problem(problem: ProblemRow): void;
  /** A line of what the run's output has. Hostile text is fine. */
  print(text: string): void;
  /** Stored at once: what is asked for after a crash has to be known. */
  note(note: RunNote): void;
  /** Something of a run that is done which people should know; goes into its reason. */
  remark(text: string): void;
  proved(proof: Omit<BackupProof, 'runId' | 'jobId' | 'atMs'>): BackupProof;
}

/** How a run ended. */
export interface WorkEnd {
  readonly state: 'done' | 'failed' | 'unknown';
  readonly reason: string;
  /** What else is stored with it, in the same transaction. */
  readonly store?: (db: Database) => void;
}

/** A host that has joined, is connected as far as is known, and can copy. Errors: HOST_UNKNOWN, HOST_UNREACHABLE, VERSION_UNSUPPORTED. */
export function hostOfWork({ world, fleet }: Pick<BackupWork, 'world' | 'fleet'>, hostId: string): HostRow {
  const host = getHost(world.db, hostId);
  if (host === undefined) throw reeveError('HOST_UNKNOWN', { value: hostId });
  const live = fleet.live(hostId);
  if (live.state !== 'connected') throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: live.reason === '' ? 'not connected' : live.reason });
  requireAble(live, backupAbility);
  return host;
}

/** Most of a run's output that is kept while it runs, characters: the last of it. */
const mostOutput = 131_072;

/** The last of what a run prints. */
export function createOutput(): { print(text: string): void; text(): string } {
  let kept = '';
  return {
    print(text) {
      kept += text.endsWith('\n') || text === '' ? text : `${text}\n`;
      if (kept.length > 2 * mostOutput) kept = kept.slice(-mostOutput);
    },
    text: () => kept.slice(-mostOutput),
  };
}

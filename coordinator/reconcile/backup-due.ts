import { scheduled, type BackupJob } from '../desired/backup.js';
import { dueAt } from '../desired/backup-schedule.js';
import { listBackups } from '../inventory/backup.js';
import { lastRun } from '../inventory/backup-run.js';
import { isUnwritable } from '../inventory/write.js';
import type { World } from '../world.js';
import type { BackupFleet } from './backup-agent.js';
import type { BackupEngine } from './backup-engine.js';
import type { RunOrder } from './backup-live.js';
import { findSnapshot, runFullVerify } from './backup-restore.js';
import { runBackup } from './backup-run.js';
import { settleRuns } from './backup-settle.js';
import { hostOfWork } from './backup-work.js';

/** Longest time between two looks, ms. */
const lookMs = 60_000;

/** Starts the runs of jobs by their schedules, and finds out how those ended of which nobody knows. */
export interface BackupKeeper {
  /** Starts what is due now. */
  look(): void;
  /** Asks the destinations that are there how runs ended; of one host, when it is named. */
  settle(hostId?: string): Promise<void>;
  /** Ends the looking and all runs. */
  close(): Promise<void>;
}

/** Begins to watch over the jobs. */
export function keepBackups(world: World, fleet: BackupFleet, engine: BackupEngine): BackupKeeper {
  const stop = new AbortController();
  const settling = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    clearTimeout(timer);
    if (stop.signal.aborted) return;
    const nextMs = startDue(world, fleet, engine);
    timer = setTimeout(tick, Math.min(lookMs, Math.max(1_000, nextMs - world.clock.now())));
    timer.unref();
  };
  const settle = (hostId?: string): Promise<void> => {
    if (stop.signal.aborted) return Promise.resolve();
    const work: Promise<void> = settleRuns(world, fleet, stop.signal, hostId)
      .catch((error: unknown) => world.log.error({ err: error }, 'what became of backups could not be found out'))
      .finally(() => settling.delete(work));
    settling.add(work);
    return work;
  };
  const tick = (): void => {
    look();
    void settle();
  };
  timer = setTimeout(tick, 1_000);
  timer.unref();
  return {
    look,
    settle,
    async close() {
      stop.abort();
      clearTimeout(timer);
      await engine.close();
      await Promise.allSettled(settling);
    },
  };
}

/** Starts what is due, those that are due longest first; answers when the next one is, unix ms. One whose hosts are not there waits for them: it is late, and made up once. */
function startDue(world: World, fleet: BackupFleet, engine: BackupEngine): number {
  const { db, clock, log } = world;
  const now = clock.now();
  const jobs = listBackups(db).filter(({ backup }) => backup.active);
  const orders = jobs.flatMap((job) => [backupDue(world, job), drillDue(world, job)].flatMap((due) => (due === undefined ? [] : [{ job, ...due }])));
  const due = orders.filter(({ atMs }) => atMs <= now).sort((a, b) => a.atMs - b.atMs);
  for (const { job, hosts, order } of due) {
    if (engine.active(job.id) !== undefined || hosts.some((id) => fleet.live(id).state !== 'connected')) continue;
    try {
      engine.start(order());
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      log.error({ err: error, job: job.backup.name }, 'a backup that is due could not be begun');
    }
  }
  return Math.min(...orders.filter(({ atMs }) => atMs > now).map(({ atMs }) => atMs), now + lookMs);
}

interface Due {
  readonly atMs: number;
  /** Ids of the hosts that have to be there. */
  readonly hosts: readonly string[];
  readonly order: () => RunOrder;
}

/** When a job began last, whoever began it; one that never ran counts from when it was added. */
export function beganAt({ db }: Pick<World, 'db'>, job: BackupJob): number {
  return lastRun(db, job.id, { kind: 'backup' })?.startedAtMs ?? job.addedAtMs;
}

function backupDue(world: World, job: BackupJob): Due | undefined {
  const atMs = dueAt(job.backup, beganAt(world, job));
  if (atMs === undefined) return undefined;
  const order = (): RunOrder => ({ job, kind: 'backup', by: scheduled, principal: 'reeved', detail: { due: new Date(atMs).toISOString() }, work: runBackup });
  return { atMs, hosts: [job.backup.source, job.backup.destination], order };
}

/** A drill is due so long after the last one; the first one when there is something to restore. */
function drillDue(world: World, job: BackupJob): Due | undefined {
  const { drill, destination } = job.backup;
  const good = drill === undefined ? undefined : lastRun(world.db, job.id, { kind: 'backup', states: ['done'] });
  if (drill === undefined || good === undefined) return undefined;
  const last = lastRun(world.db, job.id, { kind: 'verify', by: scheduled });
  const order = (): RunOrder => ({
    job, kind: 'verify', by: scheduled, principal: 'reeved', detail: { host: drill.host, folder: drill.folder },
    async work(work) {
      const { name: snapshot } = await findSnapshot(work.fleet, hostOfWork(work, destination), job, '', work.signal);
      work.note({ snapshot });
      return runFullVerify(work, { snapshot, targetId: drill.host, folder: `${drill.folder}/${snapshot}` });
    },
  });
  return { atMs: (last?.startedAtMs ?? good.startedAtMs) + (last === undefined ? 0 : drill.everyDays * 86_400_000), hosts: [destination, drill.host], order };
}

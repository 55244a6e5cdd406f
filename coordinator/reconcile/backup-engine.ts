import { reeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import { formatUtc } from '../../shared/model/time.js';
import type { BackupJob, BackupRun } from '../desired/backup.js';
import { addAudit } from '../inventory/audit.js';
import { proofOf } from '../inventory/backup-proof.js';
import { addRun, getRun, orphanRuns } from '../inventory/backup-run.js';
import { noting, writing } from '../inventory/write.js';
import type { World } from '../world.js';
import type { BackupFleet } from './backup-agent.js';
import { carryOut, type ActiveRun, type RunOrder, type RunView } from './backup-live.js';
import { createSlots } from './backup-slot.js';

/** Runs the runs of jobs, one of a job at a time. */
export interface BackupEngine {
  /** Journals a run and begins it. Errors: BACKUP_BUSY, AUDIT_UNWRITABLE, DATABASE_UNSAFE. */
  start(order: RunOrder): ActiveRun;
  /** The run of a job that is under way; undefined: there is none. */
  active(jobId: string): ActiveRun | undefined;
  /** Ends the run of a job on all hosts; resolves when its end is stored. Errors: BACKUP_IDLE. */
  cancel(job: BackupJob, principal: string): Promise<BackupRun>;
  /** Ends all runs; how they ended is found out after the next start. */
  close(): Promise<void>;
}

/** The engine over a fleet. Runs of a process before this one are looked into: nothing of them runs. */
export function createBackupEngine(world: World, fleet: BackupFleet, onBug: (error: unknown) => void): BackupEngine {
  const { db, clock, log } = world;
  const active = new Map<string, ActiveRun>();
  const closing = new AbortController();
  const tools = { world, fleet, slots: createSlots(), closing: closing.signal, onBug };
  noting(db, log, () => {
    const orphans = orphanRuns(db, clock.now());
    if (orphans > 0) log.warn({ runs: orphans }, 'backups were under way when the coordinator ended; their destinations are asked what became of them');
  });
  return {
    start(order) {
      const { job, kind } = order;
      requireIdle(active.get(job.id), job);
      const now = clock.now();
      const run = { id: order.id ?? newId(now), jobId: job.id, kind, by: order.by, startedAtMs: now, snapshot: order.snapshot ?? '' };
      writing(db, () => {
        // One whose end could not be stored holds nothing up.
        orphanRuns(db, now, job.id);
        addRun(db, run);
        addAudit(db, { timeMs: now, principal: order.principal, action: `backup ${kind} ${job.backup.name}`, arguments: JSON.stringify({ job: job.id, ...order.detail }), phase: 'intent', operationId: run.id, code: '' });
      });
      const made = carryOut(tools, order, { ...run, state: 'running', endedAtMs: undefined, reason: '', files: 0, bytes: 0, sentFiles: 0, sentBytes: 0, way: '', problems: 0 });
      active.set(job.id, made);
      void made.ended.catch(onBug).finally(() => {
        if (active.get(job.id) === made) active.delete(job.id);
      });
      return made;
    },
    active: (jobId) => active.get(jobId),
    async cancel(job, principal) {
      const running = active.get(job.id);
      if (running === undefined) throw reeveError('BACKUP_IDLE', { value: job.backup.name });
      const { id } = running.view().run;
      writing(db, () => addAudit(db, { timeMs: clock.now(), principal, action: `backup cancel ${job.backup.name}`, arguments: JSON.stringify({ job: job.id }), phase: 'ok', operationId: id, code: '' }));
      running.stop('cancelled');
      return (await running.ended).run;
    },
    async close() {
      closing.abort();
      const all = [...active.values()];
      for (const running of all) running.stop('closing');
      await Promise.allSettled(all.map(({ ended }) => ended));
    },
  };
}

/** Refuses what cannot be done while a job runs. Errors: BACKUP_BUSY. */
export function requireIdle(running: ActiveRun | undefined, { backup }: BackupJob): void {
  const run = running?.view().run;
  if (run?.state !== 'running') return;
  throw reeveError('BACKUP_BUSY', { value: backup.name, rule: `${run.kind} by ${run.by} since ${formatUtc(run.startedAtMs)}` });
}

/** The run of that id, as it is now: under way or ended. undefined: there is none. */
export function viewRun({ db }: Pick<World, 'db'>, engine: BackupEngine, id: string): RunView | undefined {
  const run = getRun(db, id);
  if (run === undefined) return undefined;
  const running = engine.active(run.jobId)?.view();
  return running?.run.id === id ? running : { run, progress: undefined, proof: proofOf(db, id) };
}

import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { mostRuns, type BackupJob, type BackupProof, type BackupRun, type RunKind } from '../desired/backup.js';
import { addAudit } from '../inventory/audit.js';
import { getBackup } from '../inventory/backup.js';
import { addProof } from '../inventory/backup-proof.js';
import { setRun, setRunDetails, tidyRuns, type ProblemRow } from '../inventory/backup-run.js';
import { noteChange } from '../inventory/revision.js';
import { isUnwritable, writing } from '../inventory/write.js';
import type { World } from '../world.js';
import type { BackupFleet } from './backup-agent.js';
import type { WorkProgress } from './backup-entry.js';
import type { Slots } from './backup-slot.js';
import { createOutput, type BackupWork, type Phase, type WorkEnd } from './backup-work.js';

/** What is to be run. */
export interface RunOrder {
  readonly job: BackupJob;
  readonly kind: RunKind;
  /** UUIDv7; undefined: a new one. */
  readonly id?: string | undefined;
  /** As the run's row has it: an operator's account, or "schedule". */
  readonly by: string;
  /** As the audit has it. */
  readonly principal: string;
  /** Its arguments for the audit. */
  readonly detail: object;
  /** Snapshot that it uses; a backup makes its own. */
  readonly snapshot?: string;
  readonly work: (work: BackupWork) => Promise<WorkEnd>;
}

/** Where a run is. */
export interface RunView {
  readonly run: BackupRun;
  /** Undefined: it does not run. */
  readonly progress: (WorkProgress & { readonly phase: Phase; readonly elapsedMs: number }) | undefined;
  /** A proof that it made. */
  readonly proof: BackupProof | undefined;
}

/** Why the work of a run is ended from outside. */
type Stop = 'cancelled' | 'time' | 'closing';

/** A run that is under way. */
export interface ActiveRun {
  view(): RunView;
  /** Ends its work on all hosts. */
  stop(why: Stop): void;
  /** Resolves when its end is stored. */
  readonly ended: Promise<RunView>;
}

/** What runs have in common. */
export interface RunTools {
  readonly world: World;
  readonly fleet: BackupFleet;
  readonly slots: Slots;
  /** The coordinator ends. */
  readonly closing: AbortSignal;
  readonly onBug: (error: unknown) => void;
}

const nothing: WorkProgress = { files: 0, filesTotal: 0, bytes: 0, rate: 0, percent: 0, remainingSeconds: 0 };

/** Until an end that the database did not take is stored again, ms. */
const unwritableWaitMs = 10_000;

/** What is known of a run while it is under way. */
interface Live {
  run: BackupRun;
  phase: Phase;
  progress: WorkProgress;
  proof: BackupProof | undefined;
  readonly problems: ProblemRow[];
  readonly remarks: string[];
  readonly output: ReturnType<typeof createOutput>;
}

/** Carries out a run that is journaled. */
export function carryOut(tools: RunTools, order: RunOrder, begun: BackupRun): ActiveRun {
  const { clock } = tools.world;
  const live: Live = { run: begun, phase: 'waiting', progress: nothing, proof: undefined, problems: [], remarks: [], output: createOutput() };
  const stop = new AbortController();
  const beganMs = clock.monotonic();
  const view = (): RunView => ({
    run: live.run,
    progress: live.run.state === 'running' ? { ...live.progress, phase: live.phase, elapsedMs: Math.round(clock.monotonic() - beganMs) } : undefined,
    proof: live.proof,
  });
  const ended = workOut(tools, order, workOf(tools, order, live, stop.signal), stop).then(async (end) => {
    if (stop.signal.reason !== 'closing') await finish(tools, order, live, endedRun(live, end, { cancelled: stop.signal.reason === 'cancelled', now: clock.now() }), end);
    return view();
  });
  return { view, ended, stop: (why) => stop.abort(why) };
}

function workOf({ world, fleet }: RunTools, { job }: RunOrder, live: Live, signal: AbortSignal): BackupWork {
  return {
    world, fleet, job, signal,
    runId: live.run.id,
    phase(phase) {
      live.phase = phase;
      live.progress = nothing;
      noteChange(world.db);
    },
    progress(progress) {
      live.progress = progress;
      noteChange(world.db);
    },
    problem(problem) {
      live.run = { ...live.run, problems: live.run.problems + 1 };
      if (live.problems.length < mostRuns.problems) live.problems.push(problem);
    },
    print: (text) => live.output.print(text),
    note(note) {
      live.run = { ...live.run, ...note };
      writing(world.db, () => setRun(world.db, live.run));
    },
    remark: (text) => void live.remarks.push(text),
    proved: (proof) => (live.proof = { ...proof, runId: live.run.id, jobId: job.id, atMs: world.clock.now() }),
  };
}

/** Does the work in a place of its destination and within its time. */
async function workOut({ slots, onBug }: RunTools, order: RunOrder, work: BackupWork, stop: AbortController): Promise<WorkEnd> {
  const { backup } = order.job;
  let release = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    release = await slots.take(backup.destination, stop.signal);
    timer = setTimeout(() => stop.abort('time' satisfies Stop), backup.timeLimitMinutes * 60_000);
    return await order.work(work);
  } catch (error) {
    if (stop.signal.aborted) return { state: 'failed', reason: stop.signal.reason === 'time' ? `it was ended after ${String(backup.timeLimitMinutes)} minutes` : 'it was ended' };
    if (!(error instanceof ReeveError)) onBug(error);
    return { state: 'failed', reason: error instanceof ReeveError ? error.items.map(formatMessage).join('; ') : 'Reeve made a mistake; its log has the details' };
  } finally {
    clearTimeout(timer);
    release();
  }
}

/** A run that was done all the same when it was cancelled is done. */
function endedRun(live: Live, end: WorkEnd, { cancelled, now }: { readonly cancelled: boolean; readonly now: number }): BackupRun {
  const how = cancelled && end.state !== 'done' ? ({ state: 'cancelled', reason: 'it was cancelled' } as const) : { state: end.state, reason: [end.reason, ...live.remarks].filter((text) => text !== '').join('; ') };
  return { ...live.run, ...how, reason: how.reason.slice(0, mostRuns.reason), endedAtMs: now };
}

/** Stores how a run ended; a database that takes no writes is asked again until the coordinator ends. */
async function finish({ world, closing }: RunTools, order: RunOrder, live: Live, run: BackupRun, end: WorkEnd): Promise<void> {
  const { db, clock, log } = world;
  const store = (): void => {
    // The job may be gone with one of its hosts.
    if (getBackup(db, order.job.id) === undefined || !setRun(db, run)) return;
    setRunDetails(db, run.id, { output: live.output.text(), problems: live.problems });
    if (live.proof !== undefined) addProof(db, live.proof);
    end.store?.(db);
    tidyRuns(db, run.jobId);
    const detail = { state: run.state, snapshot: run.snapshot, reason: run.reason };
    addAudit(db, { timeMs: clock.now(), principal: order.principal, action: `backup ${run.kind} ${order.job.backup.name}`, arguments: JSON.stringify(detail), phase: run.state === 'done' ? 'ok' : 'failed', operationId: run.id, code: '' });
  };
  for (;;) {
    try {
      writing(db, store);
      live.run = run;
      return;
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      log.error({ err: error, run: run.id }, 'how a backup ended waits until the database can be written');
    }
    if (!(await waitFor(unwritableWaitMs, closing))) return;
  }
}

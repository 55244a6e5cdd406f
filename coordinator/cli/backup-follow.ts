import { ReeveError } from '../../shared/errors/error.js';
import type { BackupPlan } from '../../shared/gen/proto/reeve/coordinator/v1/BackupPlan.js';
import type { BackupProof } from '../../shared/gen/proto/reeve/coordinator/v1/BackupProof.js';
import type { BackupRun } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRun.js';
import type { BackupRunEvent } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import type { ChangeOptionsInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import { newId } from '../../shared/kit/id.js';
import { vis } from '../../shared/model/vis.js';
import { renderNotes } from './backup-change.js';
import { createRunProgress } from './backup-progress.js';
import { renderEnd, renderProof } from './backup-run-text.js';
import { requireDecided } from './change.js';
import { renderChanges } from './change-text.js';
import { confirm } from './confirm.js';
import type { Api } from './connect.js';
import type { Context } from './context.js';
import { exitOfError } from './exit.js';
import { failureJson, formatJson, toJson, type Json } from './json.js';

/** What is known of a run when its events end, however they end. */
interface Known {
  plan?: BackupPlan;
  run?: BackupRun;
  proof?: BackupProof;
  ended: boolean;
  /** Why the events ended early. */
  broken?: ReeveError;
}

/** How a run is followed. */
export interface FollowOptions {
  /** Name of the job. */
  readonly name: string;
  /** Not to its end: only until it has begun. */
  readonly detach?: boolean;
  /** What is about to be done was shown before. */
  readonly shown?: boolean;
}

/** Follows a run to its end and shows how it ended; whoever goes before leaves it running. Gives the exit code. Errors: what the call says before the run has begun. */
export async function followRun(context: Context, events: AsyncIterable<BackupRunEvent>, options: FollowOptions): Promise<number> {
  const known = await follow(context, events, options);
  if (context.json) context.terminal.out(formatJson(documentOf(known)));
  else reportText(context, known, options);
  if (known.broken !== undefined) return exitOfError(known.broken);
  if (!known.ended) return 0;
  return known.run?.state === 'done' && known.proof?.ok !== false ? 0 : 1;
}

/** Plans, shows, asks and does what goes on for a while, or the part of it that the options ask for. Gives the exit code. Errors: FIELD_MISSING, CANCELLED, what the call says. */
export async function runWork(
  context: Context,
  flags: { readonly plan: boolean; readonly yes: boolean },
  { name, start }: { readonly name: string; readonly start: (api: Api, options: ChangeOptionsInput) => AsyncIterable<BackupRunEvent> },
): Promise<number> {
  requireDecided(context, { ...flags, stage: false });
  const { terminal } = context;
  const api = await context.api();
  const apply: ChangeOptionsInput = { mode: 'CHANGE_MODE_APPLY', operationId: newId(context.clock.now()) };
  if (flags.yes && !flags.plan) return followRun(context, start(api, apply), { name });

  const plan = await planOf(start(api, { mode: 'CHANGE_MODE_PLAN' }));
  if (context.json) terminal.out(formatJson({ plan: toJson(plan) }));
  else terminal.out(renderPlan(context, plan));
  if (plan.changes.length === 0 && !context.json) terminal.out('Nothing to do.\n');
  if (flags.plan || plan.changes.length === 0) return 0;
  await confirm(context, 'Do it?');
  return followRun(context, start(api, apply), { name, shown: true });
}

async function planOf(events: AsyncIterable<BackupRunEvent>): Promise<BackupPlan> {
  for await (const { plan } of events) if (plan) return plan;
  throw endedEarly();
}

function endedEarly(): ReeveError {
  return new ReeveError([{ code: 'INTERNAL', fields: { correlation: 'the coordinator ended the answer early' } }]);
}

/** The events of one call to their end. A call that ends early throws, unless the run may have begun: then what is known is given with the error. */
async function follow(context: Context, events: AsyncIterable<BackupRunEvent>, { detach, shown }: FollowOptions): Promise<Known> {
  const known: Known = { ended: false };
  const progress = createRunProgress(context);
  try {
    for await (const event of events) {
      if (event.plan) {
        known.plan = event.plan;
        if (!context.json && shown !== true) context.terminal.out(renderPlan(context, event.plan));
      } else if (event.run) {
        known.run = event.run;
        if (detach === true) return known;
        progress.heard(event.run);
      } else if (event.proof) {
        known.proof = event.proof;
      } else if (event.ended) {
        known.run = event.ended;
        known.ended = true;
      }
    }
    if (!known.ended && !nothingToDo(known)) throw endedEarly();
  } catch (error) {
    if (!(error instanceof ReeveError) || (known.run === undefined && error.code !== 'CANCELLED')) throw error;
    known.broken = error;
  } finally {
    progress.close();
  }
  return known;
}

/** Whether the call said what would be done, which is nothing, and began no run. */
function nothingToDo({ plan, run }: Known): boolean {
  return plan !== undefined && plan.changes.length === 0 && run === undefined;
}

function renderPlan({ terminal }: Context, { changes, notes }: BackupPlan): string {
  return renderChanges(terminal, changes, '') + renderNotes(terminal, notes);
}

function documentOf({ plan, run, proof, broken }: Known): Readonly<Record<string, Json>> {
  return {
    ...(plan === undefined ? {} : { plan: toJson(plan) }),
    ...(run === undefined ? {} : { run: toJson(run) }),
    ...(proof === undefined ? {} : { proof: toJson(proof) }),
    ...(broken === undefined ? {} : (failureJson(broken) as Readonly<Record<string, Json>>)),
  };
}

function reportText(context: Context, known: Known, { name }: FollowOptions): void {
  const { run, proof, ended, broken } = known;
  const { terminal } = context;
  const now = context.clock.now();
  const further = `  To watch it: reeve backup log ${name} --follow. To end it: reeve backup cancel ${name}\n`;
  if (broken !== undefined) {
    const why = broken.code === 'CANCELLED' ? '' : `${vis(broken.message)}; `;
    terminal.err(`reeve: ${why}${run === undefined ? 'if it has begun, it' : 'what has begun'} goes on.\n${further}`);
    return;
  }
  if (proof !== undefined) terminal.out(renderProof(terminal, proof, now));
  if (ended && run !== undefined) terminal.out(renderEnd(run, now));
  else if (nothingToDo(known)) terminal.out('Nothing to do.\n');
  else terminal.out(`${vis(run?.id ?? '')} has begun.\n${further}`);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import { privdVerbs, type PrivdVerbName } from '../../shared/gen/privd.js';
import { createUndoList } from '../../shared/kit/undo.js';
import type { Helper } from '../host/host.js';
import type { StoredStep } from '../journal/line.js';
import { formatStep, type Step } from './step.js';

/** What running steps needs. */
export interface StepRunner {
  readonly helper: Helper;
  /** Makes the steps of a noun that is the agent's own; undefined: the helper does. */
  readonly perform: ((step: StoredStep, operationId: string) => Promise<void>) | undefined;
  readonly hostName: string;
  readonly operationId: string;
  /** Called after each step: the place where tests let the agent die. */
  readonly stepDone: () => void;
}

/** Waits before a helper that did not answer is asked again, ms. Its verbs are repeatable, and systemd starts it anew. */
const retryWaitsMs = [200, 1000, 3000];

/** Makes a step that is a verb of the helper. What the verb takes as bytes stands in the step as base64, as the journal can keep it. */
export async function callHelper(helper: Helper, operationId: string, step: StoredStep): Promise<void> {
  const verb = step.verb as PrivdVerbName;
  const request: Record<string, unknown> = { ...step.request };
  for (const { name, type } of privdVerbs[verb].request) {
    const value = request[name];
    if (type === 'bytes' && typeof value === 'string') request[name] = Buffer.from(value, 'base64');
  }
  await helper.call(verb, operationId, request);
}

/** Makes the steps in order. When one fails, takes back what was made, newest first, and throws the failure with what could not be taken back. */
export async function runSteps(runner: StepRunner, steps: readonly Step[]): Promise<void> {
  const undo = createUndoList();
  let final = false;
  for (const step of steps) {
    final ||= step.final;
    try {
      await makeStep(runner, step);
    } catch (error) {
      if (final) throw markFinal(withHost(error, runner.hostName));
      // Its answer may be lost although it was done: taking back what was never made is harmless.
      if (step.undo !== undefined && isUnreachable(error)) pushUndo(undo, runner, step, step.undo);
      throw failureOf(runner, error, await undo.run());
    }
    if (step.undo !== undefined) pushUndo(undo, runner, step, step.undo);
    runner.stepDone();
  }
}

/** Takes back all steps of a journaled operation, newest first, and answers `cause` with what could not be taken back. */
export async function runUndo(runner: StepRunner, saved: readonly StoredStep[], cause: unknown): Promise<ReeveError> {
  const undo = createUndoList();
  for (const step of saved) undo.push(formatStep(step), () => makeStep(runner, step));
  return failureOf(runner, cause, await undo.run());
}

const finalFailures = new WeakSet<object>();

function markFinal(error: ReeveError): ReeveError {
  finalFailures.add(error);
  return error;
}

/** Whether a failure came from a final step: what was made before it stands. */
export function isFinalFailure(error: unknown): boolean {
  return typeof error === 'object' && error !== null && finalFailures.has(error);
}

/** An error as the caller gets it: what the helper refused, with the name of the host. */
export function withHost(error: unknown, hostName: string): ReeveError {
  if (!(error instanceof ReeveError)) return reeveError('INTERNAL', { correlation: 'the log of the agent' }, { cause: error });
  return new ReeveError(error.items.map(({ code, fields }) => ({ code, fields: { ...fields, host: hostName } })), { cause: error });
}

/** Whether the helper gave no answer. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ReeveError && error.code === 'HELPER_UNREACHABLE';
}

function pushUndo(undo: ReturnType<typeof createUndoList>, runner: StepRunner, step: Step, back: StoredStep): void {
  undo.push(formatStep(step), () => makeStep(runner, back));
}

async function makeStep(runner: StepRunner, step: StoredStep): Promise<void> {
  await askAgain(() => (runner.perform === undefined ? callHelper(runner.helper, runner.operationId, step) : runner.perform(step, runner.operationId)));
}

/** Asks the helper for something that can be repeated, a few times when it gives no answer or has no time. */
export async function askAgain<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const waitMs = retryWaitsMs[attempt];
      if (waitMs === undefined || !(isUnreachable(error) || (error instanceof ReeveError && error.code === 'BUSY'))) throw error;
      await sleep(waitMs);
    }
  }
}

function failureOf(runner: StepRunner, cause: unknown, remains: readonly { what: string; error: unknown }[]): ReeveError {
  const items = withHost(cause, runner.hostName).items;
  const left: ErrorItem[] = remains.map(({ what, error }) => ({
    code: 'IO_FAILED',
    fields: { host: runner.hostName, rule: `"${what}" could not be taken back: ${error instanceof Error ? error.message : String(error)}` },
  }));
  return new ReeveError([...items, ...left], { cause });
}

import { randomBytes } from 'node:crypto';
import { reeveError, ReeveError } from '../../../shared/errors/error.js';
import { forEachLimited } from '../../../shared/kit/queue.js';
import { vis } from '../../../shared/model/vis.js';
import type { Context } from '../context.js';
import { exitOfOutcomeOf, outcomeText, type Outcome } from './outcome.js';
import { takeIn, type Step, type TakeIn } from './take-in.js';
import type { Target } from './target.js';

/** Takes several machines in, at most `parallel` at a time. A machine that fails keeps nobody else from coming in; a line for each says what became of it. */
export async function takeInMany(context: Context, world: Omit<TakeIn, 'onStep'>, targets: readonly Target[], parallel: number): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  await forEachLimited(targets, parallel, async (target) => {
    let at: Step = 'connect';
    const outcome = await takeIn({ ...world, onStep: (step) => void (at = step) }, target).then(
      (taken): Outcome => ({ name: target.name, kind: 'in', taken }),
      (error: unknown): Outcome => ({ name: target.name, kind: 'failed', error: knownError(context, error), step: at }),
    );
    outcomes.set(target.name, outcome);
    if (!context.json) context.terminal.err(`${String(outcomes.size)} of ${String(targets.length)}: ${outcome.kind === 'in' ? outcomeText(outcome) : `host "${vis(target.name)}" failed at ${at}\n`}`);
  });
  return targets.flatMap((target) => outcomes.get(target.name) ?? []);
}

/** A bug with one machine does not end the others; its stack goes to standard error, as that of any command does. */
function knownError(context: Context, error: unknown): ReeveError {
  if (error instanceof ReeveError) return error;
  const correlation = randomBytes(8).toString('hex');
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  context.terminal.err(stack.split('\n').map((line) => `${correlation}: ${vis(line)}\n`).join(''));
  return reeveError('INTERNAL', { correlation }, { cause: error });
}

/** What became of all, for people: the failed ones with their reasons, and how to go on. */
export function summaryText(outcomes: readonly Outcome[]): string {
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed');
  const before = outcomes.filter((outcome) => outcome.kind === 'in' && outcome.taken.before).length;
  const away = failed.filter((outcome) => exitOfOutcomeOf(outcome) === 3).length;
  const counts = [`${String(outcomes.length - failed.length)} of ${String(outcomes.length)} hosts are in`, ...(before === 0 ? [] : [`${String(before)} of them were before`])].join(', ');
  if (failed.length === 0) return `${counts}.\n`;
  return `${failed.map(outcomeText).join('')}${counts}; ${String(failed.length)} failed${away === 0 ? '' : `, ${String(away)} of them not reachable`}. The same command again does only those.\n`;
}

import { reeveError } from '../../shared/errors/error.js';
import type { Context } from './context.js';

/** Refuses when nobody can be asked: FIELD_MISSING of `--yes`, with what to do instead. */
export function requireAnswerer(context: Context, rule: string): void {
  if (context.json || !context.terminal.interactive) throw reeveError('FIELD_MISSING', { field: '--yes', rule: `nobody can be asked here; ${rule}` });
}

/** Asks a yes-or-no question; anything but yes ends the command. Errors: CANCELLED. */
export async function confirm(context: Context, question: string): Promise<void> {
  let answer = '';
  try {
    answer = await context.terminal.ask(`${question} [y/N] `, context.signal);
  } catch (error) {
    throw reeveError('CANCELLED', {}, { cause: error });
  }
  if (!/^y(?:es)?$/i.test(answer)) throw reeveError('CANCELLED');
}

/** Asks before something that cannot be taken back by itself, unless `--yes` was given. Errors: FIELD_MISSING when nobody can be asked, CANCELLED. */
export async function sure(context: Context, args: { readonly yes: boolean }, question: string): Promise<void> {
  if (args.yes) return;
  requireAnswerer(context, 'add --yes to do it without a question');
  await confirm(context, question);
}

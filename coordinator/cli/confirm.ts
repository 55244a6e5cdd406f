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

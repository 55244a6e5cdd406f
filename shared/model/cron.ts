import { fieldInvalid } from './field.js';

/** Bounds of the five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). */
const bounds = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 7]] as const;

const rule = 'five fields of numbers, ranges, lists and steps: minute, hour, day, month, day of the week; no names, at most 100 characters';

/** A schedule as crontab(5) has it, numbers only, in its canonical form: one blank between fields. At most once a minute. Errors: FIELD_INVALID. */
export function parseCron(field: string, text: string): string {
  const fields = text.split(' ');
  const good = text.length <= 100 && fields.length === bounds.length && fields.every((part, index) => part.split(',').every((item) => isItem(item, bounds[index] ?? [1, 0])));
  if (!good) throw fieldInvalid(field, text, rule);
  return text;
}

/** `*`, a number or a range, each with or without a step. */
function isItem(item: string, [low, high]: readonly [number, number]): boolean {
  const found: readonly (string | undefined)[] = /^(?:\*|(0|[1-9][0-9]?)(?:-(0|[1-9][0-9]?))?)(?:\/([1-9][0-9]?))?$/.exec(item) ?? ['', '-1'];
  const [, from, to, step] = found;
  const first = from === undefined ? low : Number(from);
  const last = to === undefined ? (from === undefined ? high : first) : Number(to);
  // A step of one number says nothing.
  if (step !== undefined && from !== undefined && to === undefined) return false;
  return first >= low && last <= high && first <= last && (step === undefined || Number(step) <= high);
}

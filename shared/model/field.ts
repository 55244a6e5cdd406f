import { reeveError, type ReeveError } from '../errors/error.js';
import { vis } from './vis.js';

/** The error for a field that does not follow its grammar. The value is shown escaped and cut to 100 characters. */
export function fieldInvalid(field: string, value: string, rule: string): ReeveError {
  const shown = vis(value);
  return reeveError('FIELD_INVALID', { field, value: shown.length > 100 ? `${shown.slice(0, 100)}…` : shown, rule });
}

/** The error for a field that is required and not there. */
export function fieldMissing(field: string, rule: string): ReeveError {
  return reeveError('FIELD_MISSING', { field, rule });
}

/** A text that a pattern accepts whole; otherwise FIELD_INVALID (FIELD_MISSING when it is empty). */
export function parsePattern(field: string, text: string, pattern: RegExp, rule: string): string {
  if (text === '') throw fieldMissing(field, rule);
  if (!pattern.test(text)) throw fieldInvalid(field, text, rule);
  return text;
}

/** A whole number within bounds; otherwise FIELD_INVALID. */
export function parseInteger(field: string, value: number, bounds: { min: number; max: number }): number {
  if (!Number.isSafeInteger(value) || Object.is(value, -0) || value < bounds.min || value > bounds.max) {
    throw fieldInvalid(field, String(value), `a whole number from ${String(bounds.min)} to ${String(bounds.max)}`);
  }
  return value;
}

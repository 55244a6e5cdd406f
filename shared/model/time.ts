import { fieldInvalid } from './field.js';

/** A time in UTC from `YYYY-MM-DD` (its beginning) or `YYYY-MM-DDTHH:MM[:SS]Z`, unix ms. Errors: FIELD_INVALID. */
export function parseTime(field: string, text: string): number {
  const [, day, minute = '00:00', second = '00'] = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2})(?::([0-9]{2}))?Z)?$/.exec(text) ?? [];
  const iso = `${day ?? ''}T${minute}:${second}.000Z`;
  const ms = Date.parse(iso);
  // A day that is not in the calendar is read as one of the next month.
  if (day === undefined || Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw fieldInvalid(field, text, 'a time in UTC: 2026-01-31 or 2026-01-31T09:05Z');
  return ms;
}

/** A time in UTC to the second, for people. */
export function formatUtc(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? '?' : date.toISOString().replace(/\.\d+Z$/, 'Z');
}

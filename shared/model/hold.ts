import type { ErrorItem } from '../errors/error.js';
import { fieldInvalid, fieldMissing, parsePattern } from './field.js';
import { hasUnsafeCharacter } from './vis.js';

/** While it lasts, nothing but removal of access is applied to a host, or to one noun of it. */
export interface Hold {
  /** Empty: all nouns. */
  readonly noun: string;
  /** Unix ms; undefined: only by hand. */
  readonly untilMs: number | undefined;
  /** Who set it. */
  readonly by: string;
  readonly reason: string;
  /** Unix ms. */
  readonly sinceMs: number;
  /** Set on the host by its root. */
  readonly local: boolean;
}

/** How long a hold may last, ms. */
export const holdBounds = { minMs: 60_000, maxMs: 30 * 86_400_000 } as const;

/** Most holds that are taken of one host. */
export const mostHolds = 64;

/** Name of the ability to apply only what removes access. */
export const removalOnlyCapability = 'removal-only';

/** The length of a hold, ms: 1 min to 30 d. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHoldLength(ms: number | undefined): number {
  if (ms === undefined) throw fieldMissing('the length of the hold', '1m to 30d');
  if (!Number.isSafeInteger(ms) || ms < holdBounds.minMs || ms > holdBounds.maxMs) throw fieldInvalid('length of the hold', `${String(Math.round(ms / 1000))}s`, '1m to 30d');
  return ms;
}

/** The reason of a hold: letters, marks, numbers, punctuation, symbols and spaces in NFC, 1 to 200. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseHoldReason(text: string): string {
  const rule = 'letters, marks, numbers, punctuation and spaces, at most 200 characters';
  if (text.trim() === '') throw fieldMissing('reason', rule);
  const fits = text.normalize('NFC') === text && text.trim() === text && Array.from(text).length <= 200 && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(text);
  if (!fits || hasUnsafeCharacter(text)) throw fieldInvalid('reason', text, rule);
  return text;
}

/** The noun of a hold; empty: all. Whether there is such a noun is not known here. Errors: FIELD_INVALID. */
export function parseHoldNoun(text: string): string {
  return text === '' ? '' : parsePattern('noun', text, /^[a-z]{1,32}$/, 'lower-case letters, e.g. user');
}

/** Of all holds the one that lasts longest and is about this noun; undefined: none. */
export function holdOn(holds: readonly Hold[], noun: string): Hold | undefined {
  const end = (hold: Hold): number => hold.untilMs ?? Infinity;
  return holds.filter((hold) => hold.noun === '' || hold.noun === noun).reduce<Hold | undefined>((best, hold) => (best === undefined || end(hold) > end(best) ? hold : best), undefined);
}

/** `held until TIME by WHO: REASON`, for people. */
export function describeHold(hold: Hold): string {
  return `held until ${formatHoldEnd(hold)} by ${hold.by}${hold.local ? ' on the host itself' : ''}: ${hold.reason}`;
}

/** The end of a hold in UTC to the second, for people. */
export function formatHoldEnd(hold: Pick<Hold, 'untilMs'>): string {
  const date = new Date(hold.untilMs ?? NaN);
  return Number.isNaN(date.getTime()) ? 'it is ended by hand' : date.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** A hold as the error that says why something is not applied. */
export function heldItem(host: string, noun: string, hold: Hold): ErrorItem {
  const remedy = hold.local ? `on host "${host}", as root: reeve-agent hold --end` : `reeve host hold ${host} --end`;
  return { code: 'HOST_HELD', fields: { host, noun, text: describeHold(hold), remedy } };
}

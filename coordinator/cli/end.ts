import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { parseTime } from '../../shared/model/time.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Option } from './command.js';
import type { Context } from './context.js';

/** Options that say when something ends. */
export const endOptions = {
  for: { kind: 'value', value: 'TIME', text: 'How long, e.g. 8h or 90d' },
  until: { kind: 'value', value: 'TIME', text: 'Until when, in UTC: 2026-01-31 or 2026-01-31T09:05Z' },
} as const satisfies Record<string, Option>;

/** Which of them exclude each other. */
export const endExclusive: readonly (readonly [string, string])[] = [['for', 'until']];

/** Longest time that something may be said to last, ms. */
const mostMs = 100 * 365 * 86_400_000;

/** The end that the options name, whole seconds; nothing: none. Errors: FIELD_INVALID. */
export function parseEnd(context: Context, args: { readonly for: string | undefined; readonly until: string | undefined }): { expiresAt?: { seconds: number; nanos: number } } {
  const now = context.clock.now();
  if (args.for === undefined && args.until === undefined) return {};
  const ms = args.for === undefined ? parseTime('--until', args.until ?? '') : now + parseDuration('--for', args.for);
  if (ms <= now || ms > now + mostMs) throw fieldInvalid(args.for === undefined ? '--until' : '--for', args.for ?? args.until ?? '', 'a time in the future, at most 100 years away');
  return { expiresAt: toTimestamp(Math.floor(ms / 1000) * 1000) };
}

import { fieldInvalid } from './field.js';

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration from `90s`, `30m`, `24h` or `7d`, in ms. Errors: FIELD_INVALID. */
export function parseDuration(field: string, text: string): number {
  const match = /^([1-9][0-9]{0,8})([smhd])$/.exec(text);
  const unit = match?.[2] as keyof typeof unitsMs | undefined;
  if (match?.[1] === undefined || unit === undefined) throw fieldInvalid(field, text, 'a whole number with its unit: 90s, 30m, 24h or 7d');
  return Number(match[1]) * unitsMs[unit];
}

/** How long a join token is good, ms: `1m` to `24h`. Errors: FIELD_INVALID. */
export function parseTtl(text: string): number {
  const ms = parseDuration('ttl', text);
  if (ms < 60_000 || ms > 24 * 3_600_000) throw fieldInvalid('ttl', text, '1m to 24h');
  return ms;
}

/** How long ago, in the largest unit that fits: `12s`, `3m`, `5h`, `9d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${String(seconds)}s`;
  if (seconds < 3600) return `${String(Math.floor(seconds / 60))}m`;
  if (seconds < 2 * 86_400) return `${String(Math.floor(seconds / 3600))}h`;
  return `${String(Math.floor(seconds / 86_400))}d`;
}

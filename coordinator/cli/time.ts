import { fromTimestamp, type WireTime } from '../../shared/rpc/time.js';
import { formatAge } from '../../shared/model/duration.js';

/** A time for people, in the local time zone: `2026-01-31 09:05:00`; empty when it is absent. */
export function formatTime(time: WireTime | null): string {
  const ms = fromTimestamp(time);
  if (ms === undefined) return '';
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** How long ago a time was, e.g. `5h`; empty when it is absent. */
export function formatSince(time: WireTime | null, now: number): string {
  const ms = fromTimestamp(time);
  return ms === undefined ? '' : formatAge(now - ms);
}

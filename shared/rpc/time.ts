/** google.protobuf.Timestamp as the codec gives it. */
export interface WireTime {
  readonly seconds: number | string | { toString(): string };
  readonly nanos: number;
}

/** Unix ms as a Timestamp. */
export function toTimestamp(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** A Timestamp as unix ms; undefined when it is absent. */
export function fromTimestamp(time: WireTime | null | undefined): number | undefined {
  if (time === null || time === undefined) return undefined;
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6);
}

/** Milliseconds as a Duration. */
export function toDuration(ms: number): { seconds: number; nanos: number } {
  return toTimestamp(ms);
}

/** A Duration as milliseconds; undefined when it is absent. */
export function fromDuration(duration: WireTime | null | undefined): number | undefined {
  return fromTimestamp(duration);
}

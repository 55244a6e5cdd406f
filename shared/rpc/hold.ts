import type { Held as WireHeld } from '../gen/proto/reeve/type/v1/Held.js';
import type { Hold as WireHold } from '../gen/proto/reeve/type/v1/Hold.js';
import type { HeldInput } from '../gen/proto/reeve/type/v1/Held.js';
import type { HoldInput } from '../gen/proto/reeve/type/v1/Hold.js';
import { formatChange, parseChange, type Change } from '../model/change.js';
import { mostHolds, type Hold } from '../model/hold.js';
import { fromTimestamp, toTimestamp } from './time.js';

/** What a hold held back. */
export interface Held {
  readonly changes: readonly Change[];
  /** The host's own holds; empty: only the coordinator asked for it. */
  readonly holds: readonly Hold[];
}

/** A hold as the wire has it. */
export function formatHold(hold: Hold): HoldInput {
  const { noun, by, reason, local } = hold;
  return { noun, by, reason, local, since: toTimestamp(hold.sinceMs), ...(hold.untilMs === undefined ? {} : { until: toTimestamp(hold.untilMs) }) };
}

/** What was held back as the wire has it; null: nothing. */
export function formatHeld(held: Held | undefined): HeldInput | null {
  return held === undefined ? null : { changes: held.changes.map(formatChange), holds: held.holds.map(formatHold) };
}

/** Holds as a host reports them, cut to their bounds. Their texts stay hostile: escape them where they are shown. */
export function parseHolds(wire: readonly WireHold[]): readonly Hold[] {
  return wire.slice(0, mostHolds).map((hold) => ({
    noun: hold.noun.slice(0, 32),
    by: hold.by.slice(0, 64),
    reason: hold.reason.slice(0, 200),
    local: hold.local,
    sinceMs: fromTimestamp(hold.since) ?? 0,
    untilMs: fromTimestamp(hold.until),
  }));
}

/** What a host says it held back, cut to its bounds; undefined: nothing. */
export function parseHeld(wire: WireHeld | null): Held | undefined {
  return wire === null ? undefined : { changes: wire.changes.slice(0, 10_000).map(parseChange), holds: parseHolds(wire.holds) };
}

import { parsePattern, parseInteger } from '../../shared/model/field.js';
import { mostHolds, parseHoldLength, parseHoldNoun, parseHoldReason, type Hold } from '../../shared/model/hold.js';

/** A local hold as it is on disk: how long it lasts, and both clocks when it was set. */
export interface StoredHold {
  readonly noun: string;
  readonly by: string;
  readonly reason: string;
  readonly lengthMs: number;
  /** Wall clock when it was set, unix ms. */
  readonly setAtMs: number;
  /** The mark of the boot it was set in, and CLOCK_MONOTONIC then, ms. */
  readonly bootId: string;
  readonly setBootMs: number;
}

/** The clocks that the end of a hold is computed from. */
export interface HoldClocks {
  readonly nowMs: number;
  readonly bootId: string;
  readonly bootMs: number;
  /** CLOCK_MONOTONIC when this hold was first seen by who asks; absent: just now. */
  readonly firstSeenMs?: (hold: StoredHold) => number;
}

/** A wall clock that is this close to the true end of a hold is believed, ms: the end that is shown then stays the same text. */
const settledMs = 5_000;

/**
 * How much of a hold is left, ms; 0: it has ended. In the boot it was set in CLOCK_MONOTONIC alone counts, so that a jump of the wall clock neither ends
 * nor prolongs it. After a reboot the wall clock says how long the host was down; one that went back counts as no time at all, but what has passed since
 * the agent first saw the hold counts in any case: it ends at the latest its whole length after the agent began.
 */
export function holdLeftMs(hold: StoredHold, clocks: HoldClocks): number {
  const sameBoot = hold.bootId === clocks.bootId && clocks.bootMs >= hold.setBootMs;
  const passedMs = sameBoot ? clocks.bootMs - hold.setBootMs : Math.max(clocks.nowMs - hold.setAtMs, clocks.bootMs - (clocks.firstSeenMs?.(hold) ?? clocks.bootMs), 0);
  return Math.max(0, hold.lengthMs - passedMs);
}

/** The holds that are in force, with their ends by the wall clock. */
export function holdsInForce(stored: readonly StoredHold[], clocks: HoldClocks): readonly Hold[] {
  return stored.flatMap((hold) => {
    const left = holdLeftMs(hold, clocks);
    if (left === 0) return [];
    const meant = hold.setAtMs + hold.lengthMs;
    const computed = clocks.nowMs + left;
    const untilMs = Math.abs(meant - computed) < settledMs ? meant : Math.round(computed / 60_000) * 60_000;
    return [{ noun: hold.noun, by: hold.by, reason: hold.reason, sinceMs: hold.setAtMs, untilMs, local: true }];
  });
}

/** Holds as the file has them. */
export function formatStoredHolds(holds: readonly StoredHold[]): string {
  return `${JSON.stringify({ version: 1, holds }, undefined, 1)}\n`;
}

/** Holds from the file. Errors: FIELD_INVALID, FIELD_MISSING; SyntaxError when it is no JSON. */
export function parseStoredHolds(text: string): readonly StoredHold[] {
  const file = JSON.parse(text) as { version?: unknown; holds?: unknown } | null;
  parseInteger('version', Number(file?.version), { min: 1, max: 1 });
  const rows = Array.isArray(file?.holds) ? (file.holds as unknown[]) : [];
  parseInteger('number of holds', rows.length, { min: 0, max: mostHolds });
  return rows.map(parseRow);
}

function parseRow(row: unknown): StoredHold {
  const fields = (typeof row === 'object' && row !== null ? row : {}) as Readonly<Record<string, unknown>>;
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : '';
  };
  const time = (name: string): number => parseInteger(name, Number(fields[name]), { min: 0, max: Number.MAX_SAFE_INTEGER });
  return {
    noun: parseHoldNoun(text('noun')),
    by: parsePattern('by', text('by'), /^[A-Za-z0-9._-]{1,64}$/, 'a name of at most 64 characters'),
    reason: parseHoldReason(text('reason')),
    lengthMs: parseHoldLength(Number(fields['lengthMs'])),
    setAtMs: time('setAtMs'),
    bootId: text('bootId').slice(0, 64),
    setBootMs: time('setBootMs'),
  };
}

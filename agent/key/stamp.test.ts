import { describe, expect, it } from 'vitest';
import { testLine } from '../../test/support/test-key.js';
import { staleness, stampLines, unbounded } from './stamp.js';

const now = Date.UTC(2026, 5, 1) + 123;
const second = 1000;
const wholeNow = now - 123;
const boundS = 86_400;
const last = wholeNow + (boundS - 60) * second;

const expiries = (lines: Parameters<typeof stampLines>[0], present: Parameters<typeof stampLines>[1] = [], fresh = true): (number | undefined)[] =>
  stampLines(lines, present, { now, boundS, fresh }).map((line) => line.options.expiresAtMs);
const until = (expiresAtMs: number | undefined) => [testLine(1, 'x', { expiresAtMs })];

describe('stamps of max-stale', () => {
  it('are none without a bound', () => {
    expect(stampLines(until(undefined), until(last), { now, boundS: unbounded, fresh: true })).toEqual(until(undefined));
  });
  it('end every line in time, but later than its own end never', () => {
    expect(expiries(until(undefined))).toEqual([last]);
    expect(expiries(until(wholeNow + second))).toEqual([wholeNow + second]);
    expect(expiries(until(last + 5 * second))).toEqual([last]);
  });
  it('stay while more than half of the time is left', () => {
    const half = wholeNow + (boundS / 2 + 1) * second;
    expect(expiries(until(undefined), until(half))).toEqual([half]);
    expect(expiries(until(undefined), until(half - 2 * second))).toEqual([last]);
    expect(expiries(until(undefined), until(last + second)), 'beyond the bound').toEqual([last]);
  });
  it('are not made later by what is no word of a coordinator', () => {
    expect(expiries(until(undefined), until(wholeNow + second), false)).toEqual([wholeNow + second]);
  });
  it('ask the policy for no more than its bound', () => {
    expect(staleness(stampLines([...until(undefined), testLine(2)], [], { now, boundS, fresh: true }), now)).toBeLessThanOrEqual(boundS);
    expect(staleness(until(undefined), now)).toBe(unbounded);
    expect(staleness(until(wholeNow - second), now)).toBe(0);
    expect(staleness([], now)).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { formatStoredHolds, holdLeftMs, holdsInForce, parseStoredHolds, type HoldClocks, type StoredHold } from './stored.js';

const hour = 3_600_000;
const day = 24 * hour;
const setAtMs = Date.UTC(2026, 0, 31, 9);
const hold: StoredHold = { noun: '', by: 'root', reason: 'disk swap', lengthMs: 4 * hour, setAtMs, bootId: 'b1', setBootMs: 10 * hour };
const at = (passed: number, more: { jump?: number; bootId?: string; bootMs?: number; seenFor?: number } = {}): HoldClocks => ({
  nowMs: setAtMs + passed + (more.jump ?? 0), bootId: more.bootId ?? 'b1', bootMs: more.bootMs ?? 10 * hour + passed,
  ...(more.seenFor === undefined ? {} : { firstSeenMs: () => (more.bootMs ?? 10 * hour + passed) - (more.seenFor ?? 0) }),
});

describe('a local hold', () => {
  it.each([
    ['just set', at(0), 4 * hour],
    ['after an hour', at(hour), 3 * hour],
    ['when its time has come', at(4 * hour), 0],
    ['long after', at(9 * day), 0],
    ['after the clock jumped three days ahead', at(hour, { jump: 3 * day }), 3 * hour],
    ['after the clock jumped three days back', at(hour, { jump: -3 * day }), 3 * hour],
    ['over, with a clock that went back', at(4 * hour, { jump: -3 * day }), 0],
    ['after a reboot that took an hour', at(2 * hour, { bootId: 'b2', bootMs: 60_000 }), 2 * hour],
    ['after a reboot with a clock that went back', at(2 * hour, { jump: -3 * day, bootId: 'b2', bootMs: hour, seenFor: hour }), 3 * hour],
    ['a whole length after the agent began in another boot, whatever the clock says', at(5 * hour, { jump: -9 * day, bootId: 'b2', bootMs: 4 * hour, seenFor: 4 * hour }), 0],
    ['in a container that was started again while its kernel has run for a year', at(hour, { bootId: 'b2', bootMs: 365 * day }), 3 * hour],
  ])('%s', (_what, clocks, left) => {
    expect(holdLeftMs(hold, clocks)).toBe(left);
  });

  it('says the same end every time, also when the wall clock drifts by seconds', () => {
    const ends = [0, 1, 999, 60_001, hour].map((passed) => holdsInForce([hold], { ...at(passed), nowMs: setAtMs + passed + 1200 })[0]?.untilMs);
    expect(new Set(ends)).toEqual(new Set([setAtMs + 4 * hour]));
  });

  it('says the end by the clock that the host has now', () => {
    expect(holdsInForce([hold], at(hour, { jump: 3 * day }))[0]?.untilMs).toBe(setAtMs + 4 * hour + 3 * day);
    expect(holdsInForce([hold], at(4 * hour))).toEqual([]);
  });

  it('is read as it was written', () => {
    expect(parseStoredHolds(formatStoredHolds([hold, { ...hold, noun: 'user' }]))).toEqual([hold, { ...hold, noun: 'user' }]);
    expect(parseStoredHolds(formatStoredHolds([]))).toEqual([]);
  });

  it.each(['{}', 'null', '[]', '{"version":2,"holds":[]}', '{"version":1,"holds":[{}]}', JSON.stringify({ version: 1, holds: [{ ...hold, reason: 'a\nb' }] }),
    JSON.stringify({ version: 1, holds: [{ ...hold, lengthMs: 1e12 }] }), JSON.stringify({ version: 1, holds: [{ ...hold, by: '$(id)' }] })])('refuses %s', (text) => {
    expect(() => parseStoredHolds(text)).toThrow();
  });
});

import { expect, test } from 'vitest';
import { judgeClock } from './clock.js';

const now = Date.UTC(2026, 10, 21, 12);
const minute = 60_000;
const judge = (offsetMs: number, othersMs: readonly number[] = []): { state: string; text: string; fix: string } => {
  const { state, text, fix } = judgeClock({ hostName: 'web1', now, offsetMs, othersMs });
  return { state, text, fix: fix === undefined ? '' : `${fix.at} ${fix.text} ${fix.command}` };
};

test.each([
  [0, 'ok'],
  [-5 * minute, 'ok'],
  [5 * minute + 1, 'warning'],
  [-10 * minute, 'warning'],
  [10 * minute + 1, 'failed'],
  [-3 * 24 * 60 * minute, 'failed'],
])('a difference of %i ms is %s', (offsetMs, state) => {
  expect(judge(offsetMs).state).toBe(state);
});

test('both times are named', () => {
  expect(judge(3 * 60 * minute).text).toBe('Its clock is 3 h ahead: web1 has 2026-11-21T15:00:00.000Z, the coordinator has 2026-11-21T12:00:00.000Z. It refuses changes, except those that take access away.');
});

test('the host is asked to be set, unless most others differ alike: then it is the coordinator', () => {
  expect(judge(3 * 60 * minute, [0, 10, 3 * 60 * minute]).fix).toContain('web1 Set the clock');
  expect(judge(3 * 60 * minute, [3 * 60 * minute, 3 * 60 * minute + 900, 0]).fix).toContain("coordinator's clock is probably the wrong one");
});

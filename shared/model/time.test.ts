import { expect, it } from 'vitest';
import { formatUtc, parseTime } from './time.js';

it.each([
  ['2026-01-31', '2026-01-31T00:00:00Z'],
  ['2026-01-31T09:05Z', '2026-01-31T09:05:00Z'],
  ['2028-02-29T23:59:59Z', '2028-02-29T23:59:59Z'],
])('reads %s', (text, shown) => {
  expect(formatUtc(parseTime('time', text))).toBe(shown);
});

it.each(['', '2026-02-30', '2026-13-01', '2026-01-31 09:05', '2026-01-31T09:05', '2026-01-31T25:00Z', '2026-01-31T09:05:60Z', '26-01-31', 'tomorrow', ' 2026-01-31'])('refuses "%s"', (text) => {
  expect(() => parseTime('time', text)).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
});

it('shows a time that is none', () => {
  expect(formatUtc(NaN)).toBe('?');
});

import { describe, expect, it } from 'vitest';
import { formatAge, parseDuration } from './duration.js';

describe('durations', () => {
  it.each([['90s', 90_000], ['30m', 1_800_000], ['24h', 86_400_000], ['7d', 604_800_000]])('%s is %i ms', (text, ms) => {
    expect(parseDuration('ttl', text)).toBe(ms);
  });

  it.each(['', '30', 'm', '0m', '-5m', '1.5h', '5 m', '5M', '1h30m', '1e3s', '٣m', '9999999999s'])('"%s" is refused', (text) => {
    expect(() => parseDuration('ttl', text)).toThrow(/ttl .* is not allowed/);
  });

  it.each([[-5, '0s'], [59_999, '59s'], [60_000, '1m'], [3_599_000, '59m'], [3_600_000, '1h'], [100_000_000, '27h'], [200_000_000, '2d']])('%i ms ago reads %s', (ms, text) => {
    expect(formatAge(ms)).toBe(text);
  });
});

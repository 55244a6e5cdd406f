import { describe, expect, it } from 'vitest';
import { describeHold, heldItem, holdOn, parseHoldLength, parseHoldNoun, parseHoldReason, type Hold } from './hold.js';
import { formatMessage, formatRemedy } from '../errors/error.js';

const hold: Hold = { noun: '', untilMs: Date.UTC(2026, 0, 31, 9, 5, 0, 123), by: 'uid:ada', reason: 'disk swap', sinceMs: 0, local: false };

describe('a hold', () => {
  it.each([60_000, 30 * 86_400_000])('may last %i ms', (ms) => {
    expect(parseHoldLength(ms)).toBe(ms);
  });

  it.each([0, 59_999, 30 * 86_400_000 + 1, -60_000, NaN, Infinity])('may not last %d ms', (ms) => {
    expect(() => parseHoldLength(ms)).toThrow(/length of the hold .* is not allowed: 1m to 30d/);
  });

  it('needs a length and a reason', () => {
    expect(() => parseHoldLength(undefined)).toThrow(/is missing: 1m to 30d/);
    for (const text of ['', '  ']) expect(() => parseHoldReason(text)).toThrow(/reason is missing/);
  });

  it.each(['disk swap', 'Migration: 14:00-18:00 (Änderung №7)', '再起動', 'a'.repeat(200)])('takes the reason %s', (text) => {
    expect(parseHoldReason(text)).toBe(text);
  });

  it.each(['a\nb', 'a\u001b[2J', 'a\u202eb', 'a\u200bb', 'e\u0301', ' a', 'a'.repeat(201), 'a\ue000'])('refuses the reason %j', (text) => {
    expect(() => parseHoldReason(text)).toThrow(/reason .* is not allowed/);
  });

  it.each(['User', 'a b', '-x', 'u1'])('refuses the noun %s', (text) => {
    expect(() => parseHoldNoun(text)).toThrow(/noun .* is not allowed/);
  });

  it('is found by its noun, and the one that lasts longest counts', () => {
    const user = { ...hold, noun: 'user', untilMs: 5 };
    const all = { ...hold, untilMs: 3 };
    const faulty = { ...hold, noun: 'nat', untilMs: undefined };
    expect(holdOn([user, all, faulty], 'user')).toBe(user);
    expect(holdOn([user, all, faulty], 'cert')).toBe(all);
    expect(holdOn([user, all, faulty], 'nat')).toBe(faulty);
    expect(holdOn([user], 'nat')).toBeUndefined();
  });

  it('is described with its end, who set it, and why', () => {
    expect(describeHold(hold)).toBe('held until 2026-01-31T09:05:00Z by uid:ada: disk swap');
    expect(describeHold({ ...hold, local: true, by: 'root', untilMs: undefined })).toBe('held until it is ended by hand by root on the host itself: disk swap');
    expect(formatMessage(heldItem('web1', 'user', hold))).toBe('Noun user of host "web1" is held until 2026-01-31T09:05:00Z by uid:ada: disk swap');
    expect(formatRemedy(heldItem('web1', 'user', hold))).toContain('reeve host hold web1 --end');
    expect(formatRemedy(heldItem('web1', 'user', { ...hold, local: true }))).toContain('reeve-agent hold --end');
  });
});

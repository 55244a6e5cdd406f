import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseBackup } from '../../shared/model/backup.js';
import { nextCron } from './backup-cron.js';
import { cronOf, dueAt, lateAt, nextStart, startOffsetMs } from './backup-schedule.js';

const at = (text: string): number => Date.parse(`${text.replace(' ', 'T')}:00Z`);
const shown = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16).replace('T', ' '));

describe('a line of crontab', () => {
  it.each([
    ['* * * * *', '2026-01-01 00:00', '2026-01-01 00:01'],
    ['0 2 * * *', '2026-01-01 02:00', '2026-01-02 02:00'],
    ['0 2 * * *', '2026-01-01 01:59', '2026-01-01 02:00'],
    ['*/20 8-9 * * *', '2026-01-01 09:40', '2026-01-02 08:00'],
    ['30 1 * * 1-5', '2026-01-02 12:00', '2026-01-05 01:30'],
    ['0 0 * * 0', '2026-01-01 00:00', '2026-01-04 00:00'],
    ['0 0 * * 7', '2026-01-01 00:00', '2026-01-04 00:00'],
    ['0 0 29 2 *', '2026-01-01 00:00', '2028-02-29 00:00'],
    ['0 0 31 * *', '2026-01-31 00:00', '2026-03-31 00:00'],
    // Both say something: either is enough.
    ['0 0 13 * 5', '2026-02-13 00:00', '2026-02-20 00:00'],
    ['0 0 13 * 5', '2026-03-06 00:00', '2026-03-13 00:00'],
    // A step of "*" says nothing of its own (crontab(5) of cron).
    ['0 0 */2 * 1', '2026-01-01 00:00', '2026-01-05 00:00'],
    ['5,10 0 1 1,7 *', '2026-01-01 00:05', '2026-01-01 00:10'],
  ])('%s is after %s next at %s', (text, after, next) => {
    expect(shown(nextCron(text, at(after)))).toBe(next);
  });

  it('may never come', () => {
    expect(nextCron('0 0 30 2 *', at('2026-01-01 00:00'))).toBeUndefined();
    expect(shown(nextCron('0 0 29 2 *', at('2096-03-01 00:00')))).toBe('2104-02-29 00:00');
  });
});

const job = (more: object) => parseBackup({
  name: 'web', source: 'a', folders: ['/srv'], destination: 'b', folder: '/b', excludes: [], systemFolders: false, schedule: { cron: '', windowMinutes: 0 }, retention: null, bandwidthKib: 0, timeLimitMinutes: 0, dumps: [],
  active: true, shrinkPercent: 0, verifyDays: 0, drill: null, ...more,
});

describe('a job', () => {
  test.each([
    [{ hourly: 1, daily: 1, weekly: 1, monthly: 1 }, '0 * * * *'],
    [{ hourly: 0, daily: 1, weekly: 1, monthly: 1 }, '0 0 * * *'],
    [{ hourly: 0, daily: 0, weekly: 1, monthly: 1 }, '0 0 * * 1'],
    [{ hourly: 0, daily: 0, weekly: 0, monthly: 1 }, '0 0 1 * *'],
  ])('runs as often as the finest level of its retention (%o)', (retention, cron) => {
    expect(cronOf(job({ retention }))).toBe(cron);
  });

  it('never runs by itself without a schedule, or when it is not active', () => {
    expect(dueAt(job({ schedule: null }), 0)).toBeUndefined();
    expect(dueAt(job({ active: false }), 0)).toBeUndefined();
    expect(lateAt(job({ schedule: null }), 0)).toBeUndefined();
  });

  it('makes up for starts that were missed once', () => {
    const daily = job({ schedule: { cron: '0 2 * * *', windowMinutes: 0 } });
    expect(shown(dueAt(daily, at('2026-01-01 02:00')))).toBe('2026-01-02 02:00');
    // Down for a week, then begun once at noon.
    expect(shown(dueAt(daily, at('2026-01-09 12:00')))).toBe('2026-01-10 02:00');
  });

  it('is late two starts and its window after the last good run', () => {
    const moved = job({ schedule: { cron: '0 2 * * *', windowMinutes: 30 } });
    const offset = startOffsetMs(moved);
    expect(lateAt(moved, at('2026-01-01 02:00') + offset)).toBe(at('2026-01-03 02:30') + offset);
  });

  it('always begins at the same time within its window, after the time it is asked from', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{1,12}$/), fc.integer({ min: 0, max: 1440 }), fc.integer({ min: 1, max: 4_000_000_000 }), (name, windowMinutes, after) => {
        const some = job({ name, schedule: { cron: '0 2 * * *', windowMinutes } });
        const next = nextStart(some, after * 1000);
        const offset = startOffsetMs(some);
        expect(offset).toBeLessThanOrEqual(windowMinutes * 60_000);
        expect(next).toBeGreaterThan(after * 1000);
        expect(next).toBeLessThanOrEqual(after * 1000 + 86_400_000);
        expect(((next ?? 0) - offset + 79_200_000) % 86_400_000).toBe(0);
      }),
    );
  });
});

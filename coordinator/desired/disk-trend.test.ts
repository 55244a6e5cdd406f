import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { projectDisk, type DiskSample } from './disk-trend.js';

const gib = 2 ** 30;
const hour = 3_600_000;
const day = 24 * hour;
const now = Date.parse('2026-03-10T12:00:00Z');

/** Hourly samples until now, the oldest first, of a disk of 100 GiB; `available` says how much at the age of a sample, in hours. */
function hourly(hours: number, available: (age: number) => number, totalBytes = 100 * gib): DiskSample[] {
  return Array.from({ length: hours + 1 }, (_, index) => hours - index).map((age) => ({ atMs: now - age * hour, totalBytes, availableBytes: Math.round(available(age)) }));
}

describe('a disk that fills', () => {
  it('is full when its room divided by its growth is over', () => {
    const trend = projectDisk('/srv', hourly(72, (age) => (10 + age / 24) * gib), now);
    expect(trend).toEqual({ mount: '/srv', totalBytes: 100 * gib, availableBytes: 10 * gib, growthPerDayBytes: gib, fullAtMs: now + 10 * day });
  });

  it('is told by its last days, not by what was before', () => {
    const trend = projectDisk('/', hourly(20 * 24, (age) => (age > 7 * 24 ? 60 - (age - 7 * 24) / 24 : 50 + age / 12) * gib), now);
    expect(trend.growthPerDayBytes / gib).toBeCloseTo(2, 1);
  });

  it('is not turned by a few samples that are odd', () => {
    const odd = hourly(72, (age) => (10 + age / 24) * gib).map((sample, index) => (index % 10 === 3 ? { ...sample, availableBytes: sample.availableBytes - 4 * gib } : sample));
    expect(projectDisk('/', odd, now).growthPerDayBytes / gib).toBeCloseTo(1, 1);
  });

  it('is full when nothing is left', () => {
    expect(projectDisk('/', hourly(1, () => 0), now).fullAtMs).toBe(now);
  });
});

describe('nothing is foretold', () => {
  test.each<[string, DiskSample[]]>([
    ['without a sample', []],
    ['from less than a day', hourly(23, (age) => (10 + age) * gib)],
    ['from few samples', hourly(72, (age) => (10 + age / 24) * gib).filter((_, index) => index % 9 === 0)],
    ['of less than a day since much was deleted', hourly(72, (age) => (age > 20 ? 10 + age / 24 : 60 + age / 24) * gib)],
    ['of less than a day since it got another size', hourly(72, (age) => (10 + age / 24) * gib).map((sample, index) => (index < 60 ? { ...sample, totalBytes: 80 * gib } : sample))],
    ['of a disk that empties', hourly(72, (age) => (40 - age / 24) * gib)],
    ['of a disk that stays', hourly(72, () => 10 * gib)],
    ['beyond a year', hourly(72, (age) => (90 + age / 24000) * gib)],
    ['of samples that are to come', hourly(72, (age) => (10 + age / 24) * gib).map((sample) => ({ ...sample, atMs: sample.atMs + 80 * hour }))],
  ])('%s', (_name, samples) => {
    expect(projectDisk('/', samples, now).fullAtMs).toBeUndefined();
  });
});

describe('a turn', () => {
  it('begins anew a day after a deletion', () => {
    const trend = projectDisk('/', hourly(96, (age) => (age > 30 ? 10 + age / 4 : 60 + age / 24) * gib), now);
    expect(trend).toMatchObject({ growthPerDayBytes: gib, fullAtMs: now + 60 * day });
  });

  it('begins anew a day after a resize', () => {
    const grown = hourly(96, (age) => (age > 30 ? 1 : 51 + age / 24) * gib).map((sample, index) => (index <= 65 ? { ...sample, totalBytes: 50 * gib } : sample));
    expect(projectDisk('/', grown, now)).toMatchObject({ growthPerDayBytes: gib, fullAtMs: now + 51 * day });
  });

  it('is none where much is deleted every night: that disk is not about to be full', () => {
    const trend = projectDisk('/', hourly(7 * 24, (age) => (20 + (age % 24)) * gib), now);
    expect(trend.fullAtMs === undefined || trend.fullAtMs > now + 60 * day).toBe(true);
  });
});

describe('whatever was seen', () => {
  const gibs = fc.integer({ min: 1, max: 4000 }).map((amount) => amount * gib);

  it('a straight line is found again', () => {
    fc.assert(
      fc.property(gibs, fc.integer({ min: -2000, max: 2000 }), fc.integer({ min: 24, max: 24 * 31 }), (left, megabytes, hours) => {
        const perHour = (megabytes * 2 ** 20) / 24;
        const total = 8000 * gib;
        const trend = projectDisk('/', hourly(hours, (age) => left + age * perHour, total).map((sample) => ({ ...sample, availableBytes: Math.max(0, sample.availableBytes) })), now);
        if (left + hours * perHour < 0) return;
        expect(Math.abs(trend.growthPerDayBytes - megabytes * 2 ** 20)).toBeLessThanOrEqual(24);
        if (trend.fullAtMs !== undefined) expect(Math.abs((trend.fullAtMs - now) / day - left / trend.growthPerDayBytes)).toBeLessThan(0.001);
      }),
    );
  });

  it('the answer is of the last sample, finite, and between now and a year from now', () => {
    const sample = fc.record({ atMs: fc.integer({ min: now - 40 * day, max: now + day }), totalBytes: fc.integer({ min: 0, max: 2 ** 50 }), availableBytes: fc.integer({ min: 0, max: 2 ** 50 }) });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 400 }), (samples) => {
        const ordered = [...samples].sort((a, b) => a.atMs - b.atMs);
        const last = ordered.filter(({ atMs }) => atMs <= now).at(-1);
        const trend = projectDisk('/', ordered, now);
        expect(trend.availableBytes).toBe(last?.availableBytes ?? 0);
        expect(Number.isSafeInteger(trend.growthPerDayBytes)).toBe(true);
        if (trend.fullAtMs === undefined) return;
        expect(trend.fullAtMs).toBeGreaterThanOrEqual(last?.atMs ?? 0);
        expect(trend.fullAtMs).toBeLessThanOrEqual(now + 366 * day);
      }),
    );
  });

  it('more growth is never full later', () => {
    fc.assert(
      fc.property(gibs, fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 500 }), (left, slow, more) => {
        const at = (megabytes: number): number => projectDisk('/', hourly(48, (age) => left + age * ((megabytes * 2 ** 20) / 24), 8000 * gib), now).fullAtMs ?? Infinity;
        expect(at(slow + more)).toBeLessThanOrEqual(at(slow));
      }),
    );
  });
});

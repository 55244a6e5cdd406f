import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, expect, it, test } from 'vitest';
import { createLog } from '../../shared/kit/log.js';
import { factLimits, type Disk, type Facts } from '../../shared/model/fact.js';
import { historySample, type HistorySample } from '../desired/history.js';
import { diskEvery, openHistory, pointEvery, type History } from './history.js';

const folder = mkdtempSync(join(tmpdir(), 'reeve-history-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const gib = 2 ** 30;
const start = Date.parse('2026-03-01T00:00:00Z');
const web = 'web1'.padEnd(36, '-');
const db1 = 'db1'.padEnd(36, '-');

const open = (path = ':memory:'): History => openHistory(path, { log: createLog('test', 'silent') });

function sample(hostId: string, more: { load?: number; rooms?: Readonly<Record<string, number>>; pressure?: number } = {}): HistorySample {
  const { load = 0.5, rooms = { '/': 30 }, pressure } = more;
  return {
    hostId,
    figures: { load, memoryPercent: 25, diskPercent: 12.34, cpuPressure: pressure, memoryPressure: pressure, ioPressure: pressure },
    disks: Object.entries(rooms).map(([mount, left]) => ({ mount, totalBytes: 40 * gib, availableBytes: Math.floor(left * gib) })),
  };
}

test('points are those of a host, oldest first, since a time', () => {
  const history = open();
  for (let index = 0; index < 6; index += 1) history.note([sample(web, { load: index, ...(index > 3 ? { pressure: 1.25 } : {}) }), sample(db1, { load: 9 })], start + 3 * minute + index * 10 * minute);
  const points = history.points(web, start + 20 * minute);
  expect(points.map(({ atMs, load }) => [(atMs - start) / minute, load])).toEqual([[23, 2], [33, 3], [43, 4], [53, 5]]);
  expect(points[0]).toEqual({ atMs: start + 23 * minute, load: 2, memoryPercent: 25, diskPercent: 12.34, cpuPressure: undefined, memoryPressure: undefined, ioPressure: undefined });
  expect(points[3]).toMatchObject({ cpuPressure: 1.25, memoryPressure: 1.25, ioPressure: 1.25 });
  expect(history.points(web, start + 23 * minute)).toHaveLength(4);
  expect(history.points('nobody'.padEnd(36, '-'), 0)).toEqual([]);
});

test('of ten minutes the first sample is kept, and of an hour the first of a disk', () => {
  const history = open();
  for (let index = 0; index < 10; index += 1) history.note([sample(web, { load: index, rooms: { '/': 30 - index } })], start + index * minute);
  expect(history.points(web, 0).map(({ load }) => load)).toEqual([0]);
  expect(history.disks(web, start + 10 * minute)).toMatchObject([{ mount: '/', availableBytes: 30 * gib, totalBytes: 40 * gib, fullAtMs: undefined }]);
});

test('disks are told with where they go, and one that is gone is not', () => {
  const history = open();
  for (let index = 0; index <= 50; index += 1) {
    history.note([sample(web, { rooms: { '/': 30 - index / 24, '/srv': 10, ...(index < 40 ? { '/old': 5 } : {}) } })], start + index * hour);
  }
  const now = start + 50 * hour + minute;
  const [root, srv, ...more] = history.disks(web, now);
  expect(more).toEqual([]);
  expect(root?.mount).toBe('/');
  expect((root?.growthPerDayBytes ?? 0) / gib).toBeCloseTo(1, 3);
  expect(((root?.fullAtMs ?? 0) - start) / day).toBeCloseTo(30, 2);
  expect(srv).toEqual({ mount: '/srv', totalBytes: 40 * gib, availableBytes: 10 * gib, growthPerDayBytes: 0, fullAtMs: undefined });
  expect(history.disks(db1, now)).toEqual([]);
});

test('what is too old is forgotten, and so is what was noted while the clock was wrong', () => {
  const history = open();
  history.note([sample(web)], start);
  history.note([sample(web)], start + 20 * day);
  history.note([sample(web)], start + 400 * day);
  history.tidy(start + 20 * day + hour);
  expect(history.points(web, 0).map(({ atMs }) => atMs)).toEqual([start + 20 * day]);
  history.note([sample(web)], start + 21 * day);
  history.tidy(start + 21 * day + 2 * hour);
  expect(history.points(web, 0).map(({ atMs }) => atMs)).toEqual([start + 21 * day]);
  history.tidy(start + 60 * day);
  expect(history.points(web, 0)).toEqual([]);
  expect(history.disks(web, start + 60 * day)).toEqual([]);
  history.note([sample(db1, { load: 3 })], start + 60 * day);
  expect(history.points(web, 0)).toEqual([]);
  expect(history.points(db1, 0)).toHaveLength(1);
});

test('a file is read again by the next process', () => {
  const path = join(folder, 'again.db');
  const first = open(path);
  first.note([sample(web)], start);
  first.close();
  const second = open(path);
  expect(second.points(web, 0)).toHaveLength(1);
  expect(second.sizeBytes()).toBeGreaterThan(4096);
  second.close();
});

test.each<[string, (path: string) => void]>([
  ['is no database', (path) => writeFileSync(path, 'no database at all, and longer than a header of one hundred bytes is, so that it is looked at in earnest.....')],
  ['is of another layout', (path) => tamper(path, (db) => db.pragma('user_version = 99'))],
  ['is somebody else’s', (path) => tamper(path, (db) => db.pragma('application_id = 7'))],
  ['is torn', (path) => {
    const text = readFileSync(path);
    for (let page = 1; page * 4096 < text.length; page += 1) text.fill(0x5a, page * 4096, page * 4096 + 4096);
    writeFileSync(path, text);
  }],
  ['is empty', (path) => writeFileSync(path, '')],
])('a file that %s is made anew, and nobody is stopped', (name, damage) => {
  const path = join(folder, `${name.replace(/\W/g, '-')}.db`);
  const before = open(path);
  before.note([sample(web)], start);
  before.close();
  damage(path);
  const history = open(path);
  history.note([sample(web)], start + hour);
  history.note([sample(web)], start + 2 * hour);
  history.tidy(start + 2 * hour);
  history.note([sample(web)], start + 3 * hour);
  expect(history.points(web, start + 3 * hour)).toHaveLength(1);
  expect(history.points(web, 0).some(({ atMs }) => atMs === start)).toBe(false);
  history.close();
  const after = open(path);
  expect(after.points(web, start + 3 * hour)).toHaveLength(1);
  after.close();
});

test('a path where nothing can be made stops nobody, and is taken when it is free', () => {
  const path = join(folder, 'taken.db');
  const blocked = join(path, 'below');
  writeFileSync(path, 'a file, and no folder');
  const history = open(blocked);
  history.note([sample(web)], start);
  expect(history.points(web, 0)).toEqual([]);
  expect(history.sizeBytes()).toBe(0);
  rmSync(path);
  mkdirSync(path);
  history.note([sample(web)], start);
  expect(history.points(web, 0)).toHaveLength(1);
  history.close();
});

test('after its end it takes nothing, and does not fail', () => {
  const history = open();
  history.close();
  history.note([sample(web)], start);
  expect(history.points(web, 0)).toEqual([]);
});

function tamper(path: string, work: (db: Sqlite.Database) => void): void {
  const db = new Sqlite(path);
  work(db);
  db.close();
}

it('takes whatever a host may say', () => {
  const history = open();
  const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  const disk = fc.record<Disk>({ mount: fc.string({ maxLength: factLimits.textCharacters, unit: 'binary' }), type: fc.constant('ext4'), totalBytes: whole, availableBytes: whole, inodesTotal: whole, inodesFree: whole });
  const percent = fc.double({ min: 0, max: 100, noNaN: true });
  const figures = fc.record({
    load: fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 3 }), cpuCount: whole, memoryTotalBytes: whole, memoryAvailableBytes: whole, disks: fc.array(disk, { maxLength: 64 }),
    pressure: fc.option(fc.record({ cpuSome: percent, memorySome: percent, memoryFull: percent, ioSome: percent, ioFull: percent }), { nil: undefined }),
  });
  const rest: Omit<Facts, 'load' | 'cpuCount' | 'memoryTotalBytes' | 'memoryAvailableBytes' | 'disks' | 'pressure'> = {
    gatheredAt: 0, hostname: '', os: '', osId: '', kernel: '', arch: '', cpuModel: '', swapTotalBytes: 0, swapFreeBytes: 0, addresses: [], uptimeS: 0, bootId: '', virtualization: '', agentVersion: '', machineHint: '', rebootRequired: false,
  };
  let at = start;
  fc.assert(
    fc.property(figures, (said) => {
      at += hour;
      history.note([historySample(web, { ...rest, ...said })], at);
      const [point] = history.points(web, at);
      expect(point?.atMs).toBe(at);
      expect(point?.memoryPercent).toBeLessThanOrEqual(100);
      for (const trend of history.disks(web, at)) expect(trend.availableBytes).toBeLessThanOrEqual(trend.totalBytes);
    }),
    { numRuns: 60 },
  );
});

test('a host costs little: bytes of a point and of an hour of a disk', () => {
  const path = join(folder, 'size.db');
  const history = open(path);
  const ids = Array.from({ length: 200 }, (_, index) => `host${String(index)}`.padEnd(36, '-'));
  const from = Date.parse('2026-03-01T00:00:00Z');
  for (let at = from; at < from + 2 * day; at += pointEvery.ms) history.note(ids.map((id) => sample(id, { load: 0.37, rooms: { '/': 12.345, '/srv': 3.21 }, pressure: 12.5 })), at);
  history.close();
  const points = (2 * day) / pointEvery.ms;
  const rooms = (2 * (2 * day)) / diskEvery.ms;
  // A fixed part for each host and disk comes on top.
  expect(statSync(path).size).toBeLessThan(200 * (points * 45 + rooms * 30 + 400));
});

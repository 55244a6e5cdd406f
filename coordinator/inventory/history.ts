import { existsSync, rmSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import type { Logger } from '../../shared/kit/log.js';
import { projectDisk, type DiskSample, type DiskTrend } from '../desired/disk-trend.js';
import type { HistoryPoint, HistorySample } from '../desired/history.js';
import type { OpenOptions } from './database.js';

/** How hosts did: coarse, for small charts and to foretell full disks. Nothing that anything else relies on: it may be lost, and never stops who uses it. */
export interface History {
  /** Notes how hosts are, in one transaction. The first sample of ten minutes is kept, and the first one of an hour of each disk. */
  note(samples: readonly HistorySample[], now: number): void;
  /** How a host did since then, oldest first. */
  points(hostId: string, fromMs: number): HistoryPoint[];
  /** Where the file systems go that a host had when it was last seen, by mount point. */
  disks(hostId: string, now: number): DiskTrend[];
  /** Forgets what is too old. */
  tidy(now: number): void;
  /** Size of the file, bytes; 0: there is none. */
  sizeBytes(): number;
  close(): void;
}

/** How to open. */
export interface HistoryOptions extends OpenOptions {
  readonly log: Logger;
}

/** Time between two points, ms, and how long points are kept: a day, and what a chart of a day needs at its edge. */
export const pointEvery = { ms: 600_000, keptMs: 25 * 3_600_000 } as const;

/** The same for disks. */
export const diskEvery = { ms: 3_600_000, keptMs: 31 * 86_400_000 } as const;

/** Where a disk goes is told from so long before, ms; see projectDisk. */
const trendMs = 8 * 86_400_000;

/** A row of a later time than this was noted while the clock was wrong, ms. */
const futureMs = 3_600_000;

/** `REEM` in ASCII: marks the file as ours. */
const applicationId = 0x5245454d;

/** Another layout is another number: the file is then made anew. */
const layout = 1;

/*
 * Rows are ordered by time first: noting appends to one place of the file instead of touching a page for each host, and forgetting cuts off one end. A host's own rows are
 * found by a seek for each time that there is. Numbers are small, as most of the file is `room`: figures are whole hundredths, and an hour is counted since 1970. A slot
 * begins at `slot_at_ms`. There are no foreign keys: looking for what refers to a row that goes would read all of `room`; rows end by their age.
 */
const schema = `
CREATE TABLE host (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  seen_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE disk (
  number INTEGER PRIMARY KEY,
  host INTEGER NOT NULL,
  mount TEXT NOT NULL CHECK (length(mount) <= 1024),
  seen_at_ms INTEGER NOT NULL,
  UNIQUE (host, mount)
) STRICT;
CREATE TABLE point (
  slot_at_ms INTEGER NOT NULL,
  host INTEGER NOT NULL,
  after_ms INTEGER NOT NULL CHECK (after_ms BETWEEN 0 AND 599999),
  load INTEGER NOT NULL CHECK (load BETWEEN 0 AND 100000),
  memory INTEGER NOT NULL CHECK (memory BETWEEN 0 AND 10000),
  disk INTEGER NOT NULL CHECK (disk BETWEEN 0 AND 10000),
  cpu_pressure INTEGER CHECK (cpu_pressure BETWEEN 0 AND 10000),
  memory_pressure INTEGER CHECK (memory_pressure BETWEEN 0 AND 10000),
  io_pressure INTEGER CHECK (io_pressure BETWEEN 0 AND 10000),
  PRIMARY KEY (slot_at_ms, host)
) STRICT, WITHOUT ROWID;
CREATE TABLE room (
  hour INTEGER NOT NULL,
  disk INTEGER NOT NULL,
  total_kib INTEGER NOT NULL CHECK (total_kib >= 0),
  available_kib INTEGER NOT NULL CHECK (available_kib >= 0),
  PRIMARY KEY (hour, disk)
) STRICT, WITHOUT ROWID;
`;

/** Walks the slots that there are from a time on, a seek each. */
const slots = (table: 'point' | 'room', column: 'slot_at_ms' | 'hour'): string =>
  `WITH RECURSIVE slot (at) AS (
     SELECT min(${column}) FROM ${table} WHERE ${column} >= @from
     UNION ALL SELECT (SELECT min(${column}) FROM ${table} WHERE ${column} > slot.at) FROM slot WHERE slot.at IS NOT NULL LIMIT 1000
   )`;

/** Opens (or makes) the history at `path`. A file that is damaged or of another layout is made anew; one that cannot be opened is tried again with every note. Never throws. */
export function openHistory(path: string, options: HistoryOptions): History {
  const { log } = options;
  let db: Sqlite.Database | undefined;
  let closed = false;
  /** Runs work on the file; what goes wrong is told in the log. A file that turns out to be damaged is made anew, so that the next work finds one. */
  const working = <T>(otherwise: T, work: (db: Sqlite.Database) => T): T => {
    if (closed) return otherwise;
    try {
      db ??= openFile(path, options);
      return work(db);
    } catch (error) {
      if (!(error instanceof Sqlite.SqliteError)) throw error;
      log.warn({ err: error }, 'the history of hosts could not be used; what is shown of it lacks something');
      if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(error.code)) {
        db?.close();
        db = undefined;
        removeFile(path);
      }
      return otherwise;
    }
  };
  working(undefined, () => undefined);
  return {
    note: (samples, now) => {
      if (samples.length > 0) working(undefined, (file) => note(file, samples, now));
    },
    points: (hostId, fromMs) => working([], (file) => points(file, hostId, fromMs)),
    disks: (hostId, now) => working([], (file) => disks(file, hostId, now)),
    tidy: (now) => working(undefined, (file) => tidy(file, now)),
    sizeBytes: () => working(0, (file) => Number(file.pragma('page_count', { simple: true })) * Number(file.pragma('page_size', { simple: true }))),
    close: () => {
      closed = true;
      db?.close();
      db = undefined;
    },
  };
}

function openFile(path: string, options: HistoryOptions): Sqlite.Database {
  const { log, ...sqlite } = options;
  const first = openOrUndefined(path, sqlite);
  if (first !== undefined) return first;
  log.error({ path }, 'the history of hosts is damaged or of another release; it is made anew');
  removeFile(path);
  const second = openOrUndefined(path, sqlite);
  if (second === undefined) throw new Sqlite.SqliteError(`${path} cannot be made`, 'SQLITE_CANTOPEN');
  return second;
}

/** Undefined: there is something else at that path. */
function openOrUndefined(path: string, options: OpenOptions): Sqlite.Database | undefined {
  const fresh = path === ':memory:' || !existsSync(path);
  const db = new Sqlite(path, options);
  try {
    db.pragma('journal_mode = WAL');
    // A power cut may cost the last notes and never the file: WAL with NORMAL stays consistent (sqlite.org/pragma.html#pragma_synchronous). Nobody was told that a note is durable,
    // and one fsync a minute less is one wait less for everything that this process does.
    db.pragma('synchronous = NORMAL');
    db.pragma('busy_timeout = 5000');
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    db.pragma('journal_size_limit = 16777216');
    const ours = db.pragma('application_id', { simple: true }) === applicationId && db.pragma('user_version', { simple: true }) === layout;
    const empty = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
    if (ours && !empty) return db;
    if (!fresh && !empty) {
      db.close();
      return undefined;
    }
    db.transaction(() => {
      db.exec(schema);
      db.pragma(`application_id = ${String(applicationId)}`);
      db.pragma(`user_version = ${String(layout)}`);
    }).immediate();
    return db;
  } catch (error) {
    db.close();
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(?:CORRUPT|NOTADB)/.test(error.code)) return undefined;
    throw error;
  }
}

function removeFile(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
}

function note(db: Sqlite.Database, samples: readonly HistorySample[], now: number): void {
  const pointSlot = now - (now % pointEvery.ms);
  const hour = Math.floor(now / diskEvery.ms);
  const numberOf = db.prepare('SELECT number, seen_at_ms AS seenAtMs FROM host WHERE id = ?');
  const addHost = db.prepare('INSERT INTO host (id, seen_at_ms) VALUES (?, ?) RETURNING number').pluck();
  const seeHost = db.prepare('UPDATE host SET seen_at_ms = ? WHERE number = ?');
  const seeDisk = db.prepare('INSERT INTO disk (host, mount, seen_at_ms) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen_at_ms = excluded.seen_at_ms RETURNING number').pluck();
  const addPoint = db.prepare('INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const addRoom = db.prepare('INSERT INTO room VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  db.transaction(() => {
    for (const { hostId, figures, disks: found } of samples) {
      const known = numberOf.get(hostId) as { number: number; seenAtMs: number } | undefined;
      const host = known?.number ?? Number(addHost.get(hostId, 0));
      const { load, memoryPercent, diskPercent, cpuPressure, memoryPressure, ioPressure } = figures;
      const hundredths = [load, memoryPercent, diskPercent, cpuPressure, memoryPressure, ioPressure].map((value) => (value === undefined ? null : Math.round(value * 100)));
      addPoint.run(pointSlot, host, now - pointSlot, ...hundredths);
      // The disks of this hour are there.
      if (known !== undefined && known.seenAtMs >= hour * diskEvery.ms && known.seenAtMs <= now) continue;
      seeHost.run(now, host);
      for (const { mount, totalBytes, availableBytes } of found) {
        addRoom.run(hour, seeDisk.get(host, mount, now), Math.floor(totalBytes / 1024), Math.floor(availableBytes / 1024));
      }
    }
  }).immediate();
}

function points(db: Sqlite.Database, hostId: string, fromMs: number): HistoryPoint[] {
  const rows = db
    .prepare(
      `${slots('point', 'slot_at_ms')}
       SELECT p.slot_at_ms + p.after_ms AS atMs, p.load, p.memory, p.disk, p.cpu_pressure AS cpu, p.memory_pressure AS memoryPressure, p.io_pressure AS io
       FROM host h CROSS JOIN slot CROSS JOIN point p ON p.slot_at_ms = slot.at AND p.host = h.number WHERE h.id = @hostId ORDER BY atMs`,
    )
    .all({ hostId, from: fromMs - pointEvery.ms }) as { atMs: number; load: number; memory: number; disk: number; cpu: number | null; memoryPressure: number | null; io: number | null }[];
  const share = (value: number | null): number | undefined => (value === null ? undefined : value / 100);
  return rows
    .filter(({ atMs }) => atMs >= fromMs)
    .map((row) => ({
      atMs: row.atMs,
      load: row.load / 100,
      memoryPercent: row.memory / 100,
      diskPercent: row.disk / 100,
      cpuPressure: share(row.cpu),
      memoryPressure: share(row.memoryPressure),
      ioPressure: share(row.io),
    }));
}

function disks(db: Sqlite.Database, hostId: string, now: number): DiskTrend[] {
  // A disk that is not there any more was not seen when its host was.
  const present = db
    .prepare('SELECT d.number, d.mount, h.seen_at_ms AS seenAtMs FROM disk d JOIN host h ON h.number = d.host AND h.seen_at_ms = d.seen_at_ms WHERE h.id = ? ORDER BY d.mount')
    .all(hostId) as { number: number; mount: string; seenAtMs: number }[];
  const rooms = db.prepare(
    `${slots('room', 'hour')}
     SELECT r.hour, r.total_kib AS total, r.available_kib AS available FROM slot CROSS JOIN room r ON r.hour = slot.at AND r.disk = @disk ORDER BY r.hour`,
  );
  return present.map(({ number, mount, seenAtMs }) => {
    const rows = rooms.all({ disk: number, from: Math.floor((Math.min(now, seenAtMs) - trendMs) / diskEvery.ms) }) as { hour: number; total: number; available: number }[];
    const samples = rows.map(({ hour, total, available }): DiskSample => ({ atMs: hour * diskEvery.ms, totalBytes: total * 1024, availableBytes: available * 1024 }));
    return projectDisk(mount, samples, now);
  });
}

function tidy(db: Sqlite.Database, now: number): void {
  const hourOf = (ms: number): number => Math.floor(ms / diskEvery.ms);
  db.transaction(() => {
    db.prepare('DELETE FROM point WHERE slot_at_ms < ?').run(now - pointEvery.keptMs);
    db.prepare('DELETE FROM point WHERE slot_at_ms > ?').run(now + futureMs);
    db.prepare('DELETE FROM room WHERE hour < ?').run(hourOf(now - diskEvery.keptMs));
    db.prepare('DELETE FROM room WHERE hour > ?').run(hourOf(now + futureMs));
    for (const table of ['disk', 'host']) {
      db.prepare(`UPDATE ${table} SET seen_at_ms = ? WHERE seen_at_ms > ?`).run(now, now + futureMs);
      // Last: a number is given anew only when nothing is left under it.
      db.prepare(`DELETE FROM ${table} WHERE seen_at_ms < ?`).run(now - diskEvery.keptMs - diskEvery.ms);
    }
  }).immediate();
}

import { beforeEach, describe, expect, it } from 'vitest';
import { parseBackup, type Backup } from '../../shared/model/backup.js';
import { beginMs, hostId, smallInventory } from '../../test/support/key-inventory.js';
import { mostRuns, type BackupRun } from '../desired/backup.js';
import { listAudit } from './audit.js';
import { addBackup, findBackup, freezeBackup, getBackup, listBackups, removeBackup, setBackup, setBaseline, thawBackup } from './backup.js';
import { addProof, lastProof, proofOf } from './backup-proof.js';
import { addRun, getRun, lastRun, listRuns, orphanRuns, runDetails, setRun, setRunDetails, tidyRuns, unknownRuns } from './backup-run.js';
import type { Database } from './database.js';
import { retireHost } from './host.js';

let db: Database;
const id = (n: number): string => `01900000-0000-7000-8000-0000000${(0x10000 + n).toString(16)}`;
const wire = {
  name: 'web', source: hostId(1), folders: ['/srv', '/etc'], destination: hostId(2), folder: '/backup/web', excludes: ['*.tmp'], systemFolders: false, schedule: { cron: '0 2 * * *', windowMinutes: 30 }, retention: null, bandwidthKib: 0,
  timeLimitMinutes: 0, dumps: [{ engine: 'postgresql', database: 'shop' }], active: true, shrinkPercent: 50, verifyDays: 0, drill: { host: hostId(3), folder: '/drill', everyDays: 7 },
};
const job = (more: object = {}): Backup => parseBackup({ ...wire, ...more });
const add = (n: number, more: object = {}): void => addBackup(db, { id: id(n), backup: job(more), by: 'ada', addedAtMs: beginMs });
const begin = (n: number, jobId = id(1), kind: BackupRun['kind'] = 'backup'): void => addRun(db, { id: id(100 + n), jobId, kind, by: 'ada', startedAtMs: beginMs + n, snapshot: '' });
const end = (n: number, state: BackupRun['state'] = 'done', more: Partial<BackupRun> = {}): boolean => {
  const run = getRun(db, id(100 + n));
  if (run === undefined) throw new Error('no such run');
  return setRun(db, { ...run, state, endedAtMs: beginMs + n + 1, ...more });
};

beforeEach(() => {
  db = smallInventory({ hosts: 4, persons: 0, groups: 0 });
});

describe('jobs', () => {
  it('are stored as they are, altered and removed', () => {
    add(1);
    expect(findBackup(db, 'web')).toEqual({ id: id(1), backup: job(), by: 'ada', addedAtMs: beginMs, frozen: undefined, baseline: undefined });
    const plain = job({ schedule: null, drill: null, dumps: [], active: false, systemFolders: true, excludes: [] });
    setBackup(db, id(1), plain);
    expect(getBackup(db, id(1))?.backup).toEqual(plain);
    removeBackup(db, id(1));
    expect(listBackups(db)).toEqual([]);
  });

  it('have a name and a folder of their own', () => {
    add(1);
    expect(() => add(2)).toThrow('already exists');
    for (const folder of ['/backup/web', '/backup', '/backup/web/x']) expect(() => add(2, { name: 'other', folder })).toThrow('cannot be used: job "web" keeps its snapshots in "/backup/web"');
    add(2, { name: 'other', folder: '/backup/web2' });
    expect(() => setBackup(db, id(2), job({ name: 'other' }))).toThrow('cannot be used');
    add(3, { name: 'third', destination: hostId(4) });
  });

  it('are frozen once, and thaw without what was usual', () => {
    add(1);
    setBaseline(db, id(1), { files: 5, bytes: 6 });
    freezeBackup(db, id(1), { atMs: 7, reason: 'it shrank' });
    freezeBackup(db, id(1), { atMs: 8, reason: 'it shrank again' });
    expect(getBackup(db, id(1))).toMatchObject({ frozen: { atMs: 7, reason: 'it shrank' }, baseline: { files: 5, bytes: 6 } });
    thawBackup(db, id(1));
    expect(getBackup(db, id(1))).toMatchObject({ frozen: undefined, baseline: undefined });
  });

  it('go with a host that is taken out for ever, drills on it as well, and that is in the audit', () => {
    add(1);
    add(2, { name: 'other', source: hostId(4), folder: '/backup/other', drill: { host: hostId(1), folder: '/drill', everyDays: 7 } });
    begin(1);
    retireHost(db, hostId(1), beginMs);
    expect(listBackups(db).map(({ backup }) => [backup.name, backup.drill])).toEqual([['other', undefined]]);
    expect(getRun(db, id(101))).toBeUndefined();
    expect(listAudit(db, 2).map(({ action }) => action)).toEqual(['backup set other: the host of its drills was taken out', 'backup remove web: a host of it was taken out; its snapshots stay in /backup/web']);
  });
});

describe('runs', () => {
  beforeEach(() => add(1));

  it('of a job are one at a time', () => {
    begin(1);
    expect(() => begin(2)).toThrow('UNIQUE');
    end(1);
    begin(2, id(1), 'verify');
    expect(listRuns(db, id(1), 10).map(({ kind, state }) => `${kind} ${state}`)).toEqual(['verify running', 'backup done']);
    expect(lastRun(db, id(1), { kind: 'backup' })?.id).toBe(id(101));
    expect(lastRun(db, id(1), { kind: 'backup', states: ['failed'] })).toBeUndefined();
    expect(lastRun(db, id(1), { by: 'schedule' })).toBeUndefined();
  });

  it('are asked after when the coordinator ended meanwhile, backups at least', () => {
    add(2, { name: 'other', folder: '/backup/other' });
    begin(1);
    begin(2, id(2), 'restore');
    expect(orphanRuns(db, beginMs + 9)).toBe(2);
    expect(unknownRuns(db, id(1))).toMatchObject([{ state: 'unknown', endedAtMs: beginMs + 9, reason: 'the coordinator ended while it ran' }]);
    expect(getRun(db, id(102))).toMatchObject({ state: 'failed' });
  });

  it('keep the end of what was printed and the first files that failed, as bytes', () => {
    begin(1);
    const path = Buffer.from([0x2f, 0xff, 0xfe]);
    setRunDetails(db, id(101), { output: `${'é'.repeat(70_000)}end`, problems: Array.from({ length: 1_500 }, () => ({ path, kind: 'failed' as const, text: 'no' })) });
    const { output, problems } = runDetails(db, id(101));
    expect(Buffer.byteLength(output)).toBeLessThanOrEqual(mostRuns.outputBytes);
    expect(output.endsWith('éend')).toBe(true);
    expect(problems).toHaveLength(1_000);
    expect(problems[0]).toEqual({ path, kind: 'failed', text: 'no' });
  });

  it('are forgotten but for the newest, the last good one and that of the last proof', () => {
    const evidence = Buffer.alloc(32);
    for (let n = 1; n <= mostRuns.kept + 5; n += 1) {
      begin(n);
      end(n, n === 1 ? 'done' : 'failed');
      if (n === 2) addProof(db, { runId: id(102), jobId: id(1), atMs: 3, snapshot: '2026-01-01T000000Z', kind: 'sample', ok: false, files: 1, bytes: 2, skipped: 3, different: [Buffer.from([0xff])], dumps: ['x'], evidence });
    }
    tidyRuns(db, id(1));
    expect(listRuns(db, id(1), 10_000).slice(-3).map((run) => run.id)).toEqual([id(106), id(102), id(101)]);
    expect(lastProof(db, id(1))).toEqual(proofOf(db, id(102)));
    expect(proofOf(db, id(102))).toEqual({ runId: id(102), jobId: id(1), atMs: 3, snapshot: '2026-01-01T000000Z', kind: 'sample', ok: false, files: 1, bytes: 2, skipped: 3, different: [Buffer.from([0xff])], dumps: ['x'], evidence });
    expect(lastProof(db, id(1), 'full')).toBeUndefined();
  });

  it('of a job that has gone are not stored', () => {
    begin(1);
    const run = getRun(db, id(101));
    removeBackup(db, id(1));
    expect(run === undefined ? undefined : setRun(db, run)).toBe(false);
  });
});

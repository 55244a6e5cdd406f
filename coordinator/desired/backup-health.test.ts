import { describe, expect, it, test } from 'vitest';
import { parseBackup } from '../../shared/model/backup.js';
import type { BackupJob, BackupProof, BackupRun } from './backup.js';
import { backupHealth, type BackupFacts } from './backup-health.js';
import { judgeCopy, judgeShrink } from './backup-judge.js';
import { backupProblem } from './backup-problem.js';

const now = Date.parse('2026-03-10T12:00:00Z');
const day = 86_400_000;

const job = (more: object = {}): BackupJob => ({
  id: 'j', by: 'ada', addedAtMs: now - 100 * day, frozen: undefined, baseline: undefined,
  backup: parseBackup({
    name: 'web', source: 'a', folders: ['/srv'], destination: 'b', folder: '/b', excludes: [], systemFolders: false, schedule: { cron: '0 2 * * *', windowMinutes: 0 }, retention: null, bandwidthKib: 0, timeLimitMinutes: 0, dumps: [],
    active: true, shrinkPercent: 50, verifyDays: 30, drill: null,
  }),
  ...more,
});
const run = (state: BackupRun['state'], ageDays: number, reason = ''): BackupRun => ({
  id: 'r', jobId: 'j', kind: 'backup', state, by: 'schedule', startedAtMs: now - ageDays * day, endedAtMs: now - ageDays * day + 1, reason, snapshot: '', files: 1, bytes: 1, sentFiles: 0, sentBytes: 0, way: 'direct', problems: 0,
});
const proof = (ageDays: number, ok = true): BackupProof => ({ runId: 'r', jobId: 'j', atMs: now - ageDays * day, snapshot: '', kind: 'sample', ok, files: 1, bytes: 1, skipped: 0, different: [], dumps: [], evidence: new Uint8Array(32) });
const facts = (more: Partial<BackupFacts>): BackupFacts => ({ job: job(), ended: run('done', 0.4), good: run('done', 0.4), proof: proof(3), ...more });

describe('how a job does', () => {
  test.each<[string, Partial<BackupFacts>, string, string | undefined]>([
    ['good', {}, '', undefined],
    ['unproven', { proof: undefined }, 'it was never proved that it can be restored', 'BACKUP_UNPROVEN'],
    ['unproven', { proof: proof(31) }, 'it was last proved 2026-02-07T12:00:00Z that it can be restored', 'BACKUP_UNPROVEN'],
    ['unproven', { proof: proof(1, false) }, 'what was proved 2026-03-09T12:00:00Z is not as it is on the source', 'BACKUP_UNPROVEN'],
    ['late', { ended: run('done', 3), good: run('done', 3) }, 'the last good run began 2026-03-07T12:00:00Z', 'BACKUP_LATE'],
    ['late', { ended: undefined, good: undefined, proof: undefined }, 'there was no good run yet', 'BACKUP_LATE'],
    ['new', { job: job({ addedAtMs: now - day }), ended: undefined, good: undefined, proof: undefined }, 'it has not run yet', undefined],
    ['failed', { ended: run('failed', 0.1, 'no room') }, 'the last run failed: no room; the last good run began 2026-03-10T02:24:00Z', 'BACKUP_FAILED'],
    ['failed', { ended: run('unknown', 0.1) }, 'how the last run ended is not known yet; the last good run began 2026-03-10T02:24:00Z', 'BACKUP_FAILED'],
    ['frozen', { job: job({ frozen: { atMs: 1, reason: 'it shrank' } }), ended: run('failed', 0.1) }, 'it shrank', 'BACKUP_FROZEN'],
    ['inactive', { job: job({ backup: { ...job().backup, active: false } }), ended: run('failed', 0.1) }, 'it only runs by command', undefined],
  ])('%s', (health, more, reason, code) => {
    expect(backupHealth(facts(more), now)).toEqual({ health, reason });
    expect(backupProblem(facts(more), now)?.code).toBe(code);
  });

  it('is never late without a schedule', () => {
    const bySelf = job({ backup: { ...job().backup, schedule: undefined } });
    expect(backupHealth(facts({ job: bySelf, ended: run('done', 29), good: run('done', 29) }), now).health).toBe('good');
  });
});

describe('a source that shrank', () => {
  const before = { files: 100, bytes: 1_000 };
  test.each([
    [50, before, false],
    [50, { files: 50, bytes: 500 }, false],
    [50, { files: 49, bytes: 1_000 }, true],
    [50, { files: 100, bytes: 499 }, true],
    [0, { files: 1, bytes: 1 }, false],
    [0, { files: 10, bytes: 0 }, true],
  ])('below %i %%: %o', (shrinkPercent, now_, shrunk) => {
    expect(judgeShrink({ shrinkPercent }, before, now_) !== undefined).toBe(shrunk);
    expect(judgeShrink({ shrinkPercent }, undefined, now_)).toBeUndefined();
  });
});

describe('both sides of a copy', () => {
  const side = (exitCode: number, reason = '', published = true) => ({ exitCode, reason, published });
  test.each([
    [side(0), side(0), { state: 'done', reason: '' }],
    [side(24), side(24), { state: 'done', reason: '' }],
    [side(0), side(0, '', false), { state: 'failed', reason: 'what was received was not put in its place' }],
    [side(23, 'some files could not be read'), side(0), { state: 'failed', reason: 'not all files could be copied; what was is kept: some files could not be read' }],
    [side(23), side(23, '', false), { state: 'failed', reason: 'rsync ended with 23' }],
    [side(12, 'protocol'), side(11, 'no room', false), { state: 'failed', reason: 'protocol; no room' }],
  ])('%o and %o', (sender, receiver, verdict) => {
    expect(judgeCopy(sender, receiver)).toEqual(verdict);
  });
});

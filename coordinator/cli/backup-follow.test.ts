import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import type { BackupRunEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRunEvent.js';
import { answers } from './testing/answer.js';
import { oddPath, proof, runEvents } from './testing/answer-backup.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const [begun = {}, underWay = {}, ended = {}] = runEvents('backup');

describe('a run of a backup job', () => {
  let coordinator: CannedCoordinator;
  beforeAll(async () => {
    process.env['TZ'] = 'UTC';
    coordinator = await startCoordinator();
  });
  afterAll(() => coordinator.close());
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options = {}) => runCaptured(coordinator.socket, ['backup', ...line], options);
  const methods = () => coordinator.requests.map(({ method, request }) => [method, (request as { options?: { mode: string } }).options?.mode]);
  const answerRun = (events: () => Iterable<BackupRunEventInput> | AsyncIterable<BackupRunEventInput>): void => {
    coordinator.answers = { ...answers, 'BackupService.RunBackup': events };
  };

  it('is shown on one line that updates itself', async () => {
    const ran = await run(['run', 'shop'], { progress: true });
    expect(ran.err).toBe('\r\u001b[Kshop: backup begins\r\u001b[Kcopying 30%, 600 of 1234 files, 1.5 GiB, 12.3 MiB/s, 4m left, 2:06\r\u001b[K');
    expect(ran.out).toBe('Backup done in 2m: snapshot 2026-03-01T115800Z, 1234 files, 5.0 GiB, sent 12 files, 3.0 MiB\n2 files had problems. See: reeve backup log shop\n');
  });

  it('is cut to the width of the terminal', async () => {
    const { err } = await run(['run', 'shop'], { progress: true, columns: 30 });
    expect(err).toContain('\r\u001b[Kcopying 30%, 600 of 1234 fil…\r');
  });

  it('goes on being drawn while nothing is heard', async () => {
    answerRun(async function* () {
      yield underWay;
      await new Promise((resolve) => setTimeout(resolve, 1200));
      yield ended;
    });
    const start = Date.now();
    // A clock that is fast, so that a timer that is early by a hair has gone through a second all the same.
    const { err } = await run(['run', 'shop'], { progress: true, monotonic: () => 1.5 * (Date.now() - start) });
    expect(err.match(/copying 30%[^\r]*/g)).toEqual([expect.stringContaining(', 2:05'), expect.stringMatching(/, 2:0[6-9]$/)]);
  });

  it('is told by a line now and then where no line can update itself', async () => {
    answerRun(() => [begun, ...Array.from({ length: 11 }, () => underWay), ended]);
    const { err } = await run(['run', 'shop']);
    expect(err.split('\n')).toEqual(['shop: backup begins', expect.stringMatching(/^copying 30%.* 2:05$/), expect.stringMatching(/^copying 30%/), '']);
  });

  it('is one document for programs, at its end', async () => {
    const ran = await run(['verify', 'shop', '--json'], { progress: true });
    expect(ran.err).toBe('');
    expect(JSON.parse(ran.out)).toMatchObject({ run: { state: 'done', kind: 'verify' }, proof: { ok: true, evidence: 'ab'.repeat(32), different: [] } });
    expect(Object.keys(JSON.parse((await run(['run', 'shop', '--json'])).out) as object)).toEqual(['run']);
  });

  it.each([
    [{ state: 'done', problems: 0 }, 0, 'Backup done in 2m: '],
    [{ state: 'failed', reason: 'no room\u001b' }, 1, 'Backup failed after 2m: no room\\u{1b}\n  See: reeve backup log shop\n'],
    [{ state: 'cancelled', reason: '' }, 1, 'Backup was cancelled after 2m\n'],
    [{ state: 'unknown', reason: 'the coordinator was restarted' }, 1, 'Backup: how it ended is not known (unknown): the coordinator was restarted\n'],
  ])('that ends as %j exits %i', async (more, exit, text) => {
    answerRun(() => [begun, { ended: { ...ended.ended, ...more } }]);
    const ran = await run(['run', 'shop']);
    expect(ran.exit).toBe(exit);
    expect(ran.out).toContain(text);
  });

  it('that proves the contrary exits 1, and names the files', async () => {
    coordinator.answers = { ...answers, 'BackupService.VerifyBackup': () => runEvents('verify', { proof: { ...proof, ok: false, different: [oddPath, Buffer.from('/srv/ä')] } }) };
    const ran = await run(['verify', 'shop']);
    expect(ran.exit).toBe(1);
    expect(ran.out).toContain('different    /srv/shop/\\u{1b}[2Jb\\xfcr\\u{a}\ndifferent    /srv/ä\n');
    expect(JSON.parse((await run(['verify', 'shop', '--json'])).out)).toMatchObject({ proof: { different: [{ hex: oddPath.toString('hex') }, '/srv/ä'] } });
  });

  it('goes on when nobody waits for it: --detach', async () => {
    const ran = await run(['run', 'shop', '--detach']);
    expect(ran).toMatchObject({ exit: 0, err: '', out: '01930000-0000-7000-8000-000000000041 has begun.\n  To watch it: reeve backup log shop --follow. To end it: reeve backup cancel shop\n' });
    expect(JSON.parse((await run(['run', 'shop', '--detach', '--json'])).out)).toMatchObject({ run: { state: 'running' } });
  });

  it.each([['run', 'shop'], ['log', 'shop', '--follow'], ['restore', 'shop', '--to', 'web1:/srv/x', '--yes']])('goes on at Control-C: %s %s', async (...line) => {
    const abort = new AbortController();
    async function* events(): AsyncGenerator<BackupRunEventInput> {
      yield begun;
      setTimeout(() => abort.abort(), 50);
      await new Promise((resolve) => setTimeout(resolve, 500));
      yield ended;
    }
    coordinator.answers = { ...answers, 'BackupService.RunBackup': events, 'BackupService.WatchBackup': events, 'BackupService.RestoreBackup': events };
    const ran = await run(line, { signal: abort.signal, progress: true });
    expect(ran).toMatchObject({ exit: 1, out: '' });
    expect(ran.err).toContain('\r\u001b[Kreeve: what has begun goes on.\n  To watch it: reeve backup log shop --follow. To end it: reeve backup cancel shop\n');
  });

  it('that the coordinator loses sight of is told with what is known', async () => {
    answerRun(async function* () {
      yield begun;
      await Promise.resolve();
      throw reeveError('HOST_UNREACHABLE', { host: 'web1', reason: 'gone' });
    });
    const ran = await run(['run', 'shop']);
    expect(ran.exit).toBe(3);
    expect(ran.err).toContain('gone; what has begun goes on.\n');
    expect(JSON.parse((await run(['run', 'shop', '--json'])).out)).toMatchObject({ run: { state: 'running' }, error: { code: 'HOST_UNREACHABLE' } });
    answerRun(() => [begun]);
    expect((await run(['run', 'shop'])).exit).toBe(70);
  });

  it.each([['HOST_UNREACHABLE', 3], ['BACKUP_BUSY', 2], ['BACKUP_FROZEN', 2], ['BACKUP_FOLDER', 1]] as const)('that %s keeps from beginning exits %i', async (code, exit) => {
    answerRun(() => {
      throw reeveError(code, { host: 'web1', value: 'shop', rule: 'no', reason: 'away', remedy: '' });
    });
    const ran = await run(['run', 'shop']);
    expect(ran).toMatchObject({ exit, out: '' });
    expect(ran.err).not.toContain('goes on');
  });

  it('log --follow says that nothing runs', async () => {
    coordinator.answers = {
      'BackupService.WatchBackup': () => {
        throw reeveError('BACKUP_IDLE', { value: 'shop' });
      },
    };
    expect(await run(['log', 'shop', '--follow'])).toMatchObject({ exit: 2, err: 'reeve: Backup job "shop" does not run\n' });
  });

  const restore = ['restore', 'shop', '--to', 'web1:/srv/restored'];
  it('that restores is planned, shown and asked for first', async () => {
    const ran = await run(restore, { answer: 'y' });
    expect(ran).toMatchObject({ exit: 0, asked: ['Do it? [y/N] '] });
    expect(ran.out.match(/\+ backup web1:/g)).toHaveLength(1);
    expect(methods()).toEqual([['BackupService.RestoreBackup', 'CHANGE_MODE_PLAN'], ['BackupService.RestoreBackup', 'CHANGE_MODE_APPLY']]);
    coordinator.requests.length = 0;
    expect(await run(restore, { answer: 'n' })).toMatchObject({ exit: 1 });
    expect(await run([...restore, '--plan'])).toMatchObject({ exit: 0, asked: [] });
    expect(methods()).toEqual([['BackupService.RestoreBackup', 'CHANGE_MODE_PLAN'], ['BackupService.RestoreBackup', 'CHANGE_MODE_PLAN']]);
    expect(JSON.parse((await run([...restore, '--plan', '--json'])).out)).toMatchObject({ plan: { changes: [{ kind: 'create', subject: 'web1:/srv/restored' }] } });
    expect(JSON.parse((await run([...restore, '--yes', '--json'])).out)).toMatchObject({ plan: {}, run: { kind: 'restore' } });
  });

  it('has nothing to do when nothing is to be pruned', async () => {
    coordinator.answers = { 'BackupService.PruneBackup': () => [{ plan: {} }] };
    expect(await run(['prune', 'shop'], { answer: 'y' })).toMatchObject({ exit: 0, asked: [], out: 'Nothing to do.\n' });
    expect(await run(['prune', 'shop', '--yes'])).toMatchObject({ exit: 0, out: 'Nothing to do.\n' });
    expect(JSON.parse((await run(['prune', 'shop', '--yes', '--json'])).out)).toEqual({ plan: { changes: [], notes: [] } });
  });
});

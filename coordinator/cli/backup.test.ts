import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { answers } from './testing/answer.js';
import { shop } from './testing/answer-backup.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const add = ['backup', 'add', 'shop', '--from', 'web1:/srv/shop', '--to', 'big1:/srv/backup/shop'];
const usual = {
  name: 'shop', source: 'web1', folders: ['/srv/shop'], destination: 'big1', folder: '/srv/backup/shop', excludes: [], systemFolders: false, schedule: { cron: '', windowMinutes: 60 },
  retention: { hourly: 0, daily: 7, weekly: 4, monthly: 6 }, bandwidthKib: 0, timeLimitMinutes: 1440, dumps: [], active: true, shrinkPercent: 50, verifyDays: 30, drill: null,
};

describe('reeve backup', () => {
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
  const run = (line: readonly string[], options = {}) => runCaptured(coordinator.socket, line, options);
  const asked = () => coordinator.requests.map(({ request }) => request);

  it('add sends a job with what is usual', async () => {
    expect((await run([...add, '--yes'])).exit).toBe(0);
    expect(asked()).toEqual([{ options: expect.objectContaining({ mode: 'CHANGE_MODE_APPLY' }) as object, backup: usual }]);
  });

  it.each<[readonly string[], object]>([
    [['--from', 'web1:/etc,/srv/a,b'], { folders: ['/etc', '/srv/a,b', '/srv/shop'] }],
    [['--exclude', '*.tmp', '--exclude', 'cache/', '--system-folders'], { excludes: ['*.tmp', 'cache/'], systemFolders: true }],
    [['--every', 'weekly', '--window', '0'], { schedule: { cron: '0 0 * * 1', windowMinutes: 0 } }],
    [['--every', '30 2 * * *'], { schedule: { cron: '30 2 * * *', windowMinutes: 60 } }],
    [['--every', 'never'], { schedule: null }],
    [['--keep', 'hourly=6,daily=14'], { retention: { hourly: 6, daily: 14, weekly: 0, monthly: 0 }, schedule: { cron: '', windowMinutes: 60 } }],
    [['--keep', 'classic'], { retention: { hourly: 6, daily: 7, weekly: 4, monthly: 3 }, schedule: { cron: '0 */4 * * *', windowMinutes: 60 } }],
    [['--keep', 'classic', '--every', 'hourly'], { retention: { hourly: 6, daily: 7, weekly: 4, monthly: 3 }, schedule: { cron: '0 * * * *', windowMinutes: 60 } }],
    [['--bandwidth', '8192', '--time-limit', '90', '--shrink', '0', '--verify-days', '7'], { bandwidthKib: 8192, timeLimitMinutes: 90, shrinkPercent: 0, verifyDays: 7 }],
    [['--dump', 'postgresql:shop', '--dump', 'mysql:a'], { dumps: [{ engine: 'mysql', database: 'a' }, { engine: 'postgresql', database: 'shop' }] }],
    [['--inactive', '--drill', 'spare1:/srv/drill', '--drill-days', '30'], { active: false, drill: { host: 'spare1', folder: '/srv/drill', everyDays: 30 } }],
  ])('add %j says that besides', async (args, more) => {
    expect((await run([...add, ...args, '--yes'])).exit).toBe(0);
    expect(asked()).toMatchObject([{ backup: { ...usual, ...more } }]);
  });

  it('add takes a host without folders when there are databases', async () => {
    await run(['backup', 'add', 'db', '--from', 'db1', '--dump', 'postgresql:shop', '--to', 'big1:/srv/db', '--stage']);
    await run(['backup', 'add', 'db', '--from', 'db1:', '--dump', 'postgresql:shop', '--to', 'big1:/srv/db', '--stage']);
    expect(asked()).toMatchObject([{ backup: { source: 'db1', folders: [] }, options: { mode: 'CHANGE_MODE_STAGE' } }, { backup: { source: 'db1', folders: [] } }]);
  });

  it('add plans, shows, asks and stores; at a no nothing is stored', async () => {
    const yes = await run(add, { answer: 'y' });
    expect(yes).toMatchObject({ exit: 0, asked: ['Apply? [y/N] '] });
    expect(yes.out).toBe('inventory   + backup shop      source web1, destination big1:/srv/backup/shop\nnote: host "big1" could not be asked: connection refused\nDone.\n');
    expect(await run(add, { answer: 'n' })).toMatchObject({ exit: 1 });
    expect(asked()).toMatchObject([{ options: { mode: 'CHANGE_MODE_PLAN' } }, { options: { mode: 'CHANGE_MODE_APPLY' } }, { options: { mode: 'CHANGE_MODE_PLAN' } }]);
    coordinator.requests.length = 0;
    expect(await run(add)).toMatchObject({ exit: 2 });
    expect(await run([...add, '--json'])).toMatchObject({ exit: 2 });
    expect(asked()).toEqual([]);
  });

  const job = { ...shop, retention: { hourly: 0, daily: 7, weekly: 4, monthly: 6 }, systemFolders: false };
  it.each<[readonly string[], object]>([
    [['--thaw'], {}],
    [['--from', '/srv/shop', '--from', 'web1:/root'], { folders: ['/root', '/srv/shop'] }],
    [['--to', 'big2:/srv/shop'], { destination: 'big2', folder: '/srv/shop' }],
    [['--exclude', '*.log', '--dump', 'mysql:b'], { excludes: ['*.log'], dumps: [{ engine: 'mysql', database: 'b' }] }],
    [['--no-exclude', '--no-dump', '--no-drill'], { excludes: [], dumps: [], drill: null }],
    [['--system-folders', '--inactive'], { systemFolders: true, active: false }],
    [['--every', 'never'], { schedule: null }],
    [['--every', 'hourly'], { schedule: { cron: '0 * * * *', windowMinutes: 60 } }],
    [['--window', '5'], { schedule: { cron: '', windowMinutes: 5 } }],
    [['--keep', 'daily=14'], { retention: { hourly: 0, daily: 14, weekly: 0, monthly: 0 } }],
    [['--drill-days', '90'], { drill: { host: 'spare1', folder: '/srv/drill', everyDays: 90 } }],
    [['--drill', 'spare2:/srv/d'], { drill: { host: 'spare2', folder: '/srv/d', everyDays: 30 } }],
  ])('set %j alters that alone', async (args, more) => {
    expect((await run(['backup', 'set', 'shop', ...args, '--yes'])).exit).toBe(0);
    expect(asked()).toEqual([{ name: 'shop' }, { options: expect.anything() as object, name: 'shop', backup: { ...job, ...more }, thaw: args.includes('--thaw') }]);
  });

  it('set takes back what was said', async () => {
    coordinator.answers = { ...answers, 'BackupService.ShowBackup': () => ({ row: { backup: { ...shop, systemFolders: true, active: false, schedule: null } } }) };
    await run(['backup', 'set', 'shop', '--active', '--no-system-folders', '--every', 'daily', '--yes']);
    expect(asked()).toMatchObject([{}, { backup: { systemFolders: false, active: true, schedule: { cron: '0 0 * * *', windowMinutes: 60 } } }]);
    expect((await run(['backup', 'set', 'shop', '--window', '5', '--yes'])).err).toContain('--window "5" is not allowed: it goes with a schedule: --every');
  });

  it('set of a job that is so already has nothing to do, and asks nothing', async () => {
    coordinator.answers = { ...answers, 'BackupService.SetBackup': () => ({}) };
    expect(await run(['backup', 'set', 'shop', '--keep', 'daily=7'], { answer: 'y' })).toMatchObject({ exit: 0, asked: [], out: 'Nothing to do.\n' });
  });

  it('set refuses another host as source once it knows the job', async () => {
    const ran = await run(['backup', 'set', 'shop', '--from', 'web2:/srv', '--yes']);
    expect(ran).toMatchObject({ exit: 2, out: '' });
    expect(ran.err).toContain('--from "web2" is not allowed: the host that the job backs up, "web1"');
    expect(asked()).toEqual([{ name: 'shop' }]);
  });

  it('the rest and the completion ask for what was named', async () => {
    await run(['backup', 'remove', 'shop', '--yes']);
    await run(['backup', 'list']);
    await run(['backup', 'list', 'role=web']);
    await run(['backup', 'log', 'shop', '01930000-0000-7000-8000-000000000040']);
    await run(['backup', 'log', 'shop', '--list', '--limit', '10']);
    await run(['backup', 'ls', 'shop']);
    await run(['backup', 'ls', 'shop@2026-01-31T090500Z', '/srv/shöp/']);
    await run(['backup', 'ls', 'shop', 'hex:62ff']);
    await run(['backup', 'find', 'shop', '*.conf']);
    await run(['backup', 'find', 'shop', '/etc/hosts']);
    await run(['backup', 'find', 'shop', '/hosts']);
    expect((await run(['completion', 'backups'])).out).toBe('db\nmail\nshop\n');
    expect(asked()).toMatchObject([
      { name: 'shop' }, { selector: '' }, { selector: 'role=web' }, { runId: '01930000-0000-7000-8000-000000000040' }, { limit: 10 }, { snapshot: '', path: Buffer.alloc(0) },
      { name: 'shop', snapshot: '2026-01-31T090500Z', path: Buffer.from('srv/shöp') }, { path: Buffer.from([0x62, 0xff]) }, { pattern: '*.conf' }, { pattern: 'etc/hosts' }, { pattern: '/hosts' }, { selector: '' },
    ]);
  });

  it('ls of what the snapshot does not have is a mistake', async () => {
    coordinator.answers = { 'BackupService.ListSnapshotFiles': () => ({ entries: [{ path: Buffer.from('srv/x'), kind: 'missing' }] }) };
    expect(await run(['backup', 'ls', 'shop', '/srv/x'])).toMatchObject({ exit: 2, out: '', err: 'reeve: path "/srv/x" is not allowed: one that the snapshot has\n' });
  });

  it('restore, verify, prune and adopt send what was typed', async () => {
    await run(['backup', 'restore', 'shop', '--snapshot', '2026-01-31T090500Z', '--path', '/srv/shop/etc', '--to', 'web1:/srv/x', '--keep-old', '--yes']);
    await run(['backup', 'verify', 'shop']);
    await run(['backup', 'verify', 'shop', '--full', '--to', 'spare1:/srv/drill', '--snapshot', '2026-01-31T090500Z']);
    await run(['backup', 'prune', 'shop', '2026-01-31T090500Z', '2026-01-31T090500Z', '--yes']);
    await run(['backup', 'adopt', 'shop', '--rsnapshot', '/srv/rsnapshot', '--point', 'web1', '--plan']);
    expect(asked()).toMatchObject([
      { options: { mode: 'CHANGE_MODE_APPLY' }, snapshot: '2026-01-31T090500Z', path: Buffer.from('srv/shop/etc'), host: 'web1', folder: '/srv/x', keepOld: true },
      { snapshot: '', host: '', folder: '' }, { snapshot: '2026-01-31T090500Z', host: 'spare1', folder: '/srv/drill' }, { snapshots: ['2026-01-31T090500Z'] },
      { options: { mode: 'CHANGE_MODE_PLAN', operationId: '' }, rsnapshot: '/srv/rsnapshot', point: 'web1' },
    ]);
  });

  it('list and show have colours for how jobs do', async () => {
    const { out } = await run(['backup', 'list'], { color: true });
    expect(out).toContain('\u001b[31mfrozen\u001b[0m');
    expect(out).toContain('\u001b[31msample failed 3d ago\u001b[0m');
    expect((await run(['backup', 'show', 'shop'], { color: true })).out).toContain('\u001b[32mgood\u001b[0m');
  });

  it('says so when there is nothing', async () => {
    coordinator.answers = { 'BackupService.ListBackups': () => ({}), 'BackupService.ListBackupRuns': () => ({}), 'BackupService.ListSnapshots': () => ({}), 'BackupService.ListSnapshotFiles': () => ({}), 'BackupService.FindSnapshotFiles': () => ({}) };
    const out = [];
    for (const line of [['list'], ['log', 'shop', '--list'], ['snapshots', 'shop'], ['ls', 'shop'], ['find', 'shop', '*']]) out.push((await run(['backup', ...line])).out);
    expect(out).toEqual([
      'No backup jobs. To add one: reeve backup add NAME --from HOST:/FOLDER --to HOST:/FOLDER\n', 'No runs.\n', 'No snapshots. To make one: reeve backup run NAME\n', 'No files.\n', 'No snapshot has such a file.\n',
    ]);
  });

  it('a job that nobody knows is the mistake of the user', async () => {
    coordinator.answers = {
      'BackupService.ShowBackup': () => {
        throw reeveError('BACKUP_UNKNOWN', { value: 'shop' });
      },
    };
    expect(await run(['backup', 'show', 'shop'])).toMatchObject({ exit: 2, err: 'reeve: No backup job "shop" is known\n  See: reeve backup list\n' });
    coordinator.answers = { 'BackupService.ShowBackup': () => ({}) };
    expect(await run(['backup', 'set', 'shop', '--thaw', '--yes'])).toMatchObject({ exit: 2, err: 'reeve: No backup job "shop" is known\n  See: reeve backup list\n' });
  });

  it.each<[readonly string[], string]>([
    [['add', 'Shop', '--from', 'web1:/a', '--to', 'b:/b', '--yes'], 'name "Shop" is not allowed'],
    [['add', 'shop', '--to', 'b:/b', '--yes'], '--from is missing'],
    [['add', 'shop', '--from', 'web1:/a', '--yes'], '--to is missing'],
    [['add', 'shop', '--from', '/a', '--to', 'b:/b', '--yes'], '--from "/a" is not allowed: HOST:/folder'],
    [['add', 'shop', '--from', 'web1', '--to', 'b:/b', '--yes'], 'folder is missing'],
    [['add', 'shop', '--from', 'web1:a', '--to', 'b:/b', '--yes'], '--from "a" is not allowed'],
    [['add', 'shop', '--from', 'web1:/a', '--from', 'web2:/a', '--to', 'b:/b', '--yes'], '--from "web2:/a" is not allowed: folders of one host, "web1"'],
    [['add', 'shop', '--from', 'web1:/a,/a/b', '--to', 'b:/b', '--yes'], '--from "/a/b" is not allowed'],
    [['add', 'shop', '--from', 'web1:/a', '--to', '/b', '--yes'], '--to "/b" is not allowed: HOST:/folder'],
    [['add', 'shop', '--from', 'web1:/a', '--to', 'b:/b/', '--yes'], '--to "/b/" is not allowed'],
    [['set', 'shop', '--exclude', '+ *', '--yes'], '--exclude "+ *" is not allowed'],
    [['set', 'shop', '--every', 'often', '--yes'], '--every "often" is not allowed: hourly, daily'],
    [['set', 'shop', '--every', '61 * * * *', '--yes'], '--every "61 * * * *" is not allowed'],
    [['set', 'shop', '--every', 'toString', '--yes'], '--every "toString" is not allowed'],
    [['add', 'shop', '--from', 'web1:/a', '--to', 'b:/b', '--every', 'never', '--window', '5', '--yes'], '--window "5" is not allowed: it goes with a schedule'],
    [['set', 'shop', '--keep', 'yearly=1', '--yes'], '--keep "yearly=1" is not allowed: classic, or hourly=N'],
    [['set', 'shop', '--keep', 'daily=1,daily=2', '--yes'], '--keep "daily=1,daily=2" is not allowed'],
    [['set', 'shop', '--keep', 'daily=1=2', '--yes'], '--keep "daily=1=2" is not allowed'],
    [['set', 'shop', '--keep', 'daily=1001', '--yes'], '--keep daily "1001" is not allowed'],
    [['set', 'shop', '--keep', 'daily=0', '--yes'], '--keep "daily=0" is not allowed: at least one level keeps a snapshot'],
    [['set', 'shop', '--shrink', '100', '--yes'], '--shrink "100" is not allowed'],
    [['set', 'shop', '--dump', 'shop', '--yes'], '--dump "shop" is not allowed: ENGINE:DATABASE'],
    [['set', 'shop', '--dump', 'oracle:shop', '--yes'], '--dump "oracle" is not allowed'],
    [['add', 'shop', '--from', 'web1:/a', '--to', 'b:/b', '--drill', 'c:/c', '--yes'], '--drill-days is missing'],
    [['add', 'shop', '--from', 'web1:/a', '--to', 'b:/b', '--drill-days', '5', '--yes'], '--drill is missing'],
    [['set', 'shop', '--yes'], 'what is to be altered is missing'],
    [['set', 'shop', '--active', '--inactive', '--yes'], '--inactive "given" is not allowed: it cannot stand with --active'],
    [['log', 'shop', 'last'], 'id of the run "last" is not allowed'],
    [['log', 'shop', '01930000-0000-7000-8000-000000000040', '--follow'], '--follow "given" is not allowed: it cannot stand with one run'],
    [['log', 'shop', '--limit', '5'], '--limit "5" is not allowed: it goes with --list'],
    [['ls', 'shop@yesterday'], 'snapshot "yesterday" is not allowed'],
    [['ls', 'shop', ''], 'path is missing: a path from the root'],
    [['ls', 'shop', '/srv//a'], 'path "/srv//a" is not allowed'],
    [['ls', 'shop', '/srv/../etc'], 'path "/srv/../etc" is not allowed'],
    [['ls', 'shop', '/srv/\ufffd'], 'a path in UTF-8; another one as hex:BYTES'],
    [['ls', 'shop', 'hex:2f6200'], 'path "hex:2f6200" is not allowed'],
    [['find', 'shop', 'x'.repeat(257)], 'at most 256 characters'],
    [['restore', 'shop', '--yes'], '--to is missing'],
    [['restore', 'shop', '--to', 'web1', '--yes'], '--to "web1" is not allowed: HOST:/folder'],
    [['verify', 'shop', '--full'], '--to is missing'],
    [['verify', 'shop', '--to', 'spare1:/srv/x'], '--to "spare1:/srv/x" is not allowed: it goes with --full'],
    [['prune', 'shop', 'old', '--yes'], 'snapshot "old" is not allowed'],
    [['adopt', 'shop', '--rsnapshot', '/srv/r', '--point', '../x', '--yes'], '--point "/../x" is not allowed'],
    [['adopt', 'shop', '--rsnapshot', '/srv/r', '--point', '/web1', '--yes'], '--point "/web1" is not allowed'],
    [['restore', 'shop', '--to', 'web1:/srv/x'], 'nobody can be asked here'],
  ])('%j is refused before anybody is asked', async (args, message) => {
    const ran = await run(['backup', ...args]);
    expect([ran.exit, ran.err.replaceAll('\n', ' ')]).toEqual([2, expect.stringContaining(message) as string]);
    expect(asked()).toEqual([]);
  });
});

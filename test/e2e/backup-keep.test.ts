import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backupLevels, snapshotTime, type BackupLevel } from '../../shared/model/backup.js';
import type { LabHost } from '../lab/lab.js';
import { treeOf } from '../support/backup-tree.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

interface Run {
  readonly state: string;
  readonly reason: string;
  readonly snapshot: string;
  readonly by: string;
}

/** The bucket of a time in a level, written apart from the code that is tested. */
const bucket: Readonly<Record<BackupLevel, (ms: number) => string>> = {
  hourly: (ms) => new Date(ms).toISOString().slice(0, 13),
  daily: (ms) => new Date(ms).toISOString().slice(0, 10),
  // Weeks begin on Mondays; 1970-01-05 was one.
  weekly: (ms) => String(Math.floor((ms - 4 * 86_400_000) / (7 * 86_400_000))),
  monthly: (ms) => new Date(ms).toISOString().slice(0, 7),
};

function keptOf(names: readonly string[], keep: Readonly<Record<BackupLevel, number>>): readonly string[] {
  const kept = new Set<string>();
  for (const level of backupLevels) {
    const seen = new Set<string>();
    for (const name of [...names].sort().reverse()) {
      const of = bucket[level](snapshotTime(name) ?? 0);
      if (!seen.has(of) && seen.size < keep[level]) kept.add(name);
      seen.add(of);
    }
  }
  return [...kept].sort();
}

const nameOf = (ms: number): string => new Date(ms).toISOString().replace(/^(.{13}):(..):(..)\..*$/, '$1$2$3Z');

describe.skipIf(!hosts.ok)('snapshots over a long time', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let store: LabHost;
  const run = async (job: string, code = 0): Promise<Run> => (await fleet.json<{ run: Run }>(['backup', 'run', job], code)).run;
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await fleet.reeve(args);
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  };

  beforeAll(async () => {
    fleet = await startFleet({ name: 'backupkeep', hosts: ['web', 'store'], debian: ['rsync'], resident: true });
    web = fleet.host('web');
    store = fleet.host('store');
    await store.run(['mkdir', '-p', '/srv/backup']);
  });
  afterAll(() => fleet.close());

  test('exactly those are kept that the retention says, day by day', async () => {
    const keep = { hourly: 0, daily: 4, weekly: 3, monthly: 2 } as const;
    await web.run(['/bin/sh', '-c', 'mkdir -p /srv/data/cache && echo same >/srv/data/same && echo x >/srv/data/cache/x && echo old >/srv/data/old']);
    await ok('backup', 'add', 'web', '--from', 'web:/srv/data', '--to', 'store:/srv/backup/web', '--exclude', '/cache', '--every', 'never', '--yes');
    const days = 32;
    const first = Date.parse('2026-01-05T02:30:00Z');
    let expected: readonly string[] = [];
    for (let day = 0; day < days; day++) {
      await web.run(['/bin/sh', '-c', `echo ${String(day)} >/srv/data/day${day === days - 3 ? ' && rm /srv/data/old' : ''}`]);
      await ok('backup', 'set', 'web', '--keep', 'daily=1000', '--yes');
      const { snapshot, state, reason } = await run('web');
      expect(state, reason).toBe('done');
      // The day that it was made on, in this test's calendar.
      const name = nameOf(first + day * 86_400_000);
      await store.run(['/bin/sh', '-ec', `cd /srv/backup/web; mv -T info/${snapshot} info/${name}; mv -T snapshots/${snapshot} snapshots/${name}`]);
      await ok('backup', 'set', 'web', '--keep', 'daily=4,weekly=3,monthly=2', '--yes');
      await ok('backup', 'prune', 'web', '--yes');
      expected = keptOf([...expected, name], keep);
      expect((await store.run(['ls', '/srv/backup/web/snapshots'])).trim().split('\n'), `day ${String(day)}`).toEqual(expected);
    }
    // Two months, three weeks, four days: some of these are the same.
    expect(expected.length).toBeGreaterThan(5);
    const inodes = new Set(await Promise.all(expected.map(async (name) => (await store.run(['stat', '-c', '%i', `/srv/backup/web/snapshots/${name}/srv/data/same`])).trim())));
    expect(inodes.size).toBe(1);
    expect(await store.run(['find', '/srv/backup/web', '-name', 'cache'])).toBe('');
    const has = await Promise.all(expected.map(async (name) => (await store.exec(['test', '-e', `/srv/backup/web/snapshots/${name}/srv/data/old`])).code === 0));
    expect(has.at(-1)).toBe(false);
    expect(has[0]).toBe(true);
    expect(await store.run(['ls', '/srv/backup/web/trash'])).toBe('');
  }, 400_000);

  test('a source that is much smaller freezes the rotation, until somebody says that it is right', async () => {
    await web.run(['/bin/sh', '-c', 'for i in $(seq 60); do echo $i >/srv/data/f$i; done']);
    expect((await run('web')).state).toBe('done');
    await web.run(['/bin/sh', '-c', 'rm /srv/data/f*']);
    const shrunk = await run('web');
    expect(shrunk.state).toBe('done');
    const { row } = await fleet.json<{ row: { health: string; frozenAt: string | null } }>(['backup', 'show', 'web']);
    expect(row.health).toBe('frozen');
    expect(row.frozenAt).not.toBeNull();
    const refused = await fleet.reeve(['backup', 'prune', 'web', '--yes']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--thaw')]);
    await ok('backup', 'set', 'web', '--thaw', '--yes');
    expect((await run('web')).state).toBe('done');
    expect((await fleet.json<{ row: { health: string } }>(['backup', 'show', 'web'])).row.health).not.toBe('frozen');
  }, 120_000);

  test('a job runs by its schedule', async () => {
    await ok('backup', 'set', 'web', '--every', '* * * * *', '--window', '0', '--yes');
    await until(async () => (await fleet.json<{ runs: Run[] }>(['backup', 'log', 'web', '--list'])).runs.some(({ by, state }) => by === 'schedule' && state === 'done'), { timeoutMs: 130_000, everyMs: 1000, what: 'a run by the schedule' });
    await ok('backup', 'set', 'web', '--every', 'never', '--yes');
  }, 150_000);

  test('20,000 small files and some large ones: backed up, wiped, restored, identical', async () => {
    await web.run(['/bin/sh', '-ec', [
      'mkdir -p /srv/many && cd /srv/many',
      'for d in $(seq 100); do mkdir d$d; head -c 400000 /dev/urandom | split -b 2000 -a 3 -d - d$d/part; done',
      'for n in 1 2 3; do head -c 30000000 /dev/urandom >large$n; done',
      'truncate -s 200M holes && printf x | dd of=holes bs=1 seek=100000000 conv=notrunc status=none',
      'ln large1 d1/again && chown -R 3000:3000 d7 && chmod 0600 d8/* && ln -s /nowhere d9/dangling',
    ].join('\n')], { timeoutMs: 300_000 });
    expect(Number(await web.run(['/bin/sh', '-c', 'find /srv/many -type f | wc -l']))).toBeGreaterThanOrEqual(20_000);
    await ok('backup', 'add', 'many', '--from', 'web:/srv/many', '--to', 'store:/srv/backup/many', '--every', 'never', '--yes');
    const made = await run('many');
    expect(made.state, made.reason).toBe('done');
    const before = await treeOf(web, '/srv/many');
    await web.run(['/bin/sh', '-c', 'rm -rf /srv/many && mkdir -p /srv/restore'], { timeoutMs: 120_000 });
    await ok('backup', 'restore', 'many', '--to', 'web:/srv/restore/many', '--yes');
    expect(await treeOf(web, '/srv/restore/many')).toEqual(before);
    expect(Number(await web.run(['stat', '-c', '%b', '/srv/restore/many/holes']))).toBeLessThan(1000);
  }, 400_000);

  test('a part of a snapshot is restored beside what is there', async () => {
    await web.run(['/bin/sh', '-c', 'mkdir -p /srv/restore/part && echo mine >/srv/restore/part/mine']);
    await ok('backup', 'restore', 'many', '--path', '/srv/many/d9', '--to', 'web:/srv/restore/part', '--keep-old', '--yes');
    expect(await web.run(['readlink', '/srv/restore/part/dangling'])).toBe('/nowhere\n');
    expect(await web.run(['/bin/sh', '-c', 'cat /srv/restore/part.before-*/mine'])).toBe('mine\n');
  }, 120_000);

  test('a job that is removed leaves its snapshots, and its folder takes no other job', async () => {
    expect(await ok('backup', 'remove', 'many', '--yes')).toContain('/srv/backup/many');
    expect(Number(await store.run(['/bin/sh', '-c', 'ls /srv/backup/many/snapshots | wc -l']))).toBe(1);
    const other = await fleet.reeve(['backup', 'add', 'other', '--from', 'web:/srv/data', '--to', 'store:/srv/backup/many', '--yes']);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('another backup job')]);
  }, 60_000);
});

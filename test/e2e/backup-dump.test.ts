import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

interface Ran {
  readonly run: { readonly state: string; readonly reason: string; readonly snapshot: string };
  readonly proof: { readonly ok: boolean; readonly dumps: readonly string[] } | null;
}

describe.skipIf(!hosts.ok)('databases and snapshots of others', () => {
  let fleet: TestFleet;
  let web: LabHost;
  let store: LabHost;
  const sql = (statement: string): Promise<string> => web.run(['runuser', '-u', 'postgres', '--', 'psql', '-At', '-d', 'shop', '-c', statement]);

  beforeAll(async () => {
    fleet = await startFleet({ name: 'backupdump', hosts: ['web', 'store'], debian: ['rsync', 'postgresql', 'mariadb-server', 'rsnapshot'] });
    web = fleet.host('web');
    store = fleet.host('store');
    await store.run(['mkdir', '-p', '/srv/backup']);
    await until(async () => (await web.exec(['runuser', '-u', 'postgres', '--', 'psql', '-At', '-c', 'select 1'])).code === 0, { timeoutMs: 60_000, everyMs: 500, what: 'PostgreSQL to answer' });
    await until(async () => (await web.exec(['mariadb', '-e', 'select 1'])).code === 0, { timeoutMs: 60_000, everyMs: 500, what: 'MariaDB to answer' });
    await web.run(['runuser', '-u', 'postgres', '--', 'createdb', 'shop']);
    await sql("create table goods (id serial primary key, name text); insert into goods (name) select 'thing ' || n from generate_series(1, 5000) n; create table empty (x int)");
    await web.run(['mariadb', '-e', "create database forum; create table forum.post (id int primary key, body text); insert into forum.post values (1, 'one'), (2, 'two'), (3, 'drei')"]);
  });
  afterAll(() => fleet.close());

  test('are dumped before the run, and loaded again as its proof, with as many rows', async () => {
    const added = await fleet.reeve(['backup', 'add', 'db', '--from', 'web:/srv', '--to', 'store:/srv/backup/db', '--dump', 'postgresql:shop', '--dump', 'mysql:forum', '--every', 'never', '--yes']);
    expect(added.code, added.stderr).toBe(0);
    const { run, proof } = await fleet.json<Ran>(['backup', 'run', 'db']);
    expect(run.state, run.reason).toBe('done');
    const { row } = await fleet.json<{ row: { health: string; reason: string; proof: NonNullable<Ran['proof']> } }>(['backup', 'show', 'db']);
    expect(row.health, `${row.reason} ${JSON.stringify(proof ?? row.proof)}`).toBe('good');
    expect(row.proof.dumps.join('\n')).toMatch(/shop: 2 tables, 5,?000 rows/);
    expect(row.proof.dumps.join('\n')).toMatch(/forum: 1 tables?, 3 rows/);
    // Out of the snapshot, by hand, as somebody does who has nothing else left.
    const path = `/srv/backup/db/snapshots/${run.snapshot}/var/lib/reeve-backup/dump`;
    const [file = ''] = (await store.run(['/bin/sh', '-c', `find ${path} -name 'postgresql-shop.dump'`])).trim().split('\n');
    await store.run(['/bin/sh', '-ec', `cp '${file}' /tmp/shop.dump && chmod 0644 /tmp/shop.dump && runuser -u postgres -- createdb shop && runuser -u postgres -- pg_restore -d shop /tmp/shop.dump`]);
    expect(await store.run(['runuser', '-u', 'postgres', '--', 'psql', '-At', '-d', 'shop', '-c', 'select count(*) from goods'])).toBe('5000\n');
  }, 240_000);

  test('a dump that fails fails the run before anything is copied, and the last one stays', async () => {
    const before = (await fleet.json<{ snapshots: unknown[] }>(['backup', 'snapshots', 'db'])).snapshots.length;
    await web.run(['systemctl', 'stop', 'mariadb']);
    const { run } = await fleet.json<Ran>(['backup', 'run', 'db'], 1);
    expect(run.state).toBe('failed');
    expect(run.reason).toContain('forum');
    expect((await fleet.json<{ snapshots: unknown[] }>(['backup', 'snapshots', 'db'])).snapshots.length).toBe(before);
    await web.run(['systemctl', 'start', 'mariadb']);
  }, 120_000);

  test('snapshots of rsnapshot are taken over, and the first run links to the newest of them', async () => {
    await web.run(['/bin/sh', '-ec', 'mkdir -p /home/site/sub && echo kept >/home/site/kept && echo b >/home/site/sub/b && chown 1500:1501 /home/site/kept && chmod 0640 /home/site/kept && ln -s kept /home/site/link']);
    // What rsnapshot keeps of the same files, by its own program.
    await web.run(['tar', '-C', '/', '-cf', '/tmp/site.tar', 'home/site']);
    const tar = await web.run(['base64', '-w0', '/tmp/site.tar']);
    await store.run(['/bin/sh', '-ec', 'mkdir -p /srv/copy && base64 -d | tar -C /srv/copy -x --same-owner'], { input: tar });
    await store.write('/etc/rsnapshot-test.conf', ['config_version\t1.2', 'snapshot_root\t/srv/backup/old/', 'cmd_rsync\t/usr/bin/rsync', 'cmd_cp\t/bin/cp', 'retain\thourly\t3', 'rsync_long_args\t--delete --numeric-ids --delete-excluded', 'backup\t/srv/copy/home/\tweb/home/', ''].join('\n'));
    await store.run(['mkdir', '-p', '/srv/backup/old']);
    await store.run(['chmod', '0700', '/srv/backup/old']);
    for (let round = 0; round < 2; round++) {
      await store.run(['rsnapshot', '-c', '/etc/rsnapshot-test.conf', 'hourly']);
      // Levels are known by their times.
      await store.run(['touch', '-d', `2026-11-0${String(2 + round)}T03:00:00Z`, '/srv/backup/old/hourly.0']);
    }
    const policy = await store.read('/etc/reeve/policy');
    await store.write('/etc/reeve/policy', `${policy}allow backup.adopt\n`);
    const added = await fleet.reeve(['backup', 'add', 'site', '--from', 'web:/home', '--to', 'store:/srv/backup/site', '--every', 'never', '--keep', 'hourly=100', '--yes']);
    expect(added.code, added.stderr).toBe(0);
    const planned = await fleet.reeve(['backup', 'adopt', 'site', '--rsnapshot', '/srv/backup/old', '--point', 'web', '--plan']);
    expect(planned.code, planned.stderr).toBe(0);
    expect(planned.stdout).toContain('2026-11-02T030000Z');
    const adopted = await fleet.reeve(['backup', 'adopt', 'site', '--rsnapshot', '/srv/backup/old', '--point', 'web', '--yes']);
    expect(adopted.code, `${adopted.stdout}${adopted.stderr}`).toBe(0);
    const { run } = await fleet.json<Ran>(['backup', 'run', 'site']);
    expect(run.state, run.reason).toBe('done');
    const names = (await fleet.json<{ snapshots: { snapshot: { name: string } }[] }>(['backup', 'snapshots', 'site'])).snapshots.map(({ snapshot }) => snapshot.name);
    expect(names).toEqual([run.snapshot, '2026-11-03T030000Z', '2026-11-02T030000Z']);
    const inodes = await Promise.all(names.map((name) => store.run(['stat', '-c', '%i', `/srv/backup/site/snapshots/${name}/home/site/kept`])));
    expect(new Set(inodes).size).toBe(1);
    const restored = await fleet.reeve(['backup', 'restore', 'site', '--snapshot', '2026-11-02T030000Z', '--path', '/home/site', '--to', 'web:/srv/restore', '--yes']);
    expect(restored.code, `${restored.stdout}${restored.stderr}`).toBe(0);
    expect(await web.run(['stat', '-c', '%u %g %a', '/srv/restore/kept'])).toBe('1500 1501 640\n');
    expect(await web.run(['readlink', '/srv/restore/link'])).toBe('kept\n');
  }, 240_000);
});

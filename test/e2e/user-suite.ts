import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** The database entries of an account as the host's own tools show them; empty: there is none. */
async function account(host: LabHost, name: string): Promise<{ passwd: string; expiry: string; groups: string[] }> {
  const passwd = (await host.exec(['getent', 'passwd', name])).stdout.trim();
  const shadow = (await host.exec(['getent', 'shadow', name])).stdout.trim();
  const groups = (await host.exec(['id', '-nG', name])).stdout.trim();
  return { passwd, expiry: shadow.split(':')[7] ?? '', groups: groups === '' ? [] : groups.split(' ').sort() };
}

/** Everything on a host that a user command could alter. */
async function fingerprint(host: LabHost): Promise<string> {
  return host.run(['sh', '-c', 'sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow; ls -lan /home; find /var/lib/reeve-privd/owned -type f | sort']);
}

/** Where the suite runs. */
export interface UserSuite {
  /** Completes "users on real hosts". */
  readonly title: string;
  /** A fleet with the managed hosts web1 and web2. */
  readonly start: () => Promise<TestFleet>;
  /** Selects those two. */
  readonly on: string;
  /** What else is asserted of such a fleet, after all that is about users. */
  readonly more?: (fleet: () => TestFleet) => void;
}

/** Everything about users on two real hosts, however the coordinator reaches them. */
export function describeUsers(suite: UserSuite): void {
  const { on } = suite;
  describe.skipIf(!hosts.ok)(`users on real hosts${suite.title}`, () => {
    let fleet: TestFleet;
    let web1: LabHost;
    let web2: LabHost;

    beforeAll(async () => {
      fleet = await suite.start();
      web1 = fleet.host('web1');
      web2 = fleet.host('web2');
    });
    afterAll(() => fleet.close());

    test('a plan changes nothing, on the hosts or in the inventory', async () => {
      const before = [await fingerprint(web1), await fingerprint(web2)];
      const plan = await fleet.json<{ stored: boolean; hosts: { changes: { kind: string }[] }[] }>(['user', 'add', 'ada', '--on', on, '--plan']);
      expect(plan.stored).toBe(false);
      expect(plan.hosts.map((host) => host.changes.map((change) => change.kind))).toEqual([['create'], ['create']]);
      expect([await fingerprint(web1), await fingerprint(web2)]).toEqual(before);
      expect((await fleet.json<{ users: unknown[] }>(['user', 'list'])).users).toEqual([]);
    });

    test('an account is made on every selected host, and a second apply reports no change', async () => {
      const add = ['user', 'add', 'ada', '--on', on, '--comment', 'Ada Lovelace', '--groups', 'www-data,audio', '--yes'];
      expect((await fleet.reeve(add)).code).toBe(0);
      for (const host of [web1, web2]) {
        const { passwd, groups } = await account(host, 'ada');
        expect(passwd).toBe('ada:x:20000:20000:Ada Lovelace:/home/ada:/bin/bash');
        expect(groups).toEqual(['ada', 'audio', 'www-data']);
        expect(await host.run(['stat', '-c', '%U:%G %F', '/home/ada'])).toBe('ada:ada directory\n');
      }
      const before = await fingerprint(web1);
      const again = await fleet.json<{ hosts: { changes: unknown[] }[] }>(add);
      expect(again.hosts.flatMap((host) => host.changes)).toEqual([]);
      expect(await fingerprint(web1)).toBe(before);
    });

    test('shell, comment and groups of an account converge to what was asked last', async () => {
      const changed = await fleet.json<{ hosts: { changes: { fields: { field: string; from: string; to: string }[] }[] }[] }>([
        'user', 'add', 'ada', '--on', 'web1', '--shell', '/bin/sh', '--groups', 'www-data', '--yes',
      ]);
      const fields = changed.hosts[0]?.changes[0]?.fields.map((field) => field.field) ?? [];
      expect(fields).toEqual(expect.arrayContaining(['shell', 'comment', 'groups']));
      const now = await account(web1, 'ada');
      expect(now.passwd).toBe('ada:x:20000:20000::/home/ada:/bin/sh');
      expect(now.groups).toEqual(['ada', 'www-data']);
      expect((await account(web2, 'ada')).groups).toEqual(['ada', 'audio', 'www-data']);
    });

    test('a locked account is expired, so that keys do not log in either, and unlocking gives it back', async () => {
      await fleet.json(['user', 'lock', 'ada', '--on', on, '--yes']);
      for (const host of [web1, web2]) expect((await account(host, 'ada')).expiry).toBe('1');
      expect((await web1.exec(['su', 'ada', '-c', 'true'])).code).not.toBe(0);
      await fleet.json(['user', 'unlock', 'ada', '--on', on, '--yes']);
      for (const host of [web1, web2]) expect((await account(host, 'ada')).expiry).toBe('');
      expect((await web1.exec(['su', 'ada', '-c', 'true'])).code).toBe(0);
    });

    test('a system account has no home and no login shell, and its uid is of the policy range', async () => {
      await fleet.json(['user', 'add', 'collector', '--system', '--on', 'web1', '--yes']);
      expect((await account(web1, 'collector')).passwd).toMatch(/^collector:x:2\d{4}:2\d{4}::\/nonexistent:\/usr\/sbin\/nologin$/);
      expect((await web1.exec(['test', '-e', '/home/collector'])).code).toBe(1);
    });

    test('a uid is taken when it is free, and never changed or shared', async () => {
      await fleet.json(['user', 'add', 'grace', '--uid', '20500', '--on', 'web1', '--yes']);
      expect((await account(web1, 'grace')).passwd).toMatch(/^grace:x:20500:/);
      const before = await fingerprint(web1);
      const moved = await fleet.reeve(['user', 'add', 'grace', '--uid', '20501', '--on', 'web1', '--yes']);
      expect(moved).toMatchObject({ code: 1 });
      expect(moved.stdout + moved.stderr).toMatch(/"grace".*uid 20500.*never changed/);
      const shared = await fleet.reeve(['user', 'add', 'mary', '--uid', '20500', '--on', 'web1', '--yes']);
      expect(shared.code).toBe(2);
      expect(shared.stderr).toMatch(/20500.*"grace"/);
      expect(await fingerprint(web1)).toBe(before);
      expect((await fleet.json<{ users: { user: { name: string } }[] }>(['user', 'list', '--name', 'mary'])).users).toEqual([]);
    });

    test('an account that Reeve did not make is refused with the remedy, can be adopted for its lock, and stays when it is let go', async () => {
      await web1.run(['useradd', '--uid', '1500', '--create-home', 'bob']);
      const before = await fingerprint(web1);
      const refused = await fleet.reeve(['user', 'add', 'bob', '--on', 'web1', '--yes']);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toMatch(/"bob" exists on host "web1" and was not made by Reeve[\s\S]*reeve user adopt web1 bob/);
      expect(await fingerprint(web1)).toBe(before);

      await fleet.json(['user', 'adopt', 'web1', 'bob', '--yes']);
      await fleet.json(['user', 'lock', 'bob', '--on', 'web1', '--yes']);
      expect((await account(web1, 'bob')).expiry).toBe('1');
      await fleet.json(['user', 'unlock', 'bob', '--on', 'web1', '--yes']);
      await fleet.json(['user', 'remove', 'bob', '--on', 'web1', '--yes']);
      expect((await account(web1, 'bob')).passwd).toMatch(/^bob:x:1500:/);
      expect((await fleet.json<{ users: unknown[] }>(['user', 'list', '--name', 'bob'])).users).toEqual([]);
    });

    test('root and system accounts cannot be adopted without a line of the policy that says so', async () => {
      for (const name of ['root', 'daemon']) {
        const refused = await fleet.reeve(['user', 'adopt', 'web1', name, '--yes']);
        expect(refused.code).toBe(1);
        expect(refused.stdout).toMatch(/system/);
      }
    });

    test('removal ends the processes, takes the entry away and moves the home to the root-only trash', async () => {
      await web1.run(['sh', '-c', 'echo mine > /home/grace/file; chown grace: /home/grace/file']);
      await web1.run(['systemd-run', '--quiet', '--uid=grace', '--unit=stubborn', 'sh', '-c', 'trap "" TERM; while :; do sleep 1; done']);
      await fleet.json(['user', 'remove', 'grace', '--on', 'web1', '--yes']);
      expect((await account(web1, 'grace')).passwd).toBe('');
      expect((await web1.exec(['pgrep', '--uid', '20500'])).code).toBe(1);
      expect((await web1.exec(['test', '-e', '/home/grace'])).code).toBe(1);
      expect(await web1.run(['stat', '-c', '%U %a', '/home/.reeve-trash'])).toBe('root 700\n');
      expect(await web1.run(['sh', '-c', 'cat /home/.reeve-trash/grace.*/file'])).toBe('mine\n');
      const again = await fleet.json<{ hosts: { changes: unknown[] }[] }>(['user', 'remove', 'grace', '--on', 'web1', '--yes']);
      expect(again.hosts.flatMap((host) => host.changes)).toEqual([]);
    });

    test('removal can leave the home, and removing what never was is fine', async () => {
      await fleet.json(['user', 'add', 'keeper', '--on', 'web2', '--yes']);
      await fleet.json(['user', 'remove', 'keeper', '--keep-home', '--on', 'web2', '--yes']);
      expect((await web2.exec(['test', '-d', '/home/keeper'])).code).toBe(0);
      expect((await account(web2, 'keeper')).passwd).toBe('');
      await fleet.json(['user', 'remove', 'never-was', '--on', on, '--yes']);
    });

    test('what the policy of one host refuses stores nothing anywhere, and the line it asks for makes it work', async () => {
      const before = [await fingerprint(web1), await fingerprint(web2)];
      await web2.run(['sh', '-c', 'echo "deny user.add name=db*" >> /etc/reeve/policy']);
      const refused = await fleet.reeve(['user', 'add', 'dbadmin', '--on', on, '--yes']);
      expect(refused.code).toBe(1);
      expect(refused.stdout).toMatch(/web2\s+refused: The policy of host "web2" does not allow user\.add/);
      expect([await fingerprint(web1), await fingerprint(web2)]).toEqual(before);
      expect((await fleet.json<{ users: unknown[] }>(['user', 'list', '--name', 'dbadmin'])).users).toEqual([]);
      await web2.run(['sed', '-i', '/^deny user.add/d', '/etc/reeve/policy']);
      const outside = await fleet.json<{ hosts: { errors: { code: string; fields: { line: string } }[] }[] }>(['user', 'add', 'dbadmin', '--uid', '31000', '--on', 'web2', '--yes'], 1);
      const line = outside.hosts[0]?.errors[0]?.fields.line ?? '';
      expect(line).toMatch(/^allow user\.add .*uid=31000/);
      await web2.run(['sh', '-c', `echo "${line}" >> /etc/reeve/policy`]);
      await fleet.json(['user', 'add', 'dbadmin', '--uid', '31000', '--on', 'web2', '--yes']);
      expect((await account(web2, 'dbadmin')).passwd).toMatch(/^dbadmin:x:31000:/);
    });

    test.each([
      [['user', 'add', 'Ada', '--on', on], /user name "Ada" is not allowed: /],
      [['user', 'add', '-oProxyCommand=x', '--on', on], /ProxyCommand|argument/i],
      [['user', 'add', 'root', '--on', on], /"root": it is reserved/],
      [['user', 'add', 'reeve-x', '--on', on], /"reeve-x": names beginning with "reeve"/],
      [['user', 'add', 'ok', '--uid', '999', '--on', on], /uid "999" is not allowed: a whole number from 1000/],
      [['user', 'add', 'ok', '--uid', '65534', '--on', on], /uid "65534" is not allowed/],
      [['user', 'add', 'ok', '--shell', 'bash', '--on', on], /shell "bash" is not allowed: an absolute path/],
      [['user', 'add', 'ok', '--comment', 'a:b', '--on', on], /comment "a:b" is not allowed/],
      [['user', 'add', 'ok', '--groups', 'a,b c', '--on', on], /group "b c" is not allowed/],
      [['user', 'add', 'ok', '--on', 'nowhere'], /No host "nowhere" is known/],
      [['user', 'add', 'ok', '--on', 'role=none'], /Selector "role=none" matches no host/],
      [['user', 'lock', 'ghost', '--on', 'web1'], /User "ghost" is not managed on host "web1"/],
    ])('bad input %j is refused with field, value and rule, exit 2, and changes nothing', async (args, message) => {
      const audits = async (): Promise<number> => (await fleet.json<{ records: { phase: string }[] }>(['audit', 'list', '--limit', '1000'])).records.filter((record) => record.phase === 'intent').length;
      const before = [await fingerprint(web1), await audits()];
      const refused = await fleet.reeve([...args, '--yes']);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(message);
      expect(refused.stderr.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(2);
      expect([await fingerprint(web1), await audits()]).toEqual(before);
    });

    test('a hand-made change is shown as drift, and apply repairs it', async () => {
      await web1.run(['usermod', '--shell', '/bin/bash', 'ada']);
      await until(async () => (await fleet.json<{ drifted: number }>(['status'])).drifted === 1, { timeoutMs: 20_000, everyMs: 200, what: 'the drift to be shown' });
      const plan = await fleet.json<{ hosts: { hostName: string; changes: { fields: unknown }[] }[] }>(['plan', '--on', 'web1']);
      expect(plan.hosts[0]?.changes[0]?.fields).toEqual([{ field: 'shell', from: '/bin/bash', to: '/bin/sh' }]);
      await fleet.json(['apply', '--on', 'web1', '--noun', 'user', '--yes']);
      expect((await account(web1, 'ada')).passwd).toMatch(/:\/bin\/sh$/);
      await until(async () => (await fleet.json<{ drifted: number }>(['status'])).drifted === 0, { timeoutMs: 20_000, everyMs: 200, what: 'the drift to be gone' });
    });

    test('what is staged waits until it is applied', async () => {
      await fleet.json(['user', 'add', 'later', '--on', 'web1', '--stage', '--yes']);
      expect((await account(web1, 'later')).passwd).toBe('');
      expect((await fleet.json<{ pending: { hostName: string; noun: string }[] }>(['pending'])).pending).toMatchObject([{ hostName: 'web1', noun: 'user' }]);
      await fleet.json(['apply', '--yes']);
      expect((await account(web1, 'later')).passwd).toMatch(/^later:x:/);
      expect((await fleet.json<{ pending: unknown[] }>(['pending'])).pending).toEqual([]);
    });

    test('a host that is away gets the newest state when it returns; the others are done at once', async () => {
      await web2.powerOff();
      await fleet.waitState('web2', 'lost');
      const result = await fleet.json<{ hosts: { hostName: string; outcome: string }[] }>(['user', 'add', 'weaver', '--on', on, '--yes'], 3);
      expect(result.hosts.map((host) => [host.hostName, host.outcome])).toEqual([['web1', 'ok'], ['web2', 'pending']]);
      expect((await account(web1, 'weaver')).passwd).toMatch(/^weaver:x:/);
      await fleet.json(['user', 'add', 'weaver', '--shell', '/bin/sh', '--on', 'web2', '--yes'], 3);
      await web2.powerOn();
      await until(async () => (await account(web2, 'weaver')).passwd.endsWith(':/bin/sh'), { timeoutMs: 60_000, everyMs: 250, what: 'web2 to catch up' });
      await until(async () => (await fleet.json<{ pending: unknown[] }>(['pending'])).pending.length === 0, { timeoutMs: 20_000, everyMs: 250, what: 'nothing to be pending' });
      expect((await web2.run(['journalctl', '--no-pager', '-t', 'useradd'])).match(/new user: name=weaver/g)?.length).toBe(1);
    });

    test('both audit chains are whole at the end', async () => {
      expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
      for (const host of [web1, web2]) expect(await host.run(['/usr/lib/reeve-agent/reeve-privd', '--verify-audit'])).toMatch(/^intact\t/);
    });

    suite.more?.(() => fleet);
  });
}

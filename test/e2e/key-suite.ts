import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { letsIn, login, makeKey } from '../support/ssh-login.js';
import { until } from '../support/until.js';

/** Where the suite runs. */
export interface KeySuite {
  /** Completes "keys on real hosts". */
  readonly title: string;
  /** A fleet with the managed hosts web1 and web2. */
  readonly start: () => Promise<TestFleet>;
  /** The machine that people log in from. */
  readonly desk: (fleet: TestFleet) => LabHost;
  /** Selects those two. */
  readonly on: string;
}

/** Files below homes and sshd's own configuration: what must not be altered. */
async function untouched(host: LabHost): Promise<string> {
  return host.run(['sh', '-c', 'find /home /root/.ssh -type f 2>/dev/null | sort | xargs -r sha256sum; sha256sum /etc/ssh/sshd_config']);
}

/** Everything about keys on two real hosts with real sshd, however the coordinator reaches them. */
export function describeKeys(suite: KeySuite): void {
  const { on } = suite;
  describe.skipIf(!hosts.ok)(`keys on real hosts${suite.title}`, () => {
    let fleet: TestFleet;
    let desk: LabHost;
    let web1: LabHost;
    let web2: LabHost;
    let before: string;
    let granted: Date;

    beforeAll(async () => {
      fleet = await suite.start();
      desk = suite.desk(fleet);
      web1 = fleet.host('web1');
      web2 = fleet.host('web2');
      for (const name of ['ada', 'bob', 'eve']) {
        const key = await makeKey(desk, name);
        await fleet.hub.write(`/root/${name}.pub`, `${key}\n`, 0o644);
        await fleet.json(['person', 'add', name, '--mail', `${name}@example.org`, '--yes']);
        await fleet.json(['key', 'add', name, `/root/${name}.pub`, '--yes']);
      }
      await fleet.json(['user', 'add', 'deploy', '--on', on, '--yes']);
      before = await untouched(web1);
    });
    afterAll(() => fleet.close());

    test('a plan shows who would get in and changes nothing', async () => {
      const plan = await fleet.reeve(['grant', 'add', 'ada', '--on', on, '--user', 'deploy', '--plan']);
      expect(plan.code, plan.stderr).toBe(0);
      expect(plan.stdout).toMatch(/key deploy/);
      expect((await web1.exec(['ls', '/etc/ssh/reeve-keys.d'])).stdout).toBe('');
      expect(await letsIn(desk, web1, 'deploy', 'ada')).toBe(false);
      expect((await fleet.json<{ grants: unknown[] }>(['grant', 'list'])).grants).toEqual([]);
    });

    test('a grant lets a person in on every host, and nothing is written into a home or into sshd_config', async () => {
      expect((await fleet.reeve(['grant', 'add', 'ada', '--on', on, '--user', 'deploy', '--reason', 'deployments', '--yes'])).code).toBe(0);
      for (const host of [web1, web2]) {
        expect(await letsIn(desk, host, 'deploy', 'ada')).toBe(true);
        expect(await letsIn(desk, host, 'deploy', 'bob')).toBe(false);
        expect(await host.run(['stat', '-c', '%U:%G %a', '/etc/ssh/reeve-keys.d/deploy', '/etc/ssh/reeve-keys.d'])).toBe('root:root 644\nroot:root 755\n');
        expect((await host.run(['sshd', '-T'])).split('\n').find((line) => line.startsWith('authorizedkeysfile'))).toBe(
          'authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2 /etc/ssh/reeve-keys.d/%u',
        );
      }
      expect(await untouched(web1)).toBe(before);
      granted = new Date();
    });

    test('the same again reports no change, and nothing waits to be confirmed', async () => {
      const again = await fleet.json<{ outcome: string; hosts: { changes: unknown[] }[] }>(['apply', '--on', on, '--noun', 'key', '--yes']);
      expect(again.outcome).toBe('ok');
      expect(again.hosts.flatMap((host) => host.changes)).toEqual([]);
      expect((await web1.run(['sh', '-c', 'ls /var/lib/reeve-privd/pending'])).trim()).toBe('');
      expect((await web1.exec(['systemctl', 'is-active', 'reeve-deadman.service'])).stdout.trim()).toBe('inactive');
    });

    test('a group lets its members in, with --create on an account that is made for it, and the file says why', async () => {
      await fleet.json(['group', 'add', 'ops', '--person', 'bob', '--yes']);
      const made = await fleet.reeve(['grant', 'add', '--group', 'ops', '--on', on, '--user', 'opsuser', '--create', '--yes']);
      expect(made.code, made.stdout + made.stderr).toBe(0);
      expect(await letsIn(desk, web2, 'opsuser', 'bob')).toBe(true);
      expect(await web2.read('/etc/ssh/reeve-keys.d/opsuser')).toMatch(/ bob via ops: grant \d+\n$/);
      const why = await fleet.reeve(['why', 'access', 'bob', 'web1:opsuser']);
      expect(why.code).toBe(0);
      expect(why.stdout).toMatch(/ops/);
      const access = await fleet.json<{ access: { host: string; user: string }[] }>(['access', 'bob']);
      expect(access.access.map(({ host, user }) => `${host}:${user}`).sort()).toEqual(['web1:opsuser', 'web2:opsuser']);
    });

    test('with the coordinator stopped logins go on', async () => {
      await fleet.hub.run(['systemctl', 'stop', 'reeved']);
      expect(await letsIn(desk, web1, 'deploy', 'ada')).toBe(true);
      await fleet.hub.run(['systemctl', 'start', 'reeved']);
      for (const name of ['web1', 'web2']) await fleet.waitState(name, 'connected', 120_000);
    });

    test('a hand-made key in the managed file is drift, does not last, and plan names it', async () => {
      await web1.run(['sh', '-c', 'printf "%s\\n" "$1" >> /etc/ssh/reeve-keys.d/deploy', 'add', (await fleet.hub.read('/root/eve.pub')).trim()]);
      await until(async () => (await fleet.json<{ hosts: { name: string; drifted: string[] }[] }>(['host', 'list'])).hosts.find((host) => host.name === 'web1')?.drifted.includes('key') === true, {
        timeoutMs: 20_000, everyMs: 250, what: 'drift of noun key to be seen',
      });
      const plan = await fleet.reeve(['plan', '--on', 'web1', '--noun', 'key']);
      expect(plan.stdout).toMatch(/deploy/);
      expect((await fleet.reeve(['apply', '--on', 'web1', '--noun', 'key', '--yes'])).code).toBe(0);
      expect(await letsIn(desk, web1, 'deploy', 'eve')).toBe(false);
      expect(await letsIn(desk, web1, 'deploy', 'ada')).toBe(true);
    });

    test('a grant with an end lets in until then, and no longer', async () => {
      // The end is in the line itself, so sshd keeps it alone.
      expect((await fleet.reeve(['grant', 'add', 'eve', '--on', 'web1', '--user', 'deploy', '--for', '8s', '--yes'])).code).toBe(0);
      expect(await web1.read('/etc/ssh/reeve-keys.d/deploy')).toMatch(/expiry-time="\d{14}Z" ssh-ed25519 \S+ eve: grant \d+\n/);
      expect(await letsIn(desk, web1, 'deploy', 'eve')).toBe(true);
      await until(async () => !(await letsIn(desk, web1, 'deploy', 'eve')), { timeoutMs: 20_000, everyMs: 500, what: 'the grant to end' });
      await until(async () => !(await web1.read('/etc/ssh/reeve-keys.d/deploy')).includes(' eve: grant'), { timeoutMs: 20_000, everyMs: 250, what: 'the line to be taken out' });
    });

    test('bad input is refused with field, value and rule, and changes nothing', async () => {
      const key = (await fleet.hub.read('/root/ada.pub')).trim();
      await fleet.hub.write('/root/bad.pub', `command="id" ${key}\nssh-dss AAAAB3NzaC1kc3MAAAA= x\n`, 0o600);
      for (const args of [
        ['person', 'add', 'Ada'], ['person', 'add', 'ada'], ['key', 'add', 'nobody', '/root/ada.pub'], ['key', 'add', 'ada', '/root/bad.pub'], ['key', 'add', 'bob', '/root/ada.pub'],
        ['group', 'add', '-x'], ['grant', 'add', 'ada', '--on', 'nowhere'], ['grant', 'add', 'nobody', '--on', on], ['grant', 'add', 'ada', '--on', on, '--user', 'deploy', '--for', '1y'],
        ['grant', 'remove', '99999'], ['why', 'access', 'ada', 'web1'], ['revoke', 'nobody'],
      ]) {
        const { code, stderr } = await fleet.reeve(args);
        expect(code, `${args.join(' ')}: ${stderr}`).toBe(2);
        expect(stderr).not.toMatch(/\bat .*\.(?:js|ts):\d/);
      }
    });

    test('a revoked person is out at once on connected hosts, sessions end, and the report says so', async () => {
      const session = login(desk, web1, 'deploy', 'ada', ['sleep', '600']);
      await until(async () => (await web1.exec(['pgrep', '-u', 'deploy', '-x', 'sleep'])).code === 0, { timeoutMs: 20_000, what: 'the session to be there' });
      const startedAt = performance.now();
      const revoking = fleet.reeve(['revoke', 'ada', '--end-sessions', '--yes']);
      await until(async () => !(await letsIn(desk, web1, 'deploy', 'ada')) && !(await letsIn(desk, web2, 'deploy', 'ada')), { timeoutMs: 30_000, what: 'the person to be out' });
      const tookMs = performance.now() - startedAt;
      const revoked = await revoking;
      expect(revoked.code, revoked.stdout + revoked.stderr).toBe(0);
      process.stdout.write(`a revoked person was out after ${(tookMs / 1000).toFixed(1)} s, two refused logins included\n`);
      expect((await session).code, 'the session was ended').not.toBe(0);
      const report = await fleet.reeve(['revoke', 'ada', '--report']);
      expect(report.code, report.stdout + report.stderr).toBe(0);
      for (const name of ['web1', 'web2']) expect(report.stdout).toContain(name);
      expect((await fleet.json<{ access: unknown[] }>(['access', 'ada'])).access).toEqual([]);
      expect((await login(desk, web1, 'opsuser', 'bob')).stdout).toBe('opsuser\n');
    });

    test('a host that is away owes a revocation, and does it first when it returns', async () => {
      await web2.run(['systemctl', 'stop', 'reeve-agent']);
      await fleet.waitState('web2', 'lost');
      const revoked = await fleet.reeve(['revoke', 'bob', '--yes']);
      expect(revoked.code, revoked.stdout + revoked.stderr).toBe(3);
      const owing = await fleet.reeve(['revoke', 'bob', '--report']);
      expect(owing.code, owing.stdout + owing.stderr).toBe(3);
      expect(owing.stdout).toMatch(/web2/);
      expect(await letsIn(desk, web2, 'opsuser', 'bob')).toBe(true);
      await web2.run(['systemctl', 'start', 'reeve-agent']);
      await until(async () => !(await letsIn(desk, web2, 'opsuser', 'bob')), { timeoutMs: 120_000, everyMs: 250, what: 'the revocation to be done' });
      await until(async () => (await fleet.reeve(['revoke', 'bob', '--report'])).code === 0, { timeoutMs: 20_000, everyMs: 500, what: 'the report to be complete' });
    });

    test('who could get in, when, is known', async () => {
      const accessAt = async (at: Date): Promise<string[]> => {
        const { access } = await fleet.json<{ access: { user: string; person: string }[] }>(['access', '--host', 'web1', '--at', at.toISOString().replace(/\.\d+Z$/, 'Z')]);
        return access.map(({ person, user }) => `${person} ${user}`).sort();
      };
      expect(await accessAt(granted)).toEqual(['ada deploy']);
      expect(await accessAt(new Date())).toEqual([]);
      expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
    });
  });
}

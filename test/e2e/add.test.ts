import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { installDebian } from '../support/debian.js';
import { add, allowKey, bootBare, fingerprint, leftOfTheWayIn, operatorKey, prepareOperator } from '../support/ssh-host.js';

interface Added {
  readonly hosts: readonly { readonly name: string; readonly outcome: string; readonly policy: string | null; readonly errors: readonly { readonly code: string }[] }[];
}

const password = 'correct horse battery';

describe.skipIf(!hosts.ok)('reeve host add, from machines with nothing but sshd', () => {
  let fleet: TestFleet;
  let publicKey: string;
  let web: LabHost;
  let two: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'add', hosts: [], join: false });
    publicKey = await prepareOperator(fleet);
    [web, two] = await Promise.all([bootBare(fleet, 'web', publicKey), bootBare(fleet, 'two', publicKey)]);
  });
  afterAll(() => fleet.close());

  /** Logins that the host's sshd saw, whatever became of them. */
  const loginsOf = async (host: LabHost): Promise<number> => {
    await host.run(['journalctl', '--sync']);
    return [...(await host.run(['journalctl', '--quiet', '--no-pager', '--output=cat', '--unit=ssh'])).matchAll(/^(?:Accepted|Failed|Connection closed by authenticating|Postponed|Invalid user)/gm)].length;
  };

  test('a wrong host key: nobody tries to log in, nothing is sent, nothing is made', async () => {
    const wrong = await add(fleet, 'web', web, ['--host-key', await fingerprint(two)]);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(`is ${await fingerprint(web)}, wanted ${await fingerprint(two)}`);
    const unknown = await fleet.hub.exec(['/usr/bin/reeve', 'host', 'add', 'web', '--ssh', `root@${web.address}`, '--identity', operatorKey]);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain(`--host-key ${await fingerprint(web)}`);
    await fleet.hub.write('/root/.ssh/known_hosts', `${web.address} ${(await two.read('/etc/ssh/ssh_host_ed25519_key.pub')).split(' ').slice(0, 2).join(' ')}\n`);
    const changed = await fleet.hub.exec(['/usr/bin/reeve', 'host', 'add', 'web', '--ssh', `root@${web.address}`, '--identity', operatorKey]);
    expect(changed).toMatchObject({ code: 1, stdout: '' });
    expect(await loginsOf(web)).toBe(0);
    expect((await fleet.json<{ hosts: unknown[] }>(['host', 'list'])).hosts).toEqual([]);
  });

  test('one command: the agent is installed, joined, proved, and nothing of the way in is left', async () => {
    const keys = await web.read('/root/.ssh/authorized_keys');
    await fleet.hub.run(['/bin/sh', '-c', `ssh-keyscan -H ${web.address} >/root/.ssh/known_hosts 2>/dev/null`]);
    const added = await fleet.reeve(['host', 'add', 'web', '--ssh', `root@${web.address}`, '--identity', operatorKey, '--policy', 'standard', '--label', 'site=ams']);
    expect(added, added.stderr).toMatchObject({ code: 0 });
    expect(added.stdout).toMatch(/^Host "web" is in: agent \S+, answered in [0-9.]+ ms, at 198\.18\.\d+\.\d+:7420, policy standard, helper ok\n$/);
    expect(added.stderr.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(
      ['web: connect', 'web: check', 'web: upload', 'web: upload', 'web: install', 'web: policy', 'web: join', 'web: start', 'web: prove', ''],
    );
    expect(await web.run(['systemctl', 'is-active', 'reeve-agent.service'])).toBe('active\n');
    expect(await web.read('/etc/reeve/policy')).toBe(await web.read('/usr/share/reeve/policy/standard'));
    expect(await leftOfTheWayIn(web)).toEqual([]);
    expect(await web.read('/root/.ssh/authorized_keys')).toBe(keys);
    expect((await web.exec(['pgrep', '--full', 'sshd: root'])).stdout).toBe('');
    await fleet.json(['user', 'add', 'ada', '--on', 'site=ams', '--yes']);
    expect((await web.exec(['getent', 'passwd', 'ada'])).code).toBe(0);
  });

  test('the same command again does nothing, not even log in; a machine that is another host, or of another fleet, is refused', async () => {
    const before = await loginsOf(web);
    const again = await add(fleet, 'web', web);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toMatch(/^Host "web" was in already: agent/);
    expect(await loginsOf(web)).toBe(before);
    const renamed = await add(fleet, 'other', web);
    expect(renamed).toMatchObject({ code: 1 });
    expect(renamed.stderr).toMatch(/The machine for host "other" has joined already: it is host "web"/);
    const identity = '/var/lib/reeve-agent/identity/current/identity.json';
    await two.write(identity, JSON.stringify({ ...(JSON.parse(await web.read(identity)) as object), fleetId: '5f0c9d5e-3c2b-4a1f-8e7d-6c5b4a392817' }));
    const foreign = await add(fleet, 'two', two);
    expect(foreign.stderr).toMatch(/it belongs to fleet 5f0c9d5e-3c2b-4a1f-8e7d-6c5b4a392817/);
    expect((await two.exec(['dpkg', '--status', 'reeve-agent'])).code).toBe(1);
    await two.run(['rm', '-r', '/var/lib/reeve-agent']);
  });

  test('an account with sudo and a password, through another machine', async () => {
    await installDebian(two, ['sudo']);
    await two.run(['useradd', '--create-home', '--shell', '/bin/bash', '--groups', 'sudo', 'admin']);
    await two.run(['chpasswd'], { input: `admin:${password}\n` });
    // Only the machine in between may come in.
    await two.run(['nft', '-f', '-'], { input: `add table inet lab\nadd chain inet lab input { type filter hook input priority 0; }\nadd rule inet lab input ip saddr != ${web.address} tcp dport 22 drop\n` });
    const jump = ['--jump', `root@${web.address}`, '--jump-host-key', await fingerprint(web)];
    const refused = await add(fleet, 'two', two, [...jump, '--sudo', '--password-stdin'], { user: 'admin', input: 'wrong\n' });
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toMatch(/SSH login to \S+ as "admin" was refused/);
    const added = await add(fleet, 'two', two, [...jump, '--sudo', '--password-stdin', '--policy', 'minimal', '--json'], { user: 'admin', input: `${password}\n` });
    expect(added, added.stderr + added.stdout).toMatchObject({ code: 0 });
    expect((JSON.parse(added.stdout) as Added).hosts).toMatchObject([{ name: 'two', outcome: 'added', policy: 'minimal' }]);
    expect(await leftOfTheWayIn(two)).toEqual([]);
    expect(added.stdout + added.stderr).not.toContain(password);
  });

  test('an account that is not root, and nobody at all: each says what is wrong', async () => {
    await web.run(['useradd', '--create-home', '--shell', '/bin/bash', 'plain']);
    await allowKey(web, 'plain', publicKey);
    const plain = await add(fleet, 'plain', web, ['--sudo'], { user: 'plain' });
    expect(plain).toMatchObject({ code: 1 });
    expect(plain.stderr).toMatch(/Account "plain" on host "plain" may not do this: there is no sudo/);
    const nobody = await fleet.hub.exec(['/usr/bin/reeve', 'host', 'add', 'none', '--ssh', 'root@198.18.9.9', '--identity', operatorKey], { timeoutMs: 60_000 });
    expect(nobody).toMatchObject({ code: 3 });
    expect(nobody.stderr).toMatch(/SSH to 198\.18\.9\.9 failed: (?:no route|no answer in time)/);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { letsIn, makeKey } from '../support/ssh-login.js';
import { until } from '../support/until.js';

/** Puts lines into a file of a user, as that user's own. */
async function own(host: LabHost, user: string, file: string, lines: readonly string[]): Promise<void> {
  const home = (await host.run(['getent', 'passwd', user])).split(':')[5] ?? '';
  await host.write(`${home}/${file}`, lines.map((line) => `${line}\n`).join(''), 0o600);
  await host.run(['chmod', '700', `${home}/.ssh`]);
  await host.run(['chown', '-R', `${user}:`, `${home}/.ssh`]);
}

const homes = (host: LabHost): Promise<string> => host.run(['sh', '-c', 'find /home -type f -path "*/.ssh/*" | sort | xargs sha256sum']);

describe.skipIf(!hosts.ok)('keys that hosts already have', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let web2: LabHost;
  const keys = new Map<string, string>();
  const key = (name: string): string => keys.get(name) ?? '';

  beforeAll(async () => {
    fleet = await startFleet({ name: 'keyadopt', hosts: ['web1', 'web2'] });
    web1 = fleet.host('web1');
    web2 = fleet.host('web2');
    for (const name of ['ada', 'bob', 'eve', 'old', 'far']) keys.set(name, await makeKey(fleet.hub, name, name === 'old' ? 'rsa' : 'ed25519'));
    for (const host of [web1, web2]) {
      await host.run(['useradd', '--create-home', '--shell', '/bin/bash', 'debian']);
      await host.run(['useradd', '--create-home', '--shell', '/bin/bash', 'app']);
      await fleet.json(['user', 'adopt', host.name, 'debian', '--yes']);
      await fleet.json(['user', 'adopt', host.name, 'app', '--yes']);
    }
    // web1 has both of Debian's files, web2 a folder of its own beside them.
    await own(web1, 'debian', '.ssh/authorized_keys', [key('ada'), '# a comment', `no-pty,from="198.18.0.0/15" ${key('far')}`]);
    await own(web1, 'debian', '.ssh/authorized_keys2', [key('old')]);
    await own(web1, 'app', '.ssh/authorized_keys', [`command="/bin/echo forced" ${key('eve')}`]);
    await web2.run(['install', '-d', '-m', '755', '/etc/ssh/keys']);
    await web2.write('/etc/ssh/keys/debian', `${key('eve')}\n`, 0o644);
    await web2.run(['sh', '-c', 'echo "AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys" >> /etc/ssh/sshd_config && systemctl reload ssh']);
    await own(web2, 'debian', '.ssh/authorized_keys', [key('ada')]);
    await fleet.json(['person', 'add', 'ada', '--yes']);
    await fleet.hub.write('/root/ada.key', `${key('ada')}\n`);
    await fleet.json(['key', 'add', 'ada', '/root/ada.key', '--yes']);
  });
  afterAll(() => fleet.close());

  const everybody = async (): Promise<Record<string, boolean>> => ({
    'ada web1:debian': await letsIn(fleet.hub, web1, 'debian', 'ada'), 'far web1:debian': await letsIn(fleet.hub, web1, 'debian', 'far'),
    'old web1:debian': await letsIn(fleet.hub, web1, 'debian', 'old'), 'eve web1:debian': await letsIn(fleet.hub, web1, 'debian', 'eve'),
    'eve web2:debian': await letsIn(fleet.hub, web2, 'debian', 'eve'), 'ada web2:debian': await letsIn(fleet.hub, web2, 'debian', 'ada'),
    'bob web2:debian': await letsIn(fleet.hub, web2, 'debian', 'bob'),
  });
  const expected = {
    'ada web1:debian': true, 'far web1:debian': true, 'old web1:debian': true, 'eve web1:debian': false, 'eve web2:debian': true, 'ada web2:debian': true, 'bob web2:debian': false,
  };

  test('are listed with file, line and what stands in the way of managing them', async () => {
    expect(await everybody()).toEqual(expected);
    const listed = await fleet.reeve(['key', 'foreign', 'web1']);
    expect(listed.code, listed.stderr).toBe(0);
    expect(listed.stdout).toMatch(/debian.*authorized_keys2/);
    expect(listed.stdout).toMatch(/app.*command/);
    expect((await fleet.reeve(['key', 'foreign', 'web2'])).stdout).toMatch(/\/etc\/ssh\/keys\/debian/);
  });

  test('a first grant beside them keeps every file that sshd read, also where it was told of other ones', async () => {
    await fleet.json(['person', 'add', 'bob', '--yes']);
    await fleet.hub.write('/root/bob.key', `${key('bob')}\n`);
    await fleet.json(['key', 'add', 'bob', '/root/bob.key', '--yes']);
    const granted = await fleet.reeve(['grant', 'add', 'bob', '--on', 'web2', '--user', 'app', '--yes']);
    expect(granted.code, granted.stdout + granted.stderr).toBe(0);
    expect(await letsIn(fleet.hub, web2, 'app', 'bob')).toBe(true);
    expect(await everybody()).toEqual(expected);
  });

  test('are adopted: the same people get in, own files stay as they are and are not read any more', async () => {
    const before = [await homes(web1), await homes(web2)];
    for (const host of ['web1', 'web2']) {
      const adopted = await fleet.reeve(['key', 'adopt', host, 'debian', '--yes']);
      expect(adopted.code, adopted.stdout + adopted.stderr).toBe(0);
    }
    expect(await everybody()).toEqual(expected);
    expect([await homes(web1), await homes(web2)]).toEqual(before);
    await own(web1, 'debian', '.ssh/authorized_keys', [key('eve')]);
    expect(await letsIn(fleet.hub, web1, 'debian', 'eve'), 'its own file lets nobody in').toBe(false);
    expect(await web1.read('/etc/ssh/reeve-keys.d/debian')).toMatch(/no-pty,from="198\.18\.0\.0\/15" ssh-ed25519/);
  });

  test('a line that cannot be managed is not adopted, and goes on working', async () => {
    const refused = await fleet.reeve(['key', 'adopt', 'web1', 'app', '--yes']);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout + refused.stderr).toMatch(/command/);
    const forced = await fleet.hub.exec(['ssh', '-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'IdentitiesOnly=yes', '-i', '/root/eve', `app@${web1.address}`, 'id']);
    expect(forced.stdout).toBe('forced\n');
  });

  test('a revoked person is out of the files of Reeve, and out of users’ own files when that is asked for', async () => {
    await own(web2, 'app', '.ssh/authorized_keys', [key('old'), `${key('bob')} from home`]);
    const revoked = await fleet.reeve(['revoke', 'bob', '--yes']);
    expect(revoked.code, revoked.stdout + revoked.stderr).toBe(3);
    expect(revoked.stderr).toMatch(/users' own files/);
    const told = await fleet.reeve(['revoke', 'bob', '--report']);
    expect(told.stdout, 'that a key remains is told').toMatch(/web2 .*1 lines/);
    expect(told.code, told.stdout + told.stderr).not.toBe(0);
    expect(await web2.read('/etc/ssh/reeve-keys.d/app').catch(() => '')).not.toContain(key('bob').split(' ')[1]);
    expect(await letsIn(fleet.hub, web2, 'app', 'bob'), 'by the own file').toBe(true);
    const purged = await fleet.reeve(['revoke', 'bob', '--purge-foreign', '--yes']);
    expect(purged.code, purged.stdout + purged.stderr).toBe(0);
    expect(await letsIn(fleet.hub, web2, 'app', 'bob')).toBe(false);
    expect(await web2.run(['sh', '-c', 'cat /home/app/.ssh/authorized_keys; stat -c "%U %a" /home/app/.ssh/authorized_keys'])).toBe(`${key('old')}\napp 600\n`);
  });

  test('where the policy bounds how old keys may be, nobody gets in when the coordinator has been gone for longer', async () => {
    await web1.run(['sed', '-i', 's/^allow key.put$/allow key.put max-stale=20/', '/etc/reeve/policy']);
    expect(await web1.read('/etc/reeve/policy')).toContain('max-stale=20');
    expect((await fleet.reeve(['apply', '--on', 'web1', '--noun', 'key', '--yes'])).code).toBe(0);
    expect(await web1.read('/etc/ssh/reeve-keys.d/debian')).toMatch(/expiry-time="\d{14}Z"/);
    // The agent stamps them anew for as long as it reaches the coordinator.
    const stamp = async (): Promise<string> => /expiry-time="(\d{14})Z"/.exec(await web1.read('/etc/ssh/reeve-keys.d/debian'))?.[1] ?? '';
    const first = await stamp();
    await until(async () => (await stamp()) > first, { timeoutMs: 40_000, everyMs: 500, what: 'the lines to be stamped anew' });
    await fleet.hub.run(['systemctl', 'stop', 'reeved']);
    expect(await letsIn(fleet.hub, web1, 'debian', 'ada')).toBe(true);
    await until(async () => !(await letsIn(fleet.hub, web1, 'debian', 'ada')), { timeoutMs: 60_000, everyMs: 1_000, what: 'the keys to have become too old' });
    expect(await letsIn(fleet.hub, web2, 'debian', 'ada'), 'a host without that bound').toBe(true);
    await fleet.hub.run(['systemctl', 'start', 'reeved']);
    await until(async () => letsIn(fleet.hub, web1, 'debian', 'ada'), { timeoutMs: 60_000, everyMs: 1_000, what: 'the keys to be stamped anew' });
  });
});

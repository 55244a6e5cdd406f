import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { identityFolder, prepareClock, setClock } from '../support/chaos-identity.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('a coordinator that is restored on another machine, with another address', () => {
  let fleet: TestFleet;
  let other: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'moved', hosts: ['web1', 'web2'] });
    other = await fleet.addHub('hub2');
    await prepareClock(other, 'reeved');
    for (const name of ['web1', 'web2']) await prepareClock(fleet.host(name), 'reeve-agent');
  });
  afterAll(() => fleet.close());

  const there = async <T>(args: readonly string[]): Promise<T> => JSON.parse(await other.run(['/usr/bin/reeve', ...args, '--json'], { timeoutMs: 60_000 })) as T;
  const knows = (name: string): Promise<string> => fleet.host(name).run(['reeve-agent', 'status']);
  const connected = async (...names: string[]): Promise<void> => {
    await until(async () => {
      const listed = await other.exec(['/usr/bin/reeve', 'host', 'list', '--json']);
      if (listed.code !== 0) return false;
      const rows = (JSON.parse(listed.stdout) as { hosts: { name: string; state: string }[] }).hosts;
      return names.every((name) => rows.some((row) => row.name === name && row.state === 'connected'));
    }, { timeoutMs: 60_000, everyMs: 250, what: `${names.join(' and ')} to be connected to the other machine` });
  };

  test('is obeyed at once by the hosts that it dials; the old one is refused for its epoch', async () => {
    // web2 is away meanwhile.
    await fleet.host('web2').run(['systemctl', 'stop', 'reeve-agent']);
    await fleet.hub.run(['runuser', '-u', 'reeved', '--', '/usr/sbin/reeved', 'backup', '/var/lib/reeved/saved.db']);
    await other.run(['systemctl', 'stop', 'reeved']);
    await other.run(['install', '-d', '-m', '700', '-o', 'reeved', '-g', 'reeved', '/var/lib/reeved/pki']);
    const pki = join(fleet.hub.rootDir, 'var/lib/reeved/pki');
    for (const name of readdirSync(pki)) await other.put(join(pki, name), `/var/lib/reeved/pki/${name}`, 0o600);
    await other.put(join(fleet.hub.rootDir, 'var/lib/reeved/saved.db'), '/var/lib/reeved/saved.db', 0o600);
    await other.run(['chown', '-R', 'reeved:reeved', '/var/lib/reeved']);
    expect(await other.run(['runuser', '-u', 'reeved', '--', '/usr/sbin/reeved', 'restore', '/var/lib/reeved/saved.db'])).toMatch(/reeve fleet set --address/);
    await other.run(['systemctl', 'start', 'reeved'], { timeoutMs: 60_000 });
    await connected('web1');
    await there(['user', 'add', 'here', '--on', 'web1', '--yes']);
    expect(await fleet.host('web1').run(['getent', 'passwd', 'here'])).toMatch(/^here:/);
    const refused = await fleet.reeve(['user', 'add', 'late', '--on', 'web1', '--yes']);
    expect(refused.code, refused.stdout).not.toBe(0);
    expect(refused.stdout + refused.stderr).toMatch(/This coordinator has epoch 1, host "web1" already obeys epoch 2/);
    expect((await fleet.host('web1').exec(['getent', 'passwd', 'late'])).code).toBe(2);
  });

  test('tells its new address to connected hosts, which renew there when the old machine is gone', async () => {
    expect(await knows('web1')).toContain(`${fleet.hub.address}:7421`);
    await there(['fleet', 'set', '--address', other.address]);
    await until(async () => (await there<{ movedKnown: number }>(['fleet', 'show'])).movedKnown === 1, { timeoutMs: 60_000, everyMs: 250, what: 'web1 to know the new address' });
    expect(await knows('web1')).toContain(`${other.address}:7421`);
    await fleet.hub.powerOff();
    const before = (await identityFolder(fleet.host('web1'))).certificate;
    await fleet.host('web1').run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    await setClock(other, 5);
    await setClock(fleet.host('web1'), 5);
    await other.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await fleet.host('web1').run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    await until(async () => (await identityFolder(fleet.host('web1'))).certificate !== before, { timeoutMs: 60_000, everyMs: 250, what: 'web1 to renew' });
    await connected('web1');
  });

  test('is found by a host that could reach nobody, by the word that its root takes in', async () => {
    const { moved } = await there<{ moved: string }>(['fleet', 'moved']);
    const web2 = fleet.host('web2');
    const altered = await web2.exec(['reeve-agent', 'moved'], { input: `${moved.slice(0, -8)}AAAAAAAA\n` });
    expect([altered.code, altered.stderr]).toEqual([1, expect.stringMatching(/has not signed it/) as string]);
    expect(await knows('web2')).toContain(`${fleet.hub.address}:7421`);
    expect((await web2.exec(['reeve-agent', 'moved'], { input: `${moved}\n` })).stdout).toMatch(new RegExp(`now at ${other.address.replaceAll('.', '\\.')}:7421`));
    expect((await web2.exec(['reeve-agent', 'moved'], { input: moved })).stdout).toMatch(/knows that/);
    expect(await knows('web2')).toContain(`${other.address}:7421`);
    expect(await web2.run(['stat', '-c', '%a %U', '/var/lib/reeve-agent/trust.json'])).toBe('600 reeve-agent\n');
  });

  test('has a new key after a theft, and both hosts deny the old one', async () => {
    await setClock(fleet.host('web2'), 5);
    await fleet.host('web2').run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    await connected('web1', 'web2');
    const { denied } = await there<{ denied: number }>(['fleet', 'rekey', '--yes']);
    expect(denied).toBeGreaterThan(0);
    await until(async () => {
      const shown = await there<{ connected: number; denyListKnown: number; movedKnown: number }>(['fleet', 'show']);
      return shown.connected === 2 && shown.denyListKnown === 2 && shown.movedKnown === 2;
    }, { timeoutMs: 60_000, everyMs: 250, what: 'both hosts to know the deny list' });
    for (const name of ['web1', 'web2']) expect(JSON.parse(await fleet.host(name).read('/var/lib/reeve-agent/trust.json'))).toMatchObject({ denyVersion: 1 });
    await connected('web1', 'web2');
    for (const name of ['web1', 'web2']) expect((await there<{ users: unknown[] }>(['user', 'observe', name])).users.length).toBeGreaterThan(0);
    expect(await there(['audit', 'verify'])).toMatchObject({ intact: true });
  });
});

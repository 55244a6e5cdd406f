import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';

describe.skipIf(!hosts.ok)("the coordinator's database on a real host", () => {
  let fleet: TestFleet;
  const asReeved = (...argv: string[]): string[] => ['runuser', '-u', 'reeved', '--', '/usr/sbin/reeved', ...argv];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'backup', hosts: ['web1'] });
  });
  afterAll(() => fleet.close());

  test('is found whole by a check on a copy, in a thread of the packaged program', async () => {
    expect(await fleet.hub.run(asReeved('check'))).toBe('The database is whole.\n');
    expect((await fleet.hub.run(['find', '/var/lib/reeved', '-name', 'check*'])).trim()).toBe('');
  });

  test('is restored from a backup: hosts obey the restored coordinator at once, and what it knew is applied again', async () => {
    await fleet.json(['user', 'add', 'early', '--on', 'web1', '--yes']);
    await fleet.hub.run(asReeved('backup', '/var/lib/reeved/saved.db'));
    await fleet.json(['user', 'add', 'later', '--on', 'web1', '--yes']);
    await fleet.hub.run(['systemctl', 'stop', 'reeved']);
    expect(await fleet.hub.run(asReeved('restore', '/var/lib/reeved/saved.db'))).toMatch(/epoch was raised/);
    await fleet.hub.run(['systemctl', 'start', 'reeved']);
    await fleet.waitCoordinator();
    await fleet.waitState('web1', 'connected');
    await fleet.json(['user', 'add', 'after', '--on', 'web1', '--yes']);
    const users = (await fleet.json<{ users: { user: { name: string } }[] }>(['user', 'list'])).users.map((row) => row.user.name);
    expect(users).toEqual(['after', 'early']);
    expect((await fleet.host('web1').exec(['getent', 'passwd', 'later'])).code).toBe(0);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  });

  test('is refused with the way out when it is damaged', async () => {
    await fleet.hub.run(['systemctl', 'stop', 'reeved']);
    await fleet.hub.run(['sh', '-c', 'cp /var/lib/reeved/reeve.db /var/lib/reeved/good.db; dd if=/dev/urandom of=/var/lib/reeved/reeve.db bs=4096 seek=2 count=6 conv=notrunc status=none']);
    const refused = await fleet.hub.exec(asReeved('serve'), { timeoutMs: 20_000 });
    expect(refused.code).toBe(70);
    expect(refused.stderr).toMatch(/reeve\.db cannot be used: .*\n\s+Restore the newest backup: reeved restore FILE/);
    await fleet.hub.run(asReeved('restore', '/var/lib/reeved/saved.db'));
    await fleet.hub.run(['systemctl', 'start', 'reeved']);
    await fleet.waitState('web1', 'connected');
  });
});

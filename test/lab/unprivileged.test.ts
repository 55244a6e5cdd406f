import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from './lab.js';
import { aptOk, serveRepository, type TestRepository } from '../support/apt.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';

/** A guest as an unprivileged container without nesting is: ids of its own, and no right over anything outside of them. */
describe.skipIf(!hosts.ok)('an unprivileged guest', () => {
  let fleet: TestFleet;
  let guest: LabHost;
  let repository: TestRepository;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'guest', hosts: [] });
    repository = await serveRepository(fleet.lab, [...(await debs('normal')).values()]);
    guest = await fleet.lab.boot('guest', { unprivileged: true });
    await repository.use(guest);
  });
  afterAll(() => {
    repository.close();
    fleet.close();
  });

  test('has root of its own only', async () => {
    expect((await guest.run(['cat', '/proc/self/uid_map'])).trim()).not.toMatch(/^0\s+0\s/);
    expect(await guest.run(['systemd-detect-virt', '--container'])).toBe('systemd-nspawn\n');
  });

  test('installs the agent, joins and serves', async () => {
    await aptOk(guest, ['install', 'reeve-agent']);
    await fleet.join('guest');
    await fleet.json(['user', 'add', 'ada', '--on', 'guest', '--yes']);
    expect(await guest.run(['getent', 'passwd', 'ada'])).toMatch(/^ada:x:20/);
    await fleet.json(['user', 'lock', 'ada', '--on', 'guest', '--yes']);
    expect((await guest.run(['getent', 'shadow', 'ada'])).split(':')[7]).toBe('1');
    await fleet.json(['user', 'remove', 'ada', '--on', 'guest', '--yes']);
    expect((await guest.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from './lab.js';
import { executeOk } from './process.js';
import { aptOk, serveRepository, type TestRepository } from '../support/apt.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { debs } from '../support/packages.js';

const DROP_IN = '/etc/systemd/system/reeve-agent.service.d/50-reeve-container.conf';

/** A guest as an unprivileged container is: ids of its own, and no right over anything outside of them; `bare` also may not set up mounts (no nesting). */
describe.skipIf(!hosts.ok)('an unprivileged guest', () => {
  let fleet: TestFleet;
  let guest: LabHost;
  let bare: LabHost;
  let repository: TestRepository;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-guest-'));
  /** What the guest's own distribution could not start there. */
  let failedBefore = '';
  const failed = (): Promise<string> => bare.run(['systemctl', 'list-units', '--failed', '--no-legend', '--plain', 'reeve*']);
  const worksAsHost = async (name: string, host: LabHost): Promise<void> => {
    await aptOk(host, ['install', 'reeve-agent']);
    await fleet.join(name);
    await fleet.json(['user', 'add', 'ada', '--on', name, '--yes']);
    expect(await host.run(['getent', 'passwd', 'ada'])).toMatch(/^ada:x:20/);
    await fleet.json(['user', 'lock', 'ada', '--on', name, '--yes']);
    expect((await host.run(['getent', 'shadow', 'ada'])).split(':')[7]).toBe('1');
    await fleet.json(['user', 'remove', 'ada', '--on', name, '--yes']);
    expect((await host.exec(['getent', 'passwd', 'ada'])).code).toBe(2);
  };

  beforeAll(async () => {
    const init = join(folder, 'guest-init');
    await executeOk(['gcc', '-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', init, join(import.meta.dirname, '../support/guest-init.c')]);
    fleet = await startFleet({ name: 'guest', hosts: [] });
    repository = await serveRepository(fleet.lab, [...(await debs('normal')).values()]);
    const bootBare = async (): Promise<void> => {
      // Debian's own sandboxed units (networkd, logind) do not start in such a guest: it is "degraded", and its address is set by hand.
      await fleet.lab.boot('bare', { unprivileged: true, init }).catch((error: unknown) => {
        failedBefore = String((error as Error).cause);
      });
      bare = fleet.host('bare');
      await bare.run(['ip', 'link', 'set', 'host0', 'up']);
      await bare.run(['ip', 'address', 'add', `${bare.address}/15`, 'dev', 'host0']);
      await bare.run(['systemd-tmpfiles', '--create']);
    };
    await Promise.all([bootBare(), fleet.lab.boot('guest', { unprivileged: true }).then((host) => (guest = host))]);
    await Promise.all([guest, bare].map((host) => repository.use(host)));
  });
  afterAll(() => {
    repository.close();
    fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('has root of its own only', async () => {
    for (const host of [guest, bare]) expect((await host.run(['cat', '/proc/self/uid_map'])).trim()).not.toMatch(/^0\s+0\s/);
  });

  test('installs the agent, joins and serves, and gives up no line of the units', async () => {
    await worksAsHost('guest', guest);
    expect((await guest.exec(['test', '-e', DROP_IN])).code).toBe(1);
    expect((await guest.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
  });

  test('that may not set up mounts refuses a unit with a file system sandbox, Debian\'s own too', async () => {
    expect(failedBefore).toMatch(/systemd-networkd\.service/);
    expect((await bare.exec(['systemd-run', '--quiet', '--wait', '--collect', '--property=ProtectSystem=strict', '/bin/true'])).code).toBe(226);
  });

  test('that may not set up mounts installs, joins, serves and is upgraded all the same, without those lines', async () => {
    await worksAsHost('bare', bare);
    expect(await bare.read(DROP_IN)).toBe(await bare.read('/usr/share/reeve/container.conf'));
    const lines = (await bare.run(['systemctl', 'show', '-p', 'ProtectSystem,NoNewPrivileges,User', 'reeve-agent.service'])).trim().split('\n');
    expect(lines.sort()).toEqual(['NoNewPrivileges=yes', 'ProtectSystem=no', 'User=reeve-agent']);
    expect(await aptOk(bare, ['--reinstall', 'install', 'reeve-agent'])).not.toContain('does not serve');
    expect((await failed()).trim()).toBe('');
    await fleet.waitState('bare', 'connected');
    await aptOk(bare, ['purge', 'reeve-agent', 'reeve-runtime']);
    expect((await bare.exec(['test', '-e', DROP_IN])).code).toBe(1);
  });
});

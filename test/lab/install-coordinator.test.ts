import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages } from '../../packaging/build.js';
import { parseBuildOptions } from '../../packaging/options.js';
import { labAvailable, startLab, type Lab, type LabHost } from './lab.js';

const available = labAvailable();

describe.skipIf(!available.ok)('the coordinator\'s packages on a minimal host', () => {
  let lab: Lab;
  let host: LabHost;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-install-'));

  beforeAll(async () => {
    const debs = await buildPackages({ ...parseBuildOptions([], process.env), out: folder }, ['reeve-runtime', 'reeve-coordinator', 'reeve-cli']);
    lab = await startLab({ name: 'install-reeved' });
    host = await lab.boot('host');
    for (const deb of debs) await host.put(deb, `/root/${basename(deb)}`);
    await host.run(['dpkg', '--install', ...debs.map((deb) => `/root/${basename(deb)}`)], { timeoutMs: 180_000 });
  });
  afterAll(() => {
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('start a coordinator that says when it is ready, and that any local user may ask', async () => {
    expect(await host.run(['systemctl', 'show', '-p', 'ActiveState,UnitFileState,Type', 'reeved.service'])).toBe('Type=notify\nActiveState=active\nUnitFileState=enabled\n');
    const modes = await host.run(['stat', '-c', '%a %U:%G %n', '/run/reeved', '/run/reeved/api.sock', '/var/lib/reeved']);
    expect(modes.trim().split('\n')).toEqual(['755 reeved:reeved /run/reeved', '666 reeved:reeved /run/reeved/api.sock', '700 reeved:reeved /var/lib/reeved']);
    for (const group of ['reeve-admin', 'reeve-operator', 'reeve-viewer']) await host.run(['getent', 'group', group]);
  });

  test('set up a fleet for root, and know other callers by their uid', async () => {
    await host.run(['reeve', 'init', '--address', host.address]);
    await host.run(['reeve', 'host', 'list']);
    const stranger = await host.exec(['/usr/sbin/runuser', '-u', 'nobody', '--', 'reeve', 'host', 'list']);
    expect(stranger.code).toBe(2);
    await host.run(['useradd', '--no-create-home', '--groups', 'reeve-viewer', 'ada']);
    await host.run(['/usr/sbin/runuser', '-u', 'ada', '--', 'reeve', 'host', 'list']);
  });

  test('start again after a reboot, with the fleet', async () => {
    await host.reboot();
    await host.run(['reeve', 'host', 'list']);
  });

  test('are purged without leaving anything running or any state', async () => {
    await host.run(['dpkg', '--purge', 'reeve-cli', 'reeve-coordinator', 'reeve-runtime']);
    const left = await host.run(['find', '/etc', '/usr', '/var/lib', '/run', '-xdev', '-name', '*reeve*', '-not', '-path', '/var/lib/dpkg/*']);
    expect(left.trim()).toBe('');
    expect((await host.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
  });
});

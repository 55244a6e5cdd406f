import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackages } from '../../packaging/build.js';
import { bundle } from '../../packaging/bundle.js';
import { parseBuildOptions } from '../../packaging/options.js';
import { until } from '../support/until.js';
import { labAvailable, startLab, type Lab, type LabHost } from './lab.js';

const ROOT = join(import.meta.dirname, '../..');
const available = labAvailable();
const IDENTITY = '/var/lib/reeve-agent/identity/current';
/** Stands in for the agent's program in the agent's own unit and sandbox: says "ready" as the real one does, then waits. */
const NOTIFY_PROBE = `import { execFileSync } from 'node:child_process';
import { watch, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
watch('/etc', (event, name) => console.log('changed ' + name));
createServer().listen(7420, () => {
  console.log('meminfo ' + /MemTotal/.test(readFileSync('/proc/meminfo', 'utf8')), 'cpus ' + (os.cpus().length > 0));
  try { execFileSync('/bin/sh', ['-c', 'true']); console.log('shell yes'); } catch (error) { console.log('shell ' + error.code); }
  execFileSync('/usr/lib/reeve/reeve-notify', ['READY=1']);
});
`;

/** Stands in for the helper in the helper's own unit and sandbox: does what the helper has foreign programs do, and tries what nobody may. */
const HELPER_PROBE = `#!/bin/sh
exec >/var/lib/reeve-privd/report.new 2>&1
try() { name=$1; shift; if out=$("$@" 2>&1); then echo "$name yes"; else echo "$name no"; echo "$name: $out" >&3; fi; }
exec 3>/var/lib/reeve-privd/why
try useradd /usr/sbin/useradd --create-home --uid 4711 probed
try usermod /usr/sbin/usermod --shell /bin/sh --expiredate 1 probed
try groupadd /usr/sbin/groupadd probers
try gpasswd /usr/bin/gpasswd --add probed probers
try trash sh -c 'mkdir -m 700 /home/.reeve-trash && mv /home/probed /home/.reeve-trash/'
try others-processes sh -c 'test "$(cat /proc/1/comm)" = systemd'
try userdel /usr/sbin/userdel probed
try groupdel /usr/sbin/groupdel probers
try nft /usr/sbin/nft add table inet reeve_probe
try forward sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
try policy-write touch /etc/reeve/policy
try unit-write touch /etc/systemd/system/mine.service
try usr-write touch /usr/bin/mine
try internet /bin/bash -c 'exec 4<>/dev/tcp/127.0.0.1/22'
mv /var/lib/reeve-privd/report.new /var/lib/reeve-privd/report
`;

describe.skipIf(!available.ok)('the agent\'s packages on a minimal host', () => {
  let lab: Lab;
  let host: LabHost;
  const folder = mkdtempSync(join(tmpdir(), 'reeve-install-'));

  beforeAll(async () => {
      const debs = await buildPackages({ ...parseBuildOptions([], process.env), out: folder }, ['reeve-runtime', 'reeve-agent']);
    lab = await startLab({ name: 'install' });
    host = await lab.boot('host');
    for (const deb of debs) await host.put(deb, `/root/${basename(deb)}`);
    await host.run(['dpkg', '--install', ...debs.map((deb) => `/root/${basename(deb)}`)]);
  });
  afterAll(() => {
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('are fully installed, need no node of the system, and leave no failed unit', async () => {
    expect(await host.run(['dpkg', '--audit'])).toBe('');
    expect(await host.run(['/usr/lib/reeve/node', '--version'])).toMatch(/^v24\./);
    expect((await host.exec(['node', '--version'])).code).toBe(127);
    expect((await host.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
    expect((await host.run(['find', '/usr/lib/reeve', '/usr/lib/reeve-agent', '/usr/bin/reeve-agent', '-perm', '/6000'])).trim()).toBe('');
  });

  test('leave the agent waiting for an identity and the helper behind its socket', async () => {
    expect(await states(host, 'reeve-agent.service')).toEqual({ UnitFileState: 'enabled', ActiveState: 'inactive', ConditionResult: 'no' });
    expect(await states(host, 'reeve-privd.socket')).toMatchObject({ UnitFileState: 'enabled', ActiveState: 'active' });
    expect(await states(host, 'reeve-privd.service')).toMatchObject({ ActiveState: 'inactive' });
    const modes = await host.run(['stat', '-c', '%a %U:%G %n', '/run/reeve', '/run/reeve/priv.sock', '/var/lib/reeve-agent', '/var/lib/reeve-privd', '/etc/reeve/policy']);
    expect(modes.trim().split('\n')).toEqual([
      '750 root:reeve-agent /run/reeve', '660 root:reeve-agent /run/reeve/priv.sock', '700 reeve-agent:reeve-agent /var/lib/reeve-agent',
      '700 root:root /var/lib/reeve-privd', '644 root:root /etc/reeve/policy',
    ]);
    expect(await host.read('/etc/reeve/policy')).toBe(await host.read('/usr/share/reeve/policy/observe'));
  });

  test('tell systemd when the agent is ready, from inside its sandbox', async () => {
    await host.write('/usr/lib/reeve-agent/probe.js', NOTIFY_PROBE);
    await host.write('/run/systemd/system/reeve-agent.service.d/probe.conf', '[Service]\nExecStart=\nExecStart=/usr/lib/reeve/node --jitless /usr/lib/reeve-agent/probe.js\n');
    await host.run(['/usr/sbin/runuser', '-u', 'reeve-agent', '--', 'mkdir', '-p', IDENTITY]);
    await host.run(['systemctl', 'daemon-reload']);
    await host.run(['systemctl', 'start', 'reeve-agent.service'], { timeoutMs: 90_000 });
    expect(await states(host, 'reeve-agent.service')).toMatchObject({ ActiveState: 'active' });
    await host.run(['useradd', '--no-create-home', 'someone']);
    const log = await until(async () => {
      const text = await host.run(['journalctl', '--unit', 'reeve-agent.service', '--output', 'cat', '--no-pager']);
      return text.includes('changed passwd') ? text : undefined;
    }, { timeoutMs: 15_000, what: 'the probe to see a change of /etc/passwd' });
    expect(log).toContain('meminfo true cpus true');
    expect(log).toContain('shell EACCES');
    const main = (await host.run(['systemctl', 'show', '--value', '-p', 'MainPID', 'reeve-agent.service'])).trim();
    expect(await host.run(['readlink', `/proc/${main}/exe`])).toBe('/usr/lib/reeve/node\n');
    await host.run(['rm', '-r', '/run/systemd/system/reeve-agent.service.d', '/usr/lib/reeve-agent/probe.js', IDENTITY]);
    await host.run(['systemctl', 'daemon-reload']);
    await host.run(['systemctl', 'stop', 'reeve-agent.service']);
  });

  test('have a helper that answers the agent through its socket, and nobody else', async () => {
    const client = await bundle({ root: ROOT, entry: 'test/support/privd-status.ts', version: '0', testBuild: false });
    await host.write('/usr/lib/reeve-agent/status.mjs', client.code, 0o755);
    const ask = ['/usr/lib/reeve/node', '/usr/lib/reeve-agent/status.mjs'];
    const status = JSON.parse(await host.run(['/usr/sbin/runuser', '-u', 'reeve-agent', '--', ...ask])) as Record<string, unknown>;
    expect(status).toMatchObject({ policyState: 'ok', auditState: 'ok', openat2: true, seccomp: true });
    expect((await host.exec(ask)).code).not.toBe(0);
    expect((await host.exec(['/usr/sbin/runuser', '-u', 'nobody', '--', ...ask])).code).not.toBe(0);
    expect(await states(host, 'reeve-privd.service')).toMatchObject({ ActiveState: 'active' });
    await host.run(['systemctl', 'stop', 'reeve-privd.service']);
    await host.run(['rm', '/usr/lib/reeve-agent/status.mjs']);
  });

  test('hold the helper to its work', async () => {
    await host.write('/usr/lib/reeve-agent/probe.sh', HELPER_PROBE, 0o755);
    await host.write('/run/systemd/system/reeve-privd.service.d/probe.conf', '[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/usr/lib/reeve-agent/probe.sh\n');
    await host.run(['systemctl', 'daemon-reload']);
    await host.run(['systemctl', 'start', 'reeve-privd.service']);
    const report = await host.read('/var/lib/reeve-privd/report');
    expect(Object.fromEntries(report.trim().split('\n').map((line) => line.split(' '))), await host.read('/var/lib/reeve-privd/why')).toEqual({
      useradd: 'yes', usermod: 'yes', groupadd: 'yes', gpasswd: 'yes', trash: 'yes', 'others-processes': 'yes', userdel: 'yes', groupdel: 'yes', nft: 'yes', forward: 'yes',
      // Units of containers are written beside those of the host: which ones is for the helper's code to say.
      'unit-write': 'yes', 'policy-write': 'no', 'usr-write': 'no', internet: 'no',
    });
    await host.run(['rm', '-r', '/run/systemd/system/reeve-privd.service.d', '/usr/lib/reeve-agent/probe.sh', '/home/.reeve-trash']);
    await host.run(['systemctl', 'daemon-reload']);
  });

  test('survive a reboot and a reinstallation, keeping an edited policy and a disabled unit', async () => {
    await host.write('/etc/reeve/policy', '# mine\n');
    await host.run(['systemctl', 'disable', '--quiet', 'reeve-agent.service']);
    await host.run(['/bin/sh', '-c', 'dpkg --install /root/*.deb']);
    expect(await host.read('/etc/reeve/policy')).toBe('# mine\n');
    await host.reboot();
    expect(await states(host, 'reeve-agent.service')).toMatchObject({ UnitFileState: 'disabled' });
    expect(await states(host, 'reeve-privd.socket')).toMatchObject({ ActiveState: 'active' });
    expect((await host.run(['stat', '-c', '%a %U:%G', '/run/reeve'])).trim()).toBe('750 root:reeve-agent');
  });

  test('are purged without leaving anything running or any state, but the users', async () => {
    await host.run(['dpkg', '--purge', 'reeve-agent', 'reeve-runtime']);
    expect((await host.run(['systemctl', 'list-units', '--all', '--plain', '--no-legend', 'reeve*'])).trim()).toBe('');
    expect((await host.exec(['pgrep', '-f', 'reeve'])).stdout).toBe('');
    const left = await host.run(['find', '/etc', '/usr', '/var/lib', '/run', '-xdev', '-name', '*reeve*', '-not', '-path', '/var/lib/dpkg/*']);
    expect(left.trim()).toBe('');
    await host.run(['getent', 'passwd', 'reeve-agent']);
    expect((await host.exec(['systemctl', 'is-system-running'])).stdout).toBe('running\n');
  });

  test('install in a tree without a running systemd', async () => {
    const tree = '/root/tree';
    await host.run(['mkdir', tree]);
    await host.run(['/bin/sh', '-c', `cp -a --one-file-system /bin /etc /lib /lib64 /sbin /usr /var ${tree}/ && mkdir -p ${tree}/root ${tree}/run ${tree}/tmp ${tree}/dev ${tree}/proc && cp /root/*.deb ${tree}/root/ && touch ${tree}/dev/null`], { timeoutMs: 120_000 });
    await host.run(['/usr/sbin/chroot', tree, '/bin/sh', '-c', 'dpkg --install /root/*.deb']);
    expect((await host.run(['ls', `${tree}/etc/systemd/system/multi-user.target.wants`]))).toContain('reeve-agent.service');
    expect((await host.run(['stat', '-c', '%a', `${tree}/var/lib/reeve-privd`])).trim()).toBe('700');
  });
});

async function states(host: LabHost, unit: string): Promise<Record<string, string>> {
  const text = await host.run(['systemctl', 'show', '-p', 'UnitFileState,ActiveState,ConditionResult', unit]);
  return Object.fromEntries(text.trim().split('\n').map((line) => line.split('=') as [string, string]));
}

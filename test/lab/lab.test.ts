import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/until.js';
import { labAvailable, startLab, type Lab, type LabHost } from './lab.js';
import { childrenOf } from './process.js';
import type { LabRecord } from './record.js';

const HERE = import.meta.dirname;
const UNITS = join(HERE, '../../packaging/units');
const available = labAvailable();

describe.skipIf(!available.ok)('hosts of a lab', () => {
  let lab: Lab;
  let one: LabHost;
  let two: LabHost;

  beforeAll(async () => {
    lab = await startLab({ name: 'selftest' });
    [one, two] = await Promise.all([lab.boot('one'), lab.boot('two', { address: '198.18.7.7' })]);
  });
  afterAll(() => {
    lab.close();
  });

  test('run without a failed unit, under names, machine-ids and addresses of their own', async () => {
    for (const host of [one, two]) {
      expect((await host.exec(['systemctl', 'is-system-running'])).stdout.trim()).toBe('running');
      expect((await host.run(['cat', '/proc/sys/kernel/hostname'])).trim()).toBe(host.name);
      expect(await host.run(['ip', '-4', '-oneline', 'address', 'show', 'dev', 'host0'])).toContain(` ${host.address}/15 `);
    }
    expect(two.address).toBe('198.18.7.7');
    expect(await one.read('/etc/machine-id')).not.toBe(await two.read('/etc/machine-id'));
    expect((await one.exec(['node', '--version'])).code).toBe(127);
  });

  test('reach each other and are reached from the lab, and nothing else', async () => {
    await one.run(['ping', '-c1', '-W5', two.address]);
    expect((await one.exec(['ping', '-c1', '-W1', '192.0.2.1'])).stderr).toContain('unreachable');
    const banner = await lab.run(['ssh-keyscan', '-t', 'ed25519', one.address]);
    expect(banner).toContain(`${one.address} ssh-ed25519 `);
  });

  test('take and give files, with mode and any content', async () => {
    await one.write('/run/deep/er/file', 'a\0b', 0o640);
    expect(await one.read('/run/deep/er/file')).toBe('a\0b');
    expect((await one.run(['stat', '-c', '%a', '/run/deep/er/file'])).trim()).toBe('640');
    await one.put(join(HERE, 'boot.sh'), '/root/boot.sh', 0o755);
    expect(await one.read('/root/boot.sh')).toBe(readFileSync(join(HERE, 'boot.sh'), 'utf8'));
    expect(existsSync(join(one.rootDir, 'root/boot.sh'))).toBe(true);
  });

  test('give exit codes, both outputs and environment, and keep a deadline', async () => {
    expect(await one.exec(['/bin/sh', '-c', 'cat; echo $FRUIT; echo no >&2; exit 3'], { input: 'in ', env: { FRUIT: 'pear' } }))
      .toEqual({ code: 3, stdout: 'in pear\n', stderr: 'no\n' });
    await expect(one.run(['/bin/false'])).rejects.toThrow('exit code 1');
    await expect(one.exec(['sleep', '60'], { timeoutMs: 200 })).rejects.toThrow('still running after 200 ms');
  });

  test('change their address live', async () => {
    const before = one.address;
    await one.setAddress('198.19.3.4');
    await two.run(['ping', '-c1', '-W5', '198.19.3.4']);
    expect((await two.exec(['ping', '-c1', '-W1', before])).code).not.toBe(0);
    await expect(one.setAddress('10.0.0.1')).rejects.toThrow('198.18.0.0/15');
  });

  test('reboot, switch off and on, and lose their power, keeping their files', async () => {
    await one.write('/root/kept', 'yes');
    const startedAs = async (): Promise<string> => one.run(['systemctl', 'show', '--value', '-p', 'InvocationID', 'ssh.service']);
    const first = await startedAs();
    await one.reboot();
    const second = await startedAs();
    expect(second).not.toBe(first);
    await one.powerOff();
    await expect(one.exec(['true'])).rejects.toThrow('Host one is off');
    await one.powerOn();
    await one.kill();
    expect(one.isOn).toBe(false);
    await one.powerOn();
    expect(await one.read('/root/kept')).toBe('yes');
    await two.run(['ping', '-c1', '-W5', one.address]);
  });

  test('have more interfaces when they are asked for, and IPv6, also after a reboot, a cut of power, and beside each other', async () => {
    await Promise.all(['br1', 'br2'].map((bridge) => lab.addBridge(bridge)));
    const [front, inner] = await Promise.all([
      lab.boot('front', { ports: [{ bridge: 'br1', name: 'lan', address: '198.19.77.1/24', address6: 'fd00:77::1/64' }, { bridge: 'br2', name: 'dmz', address: '198.19.78.1/24' }] }),
      lab.boot('inner', { bridge: 'br1', address: '198.19.77.2', network: { prefix: 24, gateway: '198.19.77.1', address6: 'fd00:77::2/64', gateway6: 'fd00:77::1' } }),
    ]);
    const reached = async (): Promise<void> => {
      for (const target of [inner.address, 'fd00:77::2']) await front.run(['ping', '-c1', '-W5', target]);
      for (const target of ['198.19.78.1', front.address]) await inner.run(['ping', '-c1', '-W5', target]);
    };
    await reached();
    expect((await two.exec(['ping', '-c1', '-W1', inner.address])).code).not.toBe(0);
    await front.reboot();
    await reached();
    await front.kill();
    await front.powerOn();
    await inner.reboot();
    await reached();
  });

  test('hold a sandboxed unit to what its lines say', async () => {
    await two.run(['useradd', '--system', '--user-group', '--no-create-home', 'reeve-agent']);
    await two.put(join(UNITS, 'reeve-agent.service'), '/etc/systemd/system/reeve-agent.service');
    // The lines under test are the agent's own; only the program is exchanged for one that tries the walls.
    await two.write('/etc/systemd/system/reeve-agent.service.d/probe.conf', [
      '[Unit]', 'ConditionPathExists=', '[Service]', 'Type=exec', 'ExecPaths=/usr/bin', 'ExecStart=', 'ExecStart=/bin/bash /usr/lib/probe.sh', '',
    ].join('\n'));
    await two.write('/usr/lib/probe.sh', [
      'cd /var/lib/reeve-agent',
      'try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi >>report.new; }',
      'try own-state touch mine',
      'try etc-write touch /etc/mine',
      'try tmp-write touch /tmp/mine',
      'try run-write touch /run/mine',
      'try meminfo cat /proc/meminfo', 'try cpuinfo cat /proc/cpuinfo', 'try uptime cat /proc/uptime', 'try routes cat /proc/net/route',
      'try mounts cat /proc/self/mountinfo', 'try disk stat -f /', 'try home stat -f /home', 'try passwd cat /etc/passwd',
      'try shadow cat /etc/shadow', 'try init-environ cat /proc/1/comm', 'try userns unshare -U true', 'try rootid test "$(stat -c %u /etc/passwd)" = 0',
      'mv report.new report; exec sleep infinity', '',
    ].join('\n'));
    await two.run(['systemctl', 'daemon-reload']);
    await two.run(['systemctl', 'start', 'reeve-agent.service']);
    const report = await until(() => two.exec(['cat', '/var/lib/reeve-agent/report']).then((answer) => (answer.code === 0 ? answer.stdout : undefined)), {
      timeoutMs: 20_000, what: 'the probe to finish',
    });
    expect(Object.fromEntries(report.trim().split('\n').map((line) => line.split(' ')))).toEqual({
      'own-state': 'yes', 'etc-write': 'no', 'tmp-write': 'yes', 'run-write': 'no', meminfo: 'yes', cpuinfo: 'yes', uptime: 'yes', routes: 'yes', mounts: 'yes',
      disk: 'yes', home: 'yes', passwd: 'yes', shadow: 'no', 'init-environ': 'no', userns: 'no', rootid: 'yes',
    });
    await two.run(['systemctl', 'stop', 'reeve-agent.service']);
  });
});

describe.skipIf(!available.ok)('a lab that ends', () => {
  test('in order leaves nothing', async () => {
    const lab = await startLab({ name: 'leave' });
    const host = await lab.boot('host');
    host.spawn(['sleep', 'infinity']);
    lab.spawn(['sleep', 'infinity']);
    lab.close();
    lab.close();
    expect(remains(lab.record)).toEqual([]);
  });

  test('because its owner was killed is taken away by its guard', async () => {
    const { owner, record } = await startOwner();
    owner.kill('SIGKILL');
    await until(() => remains(record).length === 0, { timeoutMs: 30_000, what: 'the guard to sweep' });
  });

  test('because owner and guard were killed is taken away by the next sweep', async () => {
    const { owner, record } = await startOwner();
    for (const pid of guardsOf(owner)) process.kill(pid, 'SIGKILL');
    const gone = new Promise((resolve) => owner.once('exit', resolve));
    owner.kill('SIGKILL');
    await gone;
    expect(remains(record)).not.toEqual([]);
    const said = execFileSync(process.execPath, ['--import', 'tsx', join(HERE, 'sweep.ts')], { cwd: HERE, encoding: 'utf8' });
    expect(said).toContain(`swept ${record.id}`);
    expect(remains(record)).toEqual([]);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('because its owner got %s is taken away by the owner', async (signal) => {
    const { owner, record } = await startOwner();
    const code = new Promise((resolve) => owner.once('exit', resolve));
    owner.kill(signal);
    expect(await code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(remains(record)).toEqual([]);
  });
});

async function startOwner(): Promise<{ owner: ChildProcess; record: LabRecord }> {
  const owner = spawn(process.execPath, ['--import', 'tsx', join(HERE, 'crash-owner.ts')], { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: owner.stdout })) {
    const record = JSON.parse(line) as LabRecord;
    expect(remains(record)).toEqual(expect.arrayContaining(['folder', 'layers', 'netns', 'mounts', 'processes']));
    return { owner, record };
  }
  throw new Error('The lab owner ended before it had a lab');
}

function guardsOf(owner: ChildProcess): number[] {
  return childrenOf(owner.pid ?? 0).filter((child) => readFileSync(`/proc/${String(child)}/cmdline`, 'utf8').includes('reeve-lab-guard'));
}

/** Names what is left of a lab on this machine. */
function remains(record: LabRecord): string[] {
  const left = (name: string, there: boolean): string[] => (there ? [name] : []);
  return [
    ...left('folder', existsSync(record.stateDir)),
    ...left('layers', existsSync(record.layersDir)),
    ...left('netns', existsSync(join('/run/netns', record.netns))),
    ...left('mounts', readFileSync('/proc/self/mountinfo', 'utf8').includes(record.id)),
    ...left('processes', processesOf(record).length > 0),
  ];
}

/** Processes in the lab's control groups (the kernel keeps the path for as long as they live) or with a mount of the lab. */
function processesOf(record: LabRecord): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      readlinkSync(`/proc/${pid}/exe`);
      return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`reeve-lab-${record.id}`) || readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(record.id);
    } catch {
      return false; // ended meanwhile, or a kernel thread
    }
  });
}

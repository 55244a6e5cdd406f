/**
 * What is asked of pct(1), and how its answers are read. A program that notes its arguments stands in its place; it prints what pct of Proxmox VE 8 prints (PVE::CLI::pct, man page
 * pct(1)). It has not been run on a live Proxmox VE. Root only.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Said } from '../job/testing/talk.js';
import { specText } from '../reeve-privd/testing/container.js';
import { isRoot, makeHost, type TestHost } from './testing/host.js';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGdMyQ6/2SNpYKkDgWe5uAE7y8n8bXjwsQ0NjmPjD/s';
const head = 'VMID       Status     Lock         Name                \n';
const list = `${head}100        running                 db                  \n101        stopped    backup       web                 \n1010       running                 web-2               \n`;
const config = [
  'arch: amd64', 'cores: 2', 'description: keep%3A%0Athis', 'features: nesting=1', 'hostname: web', 'memory: 512',
  'net0: name=eth0,bridge=vmbr0,firewall=1,gw=192.0.2.1,hwaddr=BC:24:11:0A:0B:0C,ip=192.0.2.10/24,type=veth', 'onboot: 1', 'ostype: debian', 'rootfs: local-lvm:vm-101-disk-0,size=8G', 'swap: 256',
  'unprivileged: 1', '',
].join('\n');
const pct = (more: Parameters<typeof specText>[0] = {}): Buffer =>
  specText({ engine: 'pct', id: '101', state: 'running', boot: 'yes', template: 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst', storage: 'local-lvm', bridge: 'vmbr0', ...more });

describe.skipIf(!isRoot)('containers of Proxmox VE', () => {
  let host: TestHost;
  const web = (work: string, more: readonly (readonly [string, string])[] = []): Promise<Said> => host.work(work, [['name', 'web'], ...more]);
  const changes = (): readonly (readonly string[])[] => host.pct.runs().filter(([verb]) => !['list', 'status', 'config'].includes(verb ?? ''));
  beforeEach(() => {
    host = makeHost();
    host.record('web', pct());
    host.pct.prints('list', list);
    host.pct.prints('config', config);
    host.pct.prints('status', 'status: stopped\n');
  }, 120_000);
  afterEach(() => { host.close(); });

  test('one is made with all that its record says, its first keys on the standard input', async () => {
    host.pct.prints('list', head);
    host.record('web', pct({ boot: 'no', address: '192.0.2.10/24', gateway: '192.0.2.1', key: [key], memory: '536870913', swap: '268435456', cpu: '150', disk: '8' }));
    expect(await web('build')).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(changes()).toEqual([[
      'create', '101', 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst', '--hostname', 'web', '--rootfs', 'local-lvm:8', '--net0', 'name=eth0,bridge=vmbr0,ip=192.0.2.10/24,gw=192.0.2.1',
      '--memory', '513', '--swap', '256', '--cores', '2', '--unprivileged', '1', '--onboot', '0', '--start', '0', '--ssh-public-keys', '/dev/stdin',
    ]]);
    expect(host.pct.read()).toBe(`${key}\n`);
  });

  test('without an address it is given one by DHCP; IPv6 has options of its own', async () => {
    host.pct.prints('list', head);
    await web('build');
    host.record('web', pct({ address: '2001:db8::5/64', gateway: '2001:db8::1' }));
    await web('build');
    expect(changes().map((run) => run[run.indexOf('--net0') + 1])).toEqual(['name=eth0,bridge=vmbr0,ip=dhcp', 'name=eth0,bridge=vmbr0,ip6=2001:db8::5/64,gw6=2001:db8::1']);
  });

  test('one that is there is not made again; a number that somebody else has is not touched', async () => {
    expect(await web('build')).toMatchObject({ exit: 0, result: { ok: '1' } });
    host.record('web', pct({ id: '100' }));
    for (const work of ['build', 'start', 'stop', 'restart', 'limit', 'remove', 'adopt', 'snapshots']) {
      expect(await web(work, [['volumes', '0']])).toMatchObject({ exit: 1, result: { reason: 'container 100 is "db" now, not "web": somebody else made it' } });
    }
    for (const work of ['snapshot', 'rollback', 'drop']) expect((await web(work, [['snapshot', 'first']])).result['ok']).toBe('0');
    expect(changes()).toEqual([]);
  });

  test('starting: only what does not run, and it has to run afterwards', async () => {
    expect(await web('start')).toMatchObject({ exit: 1, result: { reason: 'pct started it, and it is stopped' } });
    expect(changes()).toEqual([['start', '101']]);
    host.pct.prints('status', 'status: running\n');
    expect(await web('start')).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(changes()).toHaveLength(1);
  });

  test('stopping: in order, then by force; without time at once by force', async () => {
    host.pct.prints('status', 'status: running\n');
    host.record('web', pct({ stop: '25' }));
    expect(await web('stop')).toMatchObject({ exit: 0 });
    host.record('web', pct({ stop: '0' }));
    expect(await web('stop')).toMatchObject({ exit: 0 });
    expect(changes()).toEqual([['shutdown', '101', '--timeout', '25', '--forceStop', '1'], ['stop', '101']]);
  });

  test('limits are set while it runs; the processor by whole cores', async () => {
    host.record('web', pct({ memory: '1073741824', cpu: '101' }));
    const said = await web('limit');
    expect([said.list('enforced'), said.list('ignored')]).toEqual([['memory', 'cpu'], []]);
    expect(changes()).toEqual([['set', '101', '--memory', '1024', '--cores', '2', '--onboot', '1']]);
  });

  test('removing: it is ended and destroyed, then the record goes; one that pct does not know is gone', async () => {
    host.pct.prints('status', 'status: running\n');
    expect(await web('remove', [['volumes', '0']])).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(changes()).toEqual([['shutdown', '101', '--timeout', '10', '--forceStop', '1'], ['destroy', '101', '--purge', '1']]);
    expect(existsSync(join(host.state, 'container/web'))).toBe(false);
    host.record('web', pct());
    host.pct.prints('list', head);
    expect(await web('remove', [['volumes', '0']])).toMatchObject({ exit: 0 });
    expect(changes()).toHaveLength(2);
  });

  test('snapshots: made, listed, rolled back to while it is stopped, removed', async () => {
    host.pct.prints('listsnapshot', '`-> first                          2026-01-31 09:05:00     no-description\n  `-> second                        2026-02-01 10:00:00     before%20upgrade\n    `-> current                                               You are here!\n');
    expect((await web('snapshots')).rows.map(({ snapshot, 'created-ms': at }) => [snapshot, Number(at)])).toEqual([
      ['first', new Date(2026, 0, 31, 9, 5).getTime()], ['second', new Date(2026, 1, 1, 10).getTime()],
    ]);
    for (const work of ['snapshot', 'rollback', 'drop']) expect(await web(work, [['snapshot', 'first']])).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(changes()).toEqual([['listsnapshot', '101'], ['snapshot', '101', 'first'], ['rollback', '101', 'first'], ['delsnapshot', '101', 'first']]);
    host.pct.prints('status', 'status: running\n');
    expect(await web('rollback', [['snapshot', 'first']])).toMatchObject({ exit: 1, result: { reason: 'the container is running: stop it first' } });
  });

  test('one of somebody else is told as a spec, and with what has no place there', async () => {
    const said = await host.work('inspect', [['name', 'web'], ['engine', 'pct']]);
    expect(said.list('spec')).toEqual(['engine=pct', 'id=101', 'state=stopped', 'boot=no', 'adopted=yes', 'bridge=vmbr0', 'address=192.0.2.10/24', 'gateway=192.0.2.1', 'memory=536870912', 'swap=268435456', 'cpu=200']);
    expect(said.list('problem')).toEqual([]);
    host.pct.prints('status', 'status: running\n');
    host.pct.prints('config', 'hostname: web\nlock: backup\nnet0: name=eth0,bridge=vmbr0,ip=dhcp,ip6=auto\nnet1: name=eth1,bridge=vmbr1\n');
    const other = await host.work('inspect', [['name', 'web'], ['engine', 'pct']]);
    expect(other.list('spec')).toEqual(['engine=pct', 'id=101', 'state=running', 'boot=no', 'adopted=yes', 'bridge=vmbr0']);
    expect(other.list('problem')).toEqual(['it has more than one network interface', 'it is privileged: root in it is root of the host', 'it is locked: backup']);
    expect((await host.work('inspect', [['name', 'mail'], ['engine', 'pct']])).result['reason']).toBe('pct knows no container "mail"');
  });

  test('what pct says when it fails is the reason, without control characters', async () => {
    host.pct.prints('start', "CT is locked (backup)\x1b[31m\n", 255);
    expect(await web('start')).toMatchObject({ exit: 1, result: { ok: '0', reason: 'pct cannot start it: CT is locked (backup)\\x1b[31m' } });
    host.pct.prints('list', '\0\xff garbage\n999999999999 running x\n', 0);
    expect((await web('start')).result['reason']).toBe('there is no container 101 on this host');
  });

  test('elsewhere there is no pct, and that is said', async () => {
    mkdirSync(join(host.dir, 'none'));
    const said = await host.work('build', [['name', 'web']], { wrap: `mount --bind '${host.dir}/none' '${host.dir}/pct' && exec "$@"` });
    expect(said).toMatchObject({ exit: 1, result: { reason: 'this is no Proxmox VE host: pct is not installed here' } });
  });
});

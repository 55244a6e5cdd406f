/** What the root helper writes for containers, on a host with a real systemd, podman and lxc, and in the helper's own sandbox: units that start, sleep, wake, and go on without Reeve. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPrivdClient, type PrivdClient } from '../../agent/host/privd.js';
import type { PrivdReply, PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import { ensureLayer } from '../lab/layer.js';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { containerHost, containerPackages, prepareContainers } from '../support/container-fleet.js';
import { systemRoot, webCommand, webRoot } from '../support/container-image.js';
import { fetchDebian } from '../support/debian.js';
import { hosts } from '../support/fleet.js';
import { until } from '../support/until.js';

const root = join(import.meta.dirname, '../..');
const policy = ['version 1', 'allow observe.container', 'allow container.write', 'allow container.image', 'allow container.port', 'allow container.volume', 'allow container.bridge', 'allow container.release', ''].join('\n');

/** The helper's own unit, but for its socket: it listens by itself and answers root. */
const helperUnit = readFileSync(join(root, 'packaging/units/reeve-privd.service'), 'utf8')
  .replace(/^(?:Requires|After|Also)=.*\n/gm, '').replace(/^ExecStart=.*$/m, 'ExecStart=/usr/lib/reeve-agent/reeve-privd --listen /run/reeve/test.sock --caller-uid 0').replace('Restart=on-failure', 'Restart=always');

describe.skipIf(!hosts.ok)('units of containers', () => {
  let lab: Lab;
  let host: LabHost;
  let client: PrivdClient;
  const image: Record<string, string> = {};
  const call = <V extends PrivdVerbName>(verb: V, request: PrivdRequest<V>): Promise<PrivdReply<V>> => client.call(verb, randomUUID(), request);
  const spec = (...lines: string[]): Buffer => Buffer.from(['container 1', ...lines, ''].join('\n'));
  const put = async (name: string, ...lines: string[]): Promise<void> => {
    await call('container.put', { name, spec: spec(...lines) });
    await call('container.settle', { name, keep: true });
  };
  const podman = (of: string, ...lines: string[]): string[] => ['engine=podman', 'state=running', 'boot=yes', `image=${image[of] ?? ''}`, ...webCommand.map((word) => `arg=${word}`), ...lines];
  const seen = async (name: string) => (await call('observe.container', { scope: 'managed', name })).container[0];
  const becomes = (name: string, state: string): Promise<unknown> => until(async () => (await seen(name))?.state === state || undefined, { timeoutMs: 60_000, what: `${name} to be ${state}` });
  const ask = async (url: string): Promise<string> => (await lab.exec(['curl', '--silent', '--show-error', '--max-time', '30', url])).stdout;

  beforeAll(async () => {
    for (const folder of ['reeve-privd', 'container']) execFileSync('make', ['-s', '-C', join(root, 'native', folder)], { stdio: ['ignore', 'ignore', 'inherit'] });
    lab = await startLab({ name: 'units' });
    host = await lab.boot('box', { ...containerHost, layer: await ensureLayer(await fetchDebian(containerPackages)) });
    await prepareContainers(host);
    await host.put(join(root, 'build/reeve-privd/reeve-privd'), '/usr/lib/reeve-agent/reeve-privd', 0o755);
    await host.put(join(root, 'native/container/gen/reeve-container'), '/usr/lib/reeve-agent/reeve-container', 0o755);
    await host.write('/etc/systemd/system/reeve-privd.service', helperUnit);
    await host.write('/etc/reeve/policy', policy);
    await host.run(['chmod', '0755', '/etc/reeve']);
    await host.run(['mkdir', '-p', '/run/reeve', '/var/lib/reeve-left']);
    await host.run(['systemctl', 'daemon-reload']);
    await host.run(['systemctl', 'start', 'reeve-privd.service']);
    await until(async () => (await host.exec(['test', '-S', '/run/reeve/test.sock'])).code === 0 || undefined, { timeoutMs: 10_000, what: 'the helper to listen' });
    client = createPrivdClient({ socketPath: host.outside('/run/reeve/test.sock'), timeoutMs: 60_000 });
    for (const [name, bytes] of [['one', webRoot('one')], ['crashing', webRoot('x', 'crashing')], ['stubborn', webRoot('stubborn', 'stubborn')]] as const) {
      await host.run(['podman', 'import', '--quiet', '-', `localhost/${name}:1`], { input: bytes });
      image[name] = (await host.run(['podman', 'image', 'inspect', '--format', '{{index .RepoDigests 0}}', '--', `localhost/${name}:1`])).trim();
    }
  });
  afterAll(() => { client.close(); lab.close(); });

  test('podman: published, with a folder and a secret that root of the container reads, and words that arrive as they were', async () => {
    const version = randomUUID();
    await call('container.secret', { name: 'web', secret: 'db', version, value: Buffer.from('hunter2') });
    const odd = ['a"b', '$HOME ${PATH}', '%n %% %i', '\\', '\\n', ';', "it's", '{x}', '#', ' lead', '--privileged', 'ä'];
    await put('web', 'engine=podman', 'state=running', 'boot=yes', `image=${image['one'] ?? ''}`, 'arg=/bin/sh', 'arg=-c', 'arg=for w in "$@"; do echo "[$w]"; done; echo "E=$ODD"; exec /bin/sh /serve', 'arg=sh', ...odd.map((word) => `arg=${word}`),
      'env=ODD=x "$HOME" %n \\ y', `secret=db ${version}`, 'port=tcp 0.0.0.0 8080 80', 'port=tcp :: 8080 80', 'volume=/srv/container/web /www/data rw', 'stop=5');
    await host.run(['systemctl', 'start', 'reeve-container-web.service']);
    await until(async () => await ask(`http://${host.address}:8080/`) === 'one\n' || undefined, { timeoutMs: 20_000, what: 'an answer' });
    const output = await host.run(['journalctl', '_SYSTEMD_UNIT=reeve-container-web.service', '-o', 'cat', '--no-pager']);
    expect(output.split('\n').filter((line) => line.startsWith('['))).toEqual(odd.map((word) => `[${word}]`));
    expect(output).toContain('E=x "$HOME" %n \\ y\n');
    expect(await host.run(['podman', 'exec', 'web', 'cat', '/run/secrets/db'])).toBe('hunter2');
    await host.run(['podman', 'exec', 'web', 'touch', '/www/data/kept']);
    expect((await host.run(['stat', '-c', '%u', '/srv/container/web/kept'])).trim()).toBe(String(0x70000000));
    const web = await seen('web');
    expect(web).toMatchObject({ state: 'running', boot: true, edited: '' });
    expect((await host.run(['stat', '-c', '%u', `/proc/${String(web?.pid)}`])).trim()).toBe(String(0x70000000));
    const status = await host.read(`/proc/${String(web?.pid)}/status`);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^CapBnd:\t00000000000405fb$/m);
    await host.run(['systemctl', 'stop', 'reeve-container-web.service']);
    expect((await host.run(['systemctl', 'show', '--property=ActiveState', '--value', 'reeve-container-web.service'])).trim()).toBe('inactive');
    expect(await seen('web')).toMatchObject({ state: 'stopped', pid: 0 });
  });

  test('podman: one that cannot run is failed, and says why', async () => {
    await put('bad', ...podman('crashing', 'restart=no'));
    await host.exec(['systemctl', 'start', 'reeve-container-bad.service']);
    await becomes('bad', 'failed');
    expect(await seen('bad')).toMatchObject({ reason: 'it ended with exit code 3' });
    await host.run(['systemctl', 'reset-failed', 'reeve-container-bad.service']);
  });

  test.each(['one', 'stubborn'])('podman, asleep: the first request is answered, 20 at once are, and it sleeps again (%s)', async (of) => {
    await put('lazy', ...podman(of, 'port=tcp 0.0.0.0 8090 80', 'stop=1', 'idle=2'));
    await host.run(['systemctl', 'start', 'reeve-container-lazy.8090.socket']);
    expect(await seen('lazy')).toMatchObject({ state: 'sleeping', boot: true });
    expect(await ask(`http://${host.address}:8090/`)).toBe(`${of}\n`);
    expect(await Promise.all(Array.from({ length: 20 }, () => ask(`http://${host.address}:8090/`)))).toEqual(Array.from({ length: 20 }, () => `${of}\n`));
    expect(await seen('lazy')).toMatchObject({ state: 'running' });
    await becomes('lazy', 'sleeping');
    expect(await Promise.all(Array.from({ length: 20 }, () => ask(`http://${host.address}:8090/`)))).toEqual(Array.from({ length: 20 }, () => `${of}\n`));
    await becomes('lazy', 'sleeping');
    expect((await host.exec(['systemctl', '--failed', '--no-legend', '--plain'])).stdout).toBe('');
    await host.run(['systemctl', 'stop', 'reeve-container-lazy.8090.socket']);
  });

  test('lxc: runs with its address and ids of its own, and stops', async () => {
    await put('sys', 'engine=lxc', 'state=running', 'boot=no', `archive=${'ab'.repeat(32)}`, 'bridge=lxcbr0', 'address=10.0.3.50/24', 'gateway=10.0.3.1', 'stop=12');
    const base = /lxc\.idmap = u 0 ([0-9]+) /.exec(await host.read('/var/lib/lxc/sys/config'))?.[1] ?? '';
    await host.run(['mkdir', '/var/lib/lxc/sys/rootfs']);
    await host.run(['tar', '-C', '/var/lib/lxc/sys/rootfs', '-x', '-f', '-'], { input: systemRoot('system') });
    await host.run(['chown', '-hR', `${base}:${base}`, '/var/lib/lxc/sys/rootfs']);
    await host.run(['systemctl', 'start', 'reeve-container-sys.service']);
    const answer = async (): Promise<string> => (await host.exec(['curl', '--silent', '--max-time', '5', 'http://10.0.3.50/'])).stdout;
    await until(async () => await answer() === 'system\n' || undefined, { timeoutMs: 20_000, what: 'an answer' });
    const sys = await seen('sys');
    expect(sys).toMatchObject({ state: 'running', boot: false });
    expect((await host.run(['stat', '-c', '%u', `/proc/${String(sys?.pid)}`])).trim()).toBe(base);
    await host.run(['systemctl', 'stop', 'reeve-container-sys.service']);
    expect(await seen('sys')).toMatchObject({ state: 'stopped' });
  });

  test('released ones go on when nothing of Reeve is left', async () => {
    const version = randomUUID();
    await call('container.secret', { name: 'left', secret: 'db', version, value: Buffer.from('hunter3') });
    await put('left', ...podman('one', `secret=db ${version}`, 'port=tcp 0.0.0.0 8091 80', 'stop=1', 'idle=2'));
    await host.run(['systemctl', 'start', 'reeve-container-left.8091.socket']);
    await call('container.release', { name: 'left' });
    await call('container.release', { name: 'web' });
    await host.run(['systemctl', 'stop', 'reeve-privd.service']);
    await host.run(['mv', '/var/lib/reeve-privd', '/usr/lib/reeve-agent', '/root/']);
    try {
      expect(await ask(`http://${host.address}:8091/`)).toBe('one\n');
      expect(await host.run(['podman', 'exec', 'left', 'cat', '/run/secrets/db'])).toBe('hunter3');
      await host.run(['systemctl', 'restart', 'reeve-container-web.service']);
      await until(async () => await ask(`http://${host.address}:8080/`) === 'one\n' || undefined, { timeoutMs: 20_000, what: 'an answer' });
    } finally {
      await host.run(['mv', '/root/reeve-privd', '/var/lib/']);
      await host.run(['mv', '/root/reeve-agent', '/usr/lib/']);
    }
  });
});

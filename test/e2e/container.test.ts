import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerRow } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { LabHost } from '../lab/lab.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { askContainer, importArchive, rowOf } from '../support/container-command.js';
import { bridge, startContainerFleet } from '../support/container-fleet.js';
import { systemRoot, webCommand, webRoot } from '../support/container-image.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('containers of a host', () => {
  let fleet: TestFleet;
  let box: LabHost;
  const image: Record<'one' | 'two' | 'unhealthy' | 'stubborn', string> = { one: '', two: '', unhealthy: '', stubborn: '' };
  let archive = '';

  /** Runs a command that has to succeed. */
  async function reeve(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await fleet.reeve(args);
    expect(code, `reeve ${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  }
  /** Runs a command that has to be refused; gives what it says. */
  async function refused(code: number, ...args: string[]): Promise<string> {
    const result = await fleet.reeve(args);
    expect(result.code, `reeve ${args.join(' ')}: ${result.stdout}${result.stderr}`).toBe(code);
    return result.stdout + result.stderr;
  }
  const ask = (port: number, path = '/'): Promise<string> => askContainer(fleet, `http://${box.address}:${String(port)}${path}`);
  /** Its status, with the reason where it is not ok. */
  const statusOf = async (name: string): Promise<string> => {
    const { status, reason } = await row(name);
    return status === 'ok' ? status : `${status}: ${reason}`;
  };
  const row = (name: string): ReturnType<typeof rowOf> => rowOf(fleet, 'box', name);

  beforeAll(async () => {
    fleet = await startContainerFleet({ name: 'container', hosts: ['box'], resident: true });
    // What standard leaves out: containers of lxc, and the bridge that they are on.
    await fleet.host('box').run(['/bin/sh', '-c', 'printf "allow container.write engine=lxc\\nallow container.bridge\\n" >>/etc/reeve/policy']);
    box = fleet.host('box');
    for (const [name, bytes] of [['one', webRoot('one')], ['two', webRoot('two')], ['unhealthy', webRoot('bad', 'unhealthy')], ['stubborn', webRoot('stubborn', 'stubborn')]] as const) {
      image[name] = await importArchive(fleet, 'box', bytes, 'rootfs', `localhost/${name}:1`);
      expect(image[name]).toMatch(new RegExp(`^localhost/${name}@sha256:[0-9a-f]{64}$`));
    }
    archive = await importArchive(fleet, 'box', systemRoot('system'), 'archive');
    expect(archive).toMatch(/^[0-9a-f]{64}$/);
  });
  afterAll(() => fleet.close());

  describe('of podman', () => {
    test('one is added from an imported image, and reached from outside', async () => {
      const plan = await reeve('container', 'add', 'box', 'web', '--image', 'localhost/one:1', '--publish', '8080:80', '--volume', '/srv/container/web:/www/data', '--env', 'GREETING=hello world', '--health-http', '8080/health', '--memory', '64M', '--plan', '--', ...webCommand);
      expect(plan).toContain(image.one);
      expect((await fleet.reeve(['container', 'show', 'box', 'web'])).code).toBe(2);
      await reeve('container', 'add', 'box', 'web', '--image', 'localhost/one:1', '--publish', '8080:80', '--volume', '/srv/container/web:/www/data', '--env', 'GREETING=hello world', '--health-http', '8080/health', '--memory', '64M', '--yes', '--', ...webCommand);
      expect(await ask(8080)).toBe('one\n');
      const { status, observed } = await row('web');
      expect([status, observed?.state, observed?.boot]).toEqual(['ok', 'running', true]);
      expect(Number(observed?.memory)).toBeGreaterThan(100_000);
      // It has ids that nobody else has, and its unit is what holds it.
      expect(Number((await box.run(['stat', '-c', '%u', `/proc/${String(observed?.pid)}`])).trim())).toBeGreaterThanOrEqual(0x70000000);
      expect(await box.run(['systemctl', 'is-enabled', 'reeve-container-web.service'])).toBe('enabled\n');
      expect(await reeve('container', 'logs', 'box', 'web')).toContain('serving one');
      // What the kernel does not keep is said.
      const kept = (await box.exec(['test', '-e', '/sys/fs/cgroup/system.slice/reeve-container-web.service/memory.max'])).code === 0;
      const shown = await reeve('container', 'show', 'box', 'web');
      if (kept) expect(await box.read('/sys/fs/cgroup/system.slice/reeve-container-web.service/memory.max')).toBe('67108864\n');
      else expect(shown).toMatch(/limits +memory .*does not keep it/);
    });

    test('a volume and a secret are in it, and neither the inventory nor the unit has the secret', async () => {
      await fleet.hub.write('/root/token', 'TOKEN-4711-CANARY', 0o600);
      await reeve('container', 'set', 'box', 'web', '--secret', 'token=/root/token', '--yes');
      await box.write('/srv/container/web/file', 'from the host\n');
      expect(await ask(8080, '/data/file')).toBe('from the host\n');
      expect(await box.run(['podman', 'exec', 'web', 'cat', '/run/secrets/token'])).toBe('TOKEN-4711-CANARY');
      expect(await box.run(['podman', 'exec', 'web', 'env'])).toContain('GREETING=hello world');
      const found = await fleet.hub.exec(['grep', '-rlaF', 'TOKEN-4711-CANARY', '/var/lib/reeved', '/var/log', '/etc']);
      expect(found.stdout).toBe('');
      const onHost = await box.exec(['grep', '-rlaF', 'TOKEN-4711-CANARY', '/etc', '/var/lib/reeve-agent', '/var/log']);
      expect(onHost.stdout).toBe('');
      expect((await box.exec(['journalctl', '--no-pager', '--grep', 'TOKEN-4711-CANARY'])).stdout).not.toContain('CANARY');
    });

    test('one is replaced by another digest, and goes back when the new one does not get healthy', async () => {
      await reeve('container', 'set', 'box', 'web', '--image', image.two, '--yes');
      expect(await ask(8080)).toBe('two\n');
      const said = await refused(1, 'container', 'set', 'box', 'web', '--image', image.unhealthy, '--health-start', '3', '--yes');
      expect(said).toContain('did not get healthy');
      expect(await ask(8080)).toBe('two\n');
      expect((await row('web')).observed?.spec?.image).toBe(image.two);
      // What is wanted of it went back as well: nothing is left pending.
      expect([(await row('web')).status, (await row('web')).spec?.image]).toEqual(['ok', image.two]);
      expect((await fleet.json<{ hosts: { changes: unknown[] }[] }>(['apply', '--on', 'box', '--noun', 'container', '--yes'])).hosts.flatMap(({ changes }) => changes)).toEqual([]);
    });

    test('it comes back after a reboot of the host, with its volume', async () => {
      await box.reboot();
      await fleet.waitState('box', 'connected');
      await until(async () => (await row('web')).observed?.state === 'running', { timeoutMs: 60_000, everyMs: 500, what: 'the container to run again' });
      expect(await ask(8080, '/data/file')).toBe('from the host\n');
    });

    test('it stops within its grace, whether it wants to or not', async () => {
      await reeve('container', 'add', 'box', 'mule', '--image', image.stubborn, '--stop-seconds', '2', '--health-cmd', '/bin/cat /www/health', '--yes', '--', ...webCommand);
      expect((await fleet.json<{ row: ContainerRow }>(['container', 'show', 'box', 'mule'])).row.observed?.health).toBe('healthy');
      expect(await refused(1, 'container', 'set', 'box', 'mule', '--health-cmd', '/bin/cat /www/nothing', '--health-start', '2', '--yes')).toContain('did not get healthy');
      const { observed } = await row('mule');
      const began = performance.now();
      await reeve('container', 'stop', 'box', 'mule', '--yes');
      expect(performance.now() - began).toBeLessThan(30_000);
      expect((await box.exec(['test', '-d', `/proc/${String(observed?.pid)}`])).code).toBe(1);
      expect([(await row('mule')).observed?.state, (await row('mule')).status]).toEqual(['stopped', 'ok']);
      await reeve('container', 'remove', 'box', 'mule', '--yes');
      expect((await fleet.reeve(['container', 'show', 'box', 'mule'])).code).toBe(2);
      expect(await box.run(['podman', 'ps', '--all', '--format', '{{.Names}}'])).toBe('web\n');
    });

    test('one that was removed by hand is drift, and is repaired when asked', async () => {
      await box.run(['systemctl', 'disable', '--now', 'reeve-container-web.service']);
      await box.run(['rm', '/etc/systemd/system/reeve-container-web.service']);
      await box.run(['systemctl', 'daemon-reload']);
      await until(async () => ['drift', 'missing'].includes((await row('web')).status), { timeoutMs: 30_000, everyMs: 500, what: 'drift to be seen' });
      expect(await reeve('plan', '--on', 'box', '--noun', 'container')).toContain('web');
      await reeve('apply', '--on', 'box', '--noun', 'container', '--yes');
      expect(await ask(8080)).toBe('two\n');
      expect(await statusOf('web')).toBe('ok');
    });

    test('one that was made by hand is listed, and adopted', async () => {
      await box.run(['podman', 'run', '--detach', '--name', 'byhand', '--publish', '8088:80', image.one, ...webCommand]);
      const before = await row('byhand');
      expect(before.status).toBe('foreign');
      expect(before.reason).toContain('reeve container adopt box byhand');
      const said = await refused(1, 'container', 'adopt', 'box', 'byhand', '--yes');
      // Root of it is root of the host: that is for the policy to name.
      expect(said).toContain('container.host-ids');
      await box.run(['/bin/sh', '-c', 'printf "allow container.adopt\\nallow container.host-ids name=byhand\\n" >>/etc/reeve/policy']);
      await reeve('container', 'adopt', 'box', 'byhand', '--yes');
      expect(await ask(8088)).toBe('one\n');
      expect(await statusOf('byhand')).toBe('ok');
      await reeve('container', 'remove', 'box', 'byhand', '--yes');
    });

    test('what is hostile or not allowed is refused by the host, and changes nothing', async () => {
      const before = await box.run(['/bin/sh', '-c', 'ls /etc/systemd/system/ /var/lib/reeve-privd/container; podman ps -a --format {{.Names}}']);
      const add = ['container', 'add', 'box', 'bad', '--image', image.one, '--yes'];
      expect(await refused(1, ...add, '--publish', '80:80')).toContain('container.port');
      expect(await refused(1, ...add, '--volume', '/etc:/etc')).toContain('container.volume');
      expect(await refused(1, ...add, '--ids', 'host')).toContain('container.host-ids');
      expect(await refused(1, ...add, '--network', 'host')).toContain('container.host-network');
      expect(await refused(1, ...add, '--device', '/dev/null')).toContain('container.device');
      expect(await refused(1, ...add, '--publish', '7420:80')).toMatch(/7420/);
      expect(await refused(1, ...add, '--publish', '8080:80')).toContain('web');
      await refused(2, ...add, '--env', 'LD_PRELOAD=x');
      await refused(2, ...add, '--volume', '/srv/container/../x:/x');
      await refused(2, 'container', 'add', 'box', '-v', '--image', image.one, '--yes');
      expect(await refused(1, 'container', 'add', 'box', 'bad', '--image', `localhost/nothing@sha256:${'0'.repeat(64)}`, '--yes')).toContain('nothing');
      expect(await box.run(['/bin/sh', '-c', 'ls /etc/systemd/system/ /var/lib/reeve-privd/container; podman ps -a --format {{.Names}}'])).toBe(before);
    });
  });

  describe('of lxc', () => {
    const url = 'http://10.0.3.7/';
    test('one is added from an archive, with an address on the bridge and a free one offered for one that is taken', async () => {
      await reeve('container', 'add', 'box', 'sys', '--archive', archive, '--bridge', bridge.name, '--address', '10.0.3.7/24', '--gateway', bridge.address, '--memory', '64M', '--yes');
      expect(await box.run(['curl', '-sS', '--retry', '20', '--retry-connrefused', '--retry-delay', '1', url])).toBe('system\n');
      expect(await statusOf('sys')).toBe('ok');
      expect(await box.run(['lxc-info', '-n', 'sys', '-s', '-H'])).toBe('RUNNING\n');
      const said = await refused(1, 'container', 'add', 'box', 'other', '--archive', archive, '--bridge', bridge.name, '--address', '10.0.3.7/24', '--yes');
      expect(said).toMatch(/10\.0\.3\.[0-9]+\/24 is free/);
    });

    test('its limits are altered while it runs, and those that the kernel does not keep are told', async () => {
      const { observed } = await row('sys');
      const said = await reeve('container', 'set', 'box', 'sys', '--memory', '48M', '--tasks', '50', '--yes');
      expect((await row('sys')).observed?.pid).toBe(observed?.pid);
      const folder = '/sys/fs/cgroup/system.slice/reeve-container-sys.service';
      if ((await box.exec(['test', '-e', `${folder}/memory.max`])).code === 0) expect(await box.read(`${folder}/memory.max`)).toBe(`${String(48 * 2 ** 20)}\n`);
      else expect(said).toContain('the kernel of this host does not keep limits of memory');
      if ((await box.exec(['test', '-e', `${folder}/pids.max`])).code === 0) expect(await box.read(`${folder}/pids.max`)).toBe('50\n');
      else expect(said).toContain('the kernel of this host does not keep limits of tasks');
    });

    test('a snapshot brings it back as it was', async () => {
      const page = '/var/lib/lxc/sys/rootfs/www/index.html';
      await reeve('container', 'snapshot', 'create', 'box', 'sys', 'before', '--yes');
      await box.write(page, 'spoiled\n');
      await box.run(['rm', '/var/lib/lxc/sys/rootfs/www/health']);
      expect(await box.run(['curl', '-sS', url])).toBe('spoiled\n');
      expect(await reeve('container', 'snapshot', 'list', 'box', 'sys')).toContain('before');
      await reeve('container', 'snapshot', 'restore', 'box', 'sys', 'before', '--yes');
      expect(await box.run(['curl', '-sS', '--retry', '20', '--retry-connrefused', '--retry-delay', '1', url])).toBe('system\n');
      expect(await box.run(['curl', '-sS', `${url}health`])).toBe('well\n');
      await reeve('container', 'snapshot', 'remove', 'box', 'sys', 'before', '--yes');
      expect(await reeve('container', 'snapshot', 'list', 'box', 'sys')).not.toContain('before');
    });

    test('one that was made by hand is listed and adopted without a stop, and one is removed with all its files', async () => {
      await box.run(['/bin/sh', '-ec', 'cp -a /var/lib/lxc/sys /var/lib/lxc/mine && sed -e "s/10.0.3.7/10.0.3.9/; s,/var/lib/lxc/sys,/var/lib/lxc/mine,; s/uts.name = .*/uts.name = mine/; /^#/d" /var/lib/lxc/sys/config >/var/lib/lxc/mine/config && echo "lxc.start.auto = 1" >>/var/lib/lxc/mine/config']);
      await box.run(['systemctl', 'enable', '--now', 'lxc@mine.service']);
      await box.run(['lxc-wait', '-n', 'mine', '-s', 'RUNNING', '-t', '20']);
      const pid = (await box.run(['lxc-info', '-n', 'mine', '-p', '-H'])).trim();
      expect((await row('mine')).status).toBe('foreign');
      await reeve('container', 'adopt', 'box', 'mine', '--yes');
      expect(await statusOf('mine')).toBe('ok');
      expect((await box.run(['lxc-info', '-n', 'mine', '-p', '-H'])).trim()).toBe(pid);
      // From now on one thing starts it with the host.
      expect((await box.exec(['systemctl', 'is-enabled', 'lxc@mine.service'])).stdout).toBe('disabled\n');
      expect(await box.read('/var/lib/lxc/mine/config')).toMatch(/^lxc\.start\.auto = 0$/m);
      expect(await box.run(['systemctl', 'is-enabled', 'reeve-container-mine.service'])).toBe('enabled\n');
      await reeve('container', 'stop', 'box', 'mine', '--yes');
      expect(await box.run(['lxc-info', '-n', 'mine', '-s', '-H'])).toBe('STOPPED\n');
      await reeve('container', 'start', 'box', 'mine', '--yes');
      expect(await box.run(['lxc-info', '-n', 'mine', '-s', '-H'])).toBe('RUNNING\n');
      for (const name of ['mine', 'sys']) await reeve('container', 'remove', 'box', name, '--yes');
      expect(await box.run(['ls', '/var/lib/lxc'])).toBe('');
    });
  });

  describe('that sleep', () => {
    test('are woken by the first connection, answer it and 20 more at once, and sleep again', async () => {
      await reeve('container', 'add', 'box', 'nap', '--image', image.one, '--publish', '8090:80', '--idle', '3', '--yes', '--', ...webCommand);
      expect((await row('nap')).observed?.state).toBe('sleeping');
      expect(await ask(8090)).toBe('one\n');
      expect((await row('nap')).observed?.state).toBe('running');
      await until(async () => (await row('nap')).observed?.state === 'sleeping', { timeoutMs: 60_000, everyMs: 500, what: 'it to sleep again' });
      expect(await Promise.all(Array.from({ length: 20 }, () => ask(8090)))).toEqual(Array.from({ length: 20 }, () => 'one\n'));
      expect(await statusOf('nap')).toBe('ok');
    });

    test('one of lxc does so as well', async () => {
      await reeve('container', 'add', 'box', 'doze', '--archive', archive, '--bridge', bridge.name, '--address', '10.0.3.11/24', '--publish', '8091:80', '--idle', '3', '--yes');
      expect((await row('doze')).observed?.state).toBe('sleeping');
      expect(await ask(8091)).toBe('system\n');
      expect(await Promise.all(Array.from({ length: 20 }, () => ask(8091)))).toEqual(Array.from({ length: 20 }, () => 'system\n'));
      await until(async () => (await row('doze')).observed?.state === 'sleeping', { timeoutMs: 60_000, everyMs: 500, what: 'it to sleep again' });
      await reeve('container', 'remove', 'box', 'doze', '--yes');
    });
  });

  test('a host that is let go keeps its containers, as plain units that need nothing of Reeve', async () => {
    await reeve('host', 'release', 'box', '--yes');
    expect(await ask(8080)).toBe('two\n');
    await box.run(['dpkg', '--purge', 'reeve-agent'], { timeoutMs: 120_000 });
    await box.reboot();
    await until(() => ask(8080).then((text) => text === 'two\n', () => false), { timeoutMs: 60_000, everyMs: 500, what: 'the container to run without Reeve' });
    expect(await ask(8090)).toBe('one\n');
  });
});

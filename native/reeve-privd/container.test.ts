/** Containers for real, as root in namespaces of their own: what is written for them, what is refused before anything is written, and what is told. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cleanHost, containerPolicy, everythingOf, lxc, podman, specText, startContainerHost, sum, units, version } from './testing/container.js';
import { failsWith, isRoot, state, type Privd } from './testing/namespace.js';

describe.skipIf(!isRoot)('containers of a host', () => {
  let privd: Privd;
  const at = (path: string): string => `${privd.root}${path}`;
  const read = (path: string): string => readFileSync(at(path), 'utf8');
  const folder = (name: string): string => at(`${state}/container/${name}`);
  const put = (name: string, spec: Buffer): Promise<{ changed: boolean }> => privd.call('container.put', { name, spec });
  const settle = (name: string, keep: boolean): Promise<unknown> => privd.call('container.settle', { name, keep });
  const seen = async (name: string) => {
    const { container } = await privd.call('observe.container', { scope: 'managed', name });
    return container[0];
  };
  /** Everything that verbs of containers could write. */
  const everything = (): string => everythingOf(privd);
  const ticket = (name: string): Record<string, string> => Object.fromEntries(readFileSync(at(`${state}/container-job/${name}`), 'utf8').split('\0').slice(0, -1).map((field) => field.split(/=(.*)/s, 2))) as Record<string, string>;

  beforeAll(async () => { privd = await startContainerHost(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => {
    privd.writePolicy(containerPolicy);
    cleanHost(privd);
  });

  test('of podman: record, unit and links; nothing is done twice, and a change can be taken back', async () => {
    const spec = podman({ port: ['tcp 0.0.0.0 8080 80', 'tcp :: 8080 80'], volume: '/srv/container/web/data /data rw', env: ['A=x $HOME %n "q" \\ end'], arg: ['serve', '--all'], memory: '67108864', cpu: '150', tasks: '99' });
    expect(await put('web', spec)).toEqual({ changed: true });
    const unit = read(`${units}/reeve-container-web.service`);
    expect(unit).toMatch(/^# Managed by Reeve, sha256 [0-9a-f]{64}: /);
    expect(unit).toContain('"--publish=0.0.0.0:8080:80/tcp"');
    expect(unit).toContain('"--publish=[::]:8080:80/tcp"');
    expect(unit).toContain('"--uidmap=0:1879048192:65536"');
    expect(unit).toContain('"--env=A=x $$HOME %%n \\"q\\" \\\\ end"');
    expect(unit).toMatch(/MemoryMax=67108864\nCPUQuota=150%\nTasksMax=99\n/);
    expect(unit).not.toMatch(/privileged/);
    // What is not kept yet is not started with the host: the name may be that of a container of others that is still being taken over.
    expect(existsSync(at(`${units}/multi-user.target.wants/reeve-container-web.service`))).toBe(false);
    expect([statSync(at('/srv/container/web/data')).mode & 0o777, statSync(at('/srv/container/web/data')).uid, statSync(at('/srv/container/web')).uid]).toEqual([0o750, 0x70000000, 0]);
    expect((await seen('web'))?.pending).toBe(true);
    await settle('web', true);
    expect(readlinkSync(at(`${units}/multi-user.target.wants/reeve-container-web.service`))).toBe(`${units}/reeve-container-web.service`);
    expect((await seen('web'))?.pending).toBe(false);
    expect(await put('web', spec)).toEqual({ changed: false });
    const before = everything();
    await put('web', podman({ state: 'stopped', boot: 'no' }));
    expect(readdirSync(at(`${units}/multi-user.target.wants`))).not.toContain('reeve-container-web.service');
    await settle('web', false);
    expect(everything()).toBe(before);
    await put('new', podman());
    await settle('new', false);
    await settle('new', false);
    expect(existsSync(at(`${units}/reeve-container-new.service`))).toBe(false);
    expect(await seen('new')).toBeUndefined();
  });

  test('that sleep: a socket and a proxy for each port, which nothing else is named like', async () => {
    const spec = podman({ port: ['tcp 0.0.0.0 80 8080', 'tcp :: 80 8080', 'tcp 127.0.0.1 1443 8443'], idle: '300' });
    await put('web', spec);
    await settle('web', true);
    await put('web-80', podman());
    expect(readdirSync(at(units)).filter((name) => name.startsWith('reeve-container-')).sort()).toEqual(['reeve-container-web-80.service', 'reeve-container-web.1443.service', 'reeve-container-web.1443.socket', 'reeve-container-web.80.service', 'reeve-container-web.80.socket', 'reeve-container-web.service']);
    expect(read(`${units}/reeve-container-web.80.socket`)).toContain('ListenStream=0.0.0.0:80\nListenStream=[::]:80\n');
    expect(read(`${units}/reeve-container-web.80.service`)).toContain('wait 127.82.0.0 7500 60\nExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=300s --connections-max=4096 127.82.0.0:7500\n');
    expect(read(`${units}/reeve-container-web.service`)).toContain('"--publish=127.82.0.0:7501:8443/tcp"');
    expect(read(`${units}/reeve-container-web.service`)).toContain('StopWhenUnneeded=yes');
    expect(readdirSync(at(`${units}/sockets.target.wants`)).filter((name) => name.startsWith('reeve-container-'))).toHaveLength(2);
    expect(await seen('web')).toMatchObject({ state: 'stopped', reason: 'nothing listens on port 1443, which would wake it', boot: true });
    await put('web', podman());
    expect(readdirSync(at(units)).filter((name) => name.startsWith('reeve-container-')).sort()).toEqual(['reeve-container-web-80.service', 'reeve-container-web.service']);
    expect(readdirSync(at(`${units}/sockets.target.wants`)).filter((name) => name.startsWith('reeve-container-'))).toEqual([]);
  });

  test('of lxc: config and unit; its own addresses, and what was not built is missing', async () => {
    await put('sys', lxc({ address: '10.0.3.50/24', gateway: '10.0.3.1', stop: '30' }));
    const config = read('/var/lib/lxc/sys/config');
    expect(config).toContain('lxc.net.0.ipv4.address = 10.0.3.50/24\nlxc.net.0.ipv4.gateway = 10.0.3.1\n');
    expect(config).toContain('lxc.idmap = u 0 1879048192 65536\n');
    expect(config).not.toMatch(/lxc\.mount\.entry|lxc\.hook/);
    expect(read(`${units}/reeve-container-sys.service`)).toContain('ExecStart=/usr/bin/lxc-start -F --name=sys --lxcpath=/var/lib/lxc\nExecStop=/usr/bin/lxc-stop --name=sys --lxcpath=/var/lib/lxc --timeout=30\n');
    expect(await seen('sys')).toMatchObject({ state: 'missing', reason: '/var/lib/lxc/sys/rootfs is not there', address: '10.0.3.50/24' });
    mkdirSync(at('/var/lib/lxc/sys/rootfs'));
    await settle('sys', true);
    expect(await seen('sys')).toMatchObject({ state: 'stopped', boot: true });
    await failsWith(put('two', lxc({ address: '10.0.3.50/16' })), 'CONTAINER_ADDRESS', { value: '10.0.3.50/16', rule: 'container "sys" has it' });
    await failsWith(put('sys', lxc({ archive: 'cd'.repeat(32), address: '10.0.3.50/24' })), 'CONTAINER_FIXED', { field: 'archive' });
    await failsWith(put('sys', podman()), 'CONTAINER_FIXED', { field: 'engine' });
    await failsWith(put('two', lxc({ bridge: 'lxcbr9' })), 'POLICY_DENIED', { line: 'allow container.bridge bridge=lxcbr9' });
    privd.writePolicy(`${containerPolicy}allow container.bridge bridge=br9\n`);
    await failsWith(put('two', lxc({ bridge: 'br9' })), 'CONTAINER_PLACE', { value: 'br9' });
  });

  test('on Proxmox VE: only those of pct, and none twice', async () => {
    mkdirSync(at('/etc/pve/lxc'), { recursive: true });
    writeFileSync(at('/usr/sbin/pct'), '#!/bin/false\n', { mode: 0o755 });
    const pct = (id: string): Buffer => specText({ engine: 'pct', id, state: 'running', boot: 'no', template: 'local:vztmpl/debian-12.tar.zst', storage: 'local-lvm', bridge: 'lxcbr0', memory: '536870912' });
    try {
      await failsWith(put('sys', lxc()), 'CONTAINER_ENGINE', { rule: 'on a Proxmox VE host the containers of lxc are those of pct' });
      await put('sys', pct('101'));
      expect(existsSync(at(`${units}/reeve-container-sys.service`))).toBe(false);
      await failsWith(put('two', pct('101')), 'FIELD_INVALID', { field: 'id' });
      writeFileSync(at('/etc/pve/lxc/101.conf'), 'hostname: sys\n');
      writeFileSync(at('/etc/pve/lxc/102.conf'), 'hostname: mail\nnet0: name=eth0,bridge=vmbr0,ip=10.0.0.7/24,gw=10.0.0.1\nonboot: 1\n[snap]\nhostname: other\n');
      const { container, pct: isProxmox } = await privd.call('observe.container', { scope: 'all' });
      expect(isProxmox).toBe(true);
      expect(container.map(({ name, managed, id, state: does }) => [name, managed, id, does])).toEqual([['sys', true, 101, 'stopped'], ['mail', false, 102, 'stopped']]);
      expect(container[1]).toMatchObject({ address: '10.0.0.7/24', bridge: 'vmbr0', boot: true, engine: 'pct' });
      await failsWith(put('mail', pct('103')), 'CONTAINER_FOREIGN', { value: 'mail' });
      await failsWith(put('fresh', pct('102')), 'CONTAINER_FOREIGN', { value: 'fresh' });
    } finally {
      rmSync(at('/usr/sbin/pct'));
    }
    await failsWith(put('three', pct('104')), 'CONTAINER_ENGINE');
  });

  test('secrets: for root of the container only, never in the log, and gone when nothing names them', async () => {
    const value = Buffer.from('hunter2hunter2');
    const [first, second] = [version(), version()];
    await failsWith(put('web', podman({ secret: `db ${first}` })), 'FIELD_INVALID', { field: 'secret' });
    await privd.call('container.secret', { name: 'web', secret: 'db', version: first, value });
    await put('web', podman({ secret: `db ${first}` }));
    await settle('web', true);
    const file = `${folder('web')}/secret/db.${first}`;
    expect([lstatSync(file).mode & 0o777, lstatSync(file).uid, readFileSync(file, 'utf8')]).toEqual([0o400, 0x70000000, 'hunter2hunter2']);
    expect(read(`${units}/reeve-container-web.service`)).toContain(`"--volume=${state}/container/web/secret/db.${first}:/run/secrets/db:ro"`);
    await privd.call('container.secret', { name: 'web', secret: 'db', version: second, value });
    await put('web', podman({ secret: `db ${second}` }));
    expect(existsSync(file)).toBe(true);
    await settle('web', true);
    expect(existsSync(file)).toBe(false);
    // Of one that was refused afterwards: for a day, then the next one takes it along.
    const never = `${folder('never')}/secret/db.${first}`;
    await privd.call('container.secret', { name: 'never', secret: 'db', version: first, value });
    await privd.call('container.secret', { name: 'web', secret: 'other', version: first, value });
    expect(existsSync(never)).toBe(true);
    const old = Date.now() / 1000 - 86_401;
    utimesSync(never, old, old);
    await privd.call('container.secret', { name: 'web', secret: 'other', version: first, value });
    expect([existsSync(never), existsSync(`${folder('web')}/secret/db.${second}`)]).toEqual([false, true]);
    const log = read(`${state}/audit/audit.log`);
    expect(log).toContain('value=14');
    expect(log).not.toContain(createHash('sha256').update(value).digest('hex'));
    expect(log).not.toContain('hunter2');
    for (const bad of [{ secret: '../x' }, { secret: 'A' }, { version: 'x' }, { value: Buffer.alloc(0) }, { value: Buffer.alloc(32_769) }]) {
      await failsWith(privd.call('container.secret', { name: 'web', secret: 'db', version: second, value, ...bad }), 'FIELD_INVALID');
    }
  });

  test('folders of volumes are removed only where the policy still gives them', async () => {
    privd.writePolicy(`${containerPolicy}allow container.remove volumes=yes\nallow container.volume folder=/srv/old\n`);
    await put('web', podman({ volume: '/srv/old /data rw' }));
    const remove = (): Promise<{ ticket: string }> => privd.call('container.remove', { name: 'web', volumes: true });
    expect(ticket((await remove()).ticket)).toMatchObject({ work: 'remove', volumes: '1' });
    privd.inside('chown', '0', '/srv/old');
    privd.writePolicy(`${containerPolicy}allow container.remove volumes=yes\nallow container.volume folder=/srv/old,/srv/old/*\n`);
    await put('two', podman({ volume: '/srv/old/below /data rw' }));
    await failsWith(remove(), 'CONTAINER_PLACE', { value: '/srv/old', rule: 'container "two" keeps files there, too' });
    await settle('two', false);
    privd.writePolicy(`${containerPolicy}allow container.remove volumes=yes\n`);
    await failsWith(remove(), 'POLICY_DENIED', { line: 'allow container.volume folder=/srv/old' });
  });

  test('the engine is asked of the policy too, and a denied name is denied', async () => {
    await failsWith(put('zz-a', podman()), 'POLICY_DENIED');
    privd.writePolicy('version 1\nallow container.write engine=lxc\nallow container.image\n');
    await failsWith(put('web', podman()), 'POLICY_DENIED', { line: 'allow container.write name=web engine=podman' });
  });

  test('ports: not those of Reeve or sshd, nor one that another container has', async () => {
    for (const port of ['7420', '7421', '7422', '7423', '7424']) await failsWith(put('web', podman({ port: `tcp 0.0.0.0 ${port} 80` })), 'CONTAINER_PORT', { value: port });
    await put('web', podman({ port: 'tcp 127.0.0.1 8080 80' }));
    await failsWith(put('two', podman({ port: 'tcp 0.0.0.0 8080 80' })), 'CONTAINER_PORT', { value: '8080', rule: 'container "web" has it' });
    for (const port of ['tcp 127.0.0.2 8080 80', 'udp 0.0.0.0 8080 80', 'tcp :: 8080 80']) {
      await put('two', podman({ port }));
      await settle('two', false);
    }
  });

  test('tickets for what takes long', async () => {
    await put('web', podman({ stop: '33' }));
    await put('sys', lxc());
    const of = async (answer: Promise<{ ticket: string }>): Promise<Record<string, string>> => ticket((await answer).ticket);
    expect(await of(privd.call('container.build', { name: 'sys' }))).toMatchObject({ work: 'build', name: 'sys' });
    expect(await of(privd.call('container.control', { name: 'web', action: 'stop' }))).toMatchObject({ work: 'stop', name: 'web', seconds: '33' });
    expect(await of(privd.call('container.remove', { name: 'web', volumes: false }))).toMatchObject({ work: 'remove', name: 'web', volumes: '0' });
    expect(await of(privd.call('container.remove', { name: 'nobody', volumes: false }))).toMatchObject({ work: 'remove', name: 'nobody' });
    await failsWith(privd.call('container.remove', { name: 'web', volumes: true }), 'POLICY_DENIED', { line: 'allow container.remove name=web volumes=yes' });
    for (const [action, work] of [['create', 'snapshot'], ['restore', 'rollback'], ['remove', 'drop']] as const) {
      expect(await of(privd.call('container.snapshot', { name: 'sys', action, snapshot: 'one' }))).toMatchObject({ work, name: 'sys', snapshot: 'one' });
    }
    await failsWith(privd.call('container.snapshot', { name: 'web', action: 'create', snapshot: 'one' }), 'CONTAINER_ENGINE');
    await failsWith(privd.call('container.snapshot', { name: 'sys', action: 'create', snapshot: '../x' }), 'FIELD_INVALID', { field: 'snapshot' });
    expect(await of(privd.call('container.look', { what: 'images' }))).toMatchObject({ work: 'images' });
    await failsWith(privd.call('container.look', { what: 'inspect', name: 'x' }), 'FIELD_MISSING', { field: 'engine' });
    expect(await of(privd.call('container.pull', { image: 'docker.io/library/nginx:1.27' }))).toMatchObject({ work: 'pull', image: 'docker.io/library/nginx:1.27' });
    expect(await of(privd.call('container.pull', { image: `localhost:5000/web@sha256:${sum}` }).catch(() => privd.call('container.pull', { image: 'localhost/web:1' })))).toMatchObject({ work: 'pull' });
    await failsWith(privd.call('container.pull', { image: 'ghcr.io/x/y:1' }), 'POLICY_DENIED', { line: 'allow container.image image=ghcr.io/x/y' });
    for (const image of ['nginx', 'nginx:1', 'docker.io/library/nginx', 'docker-archive:/etc/shadow', 'dir:/etc', '-x/y:1', 'docker.io/library/../x:1', 'docker.io/x:1 y']) await failsWith(privd.call('container.pull', { image }), 'FIELD_INVALID', { field: 'image' });
    expect(await of(privd.call('container.import', { kind: 'rootfs', image: 'localhost/web:1' }))).toMatchObject({ work: 'import', kind: 'rootfs', image: 'localhost/web:1' });
    await failsWith(privd.call('container.import', { kind: 'rootfs', image: 'docker.io/library/web:1' }), 'FIELD_INVALID', { field: 'image' });
    await failsWith(privd.call('container.import', { kind: 'archive', image: 'localhost/web:1' }), 'FIELD_INVALID', { field: 'image' });
    expect(await of(privd.call('container.prune', { plan: true }))).toMatchObject({ work: 'prune', plan: '1' });
    expect(await of(privd.call('container.log', { name: 'web', lines: 100, follow: true }))).toMatchObject({ work: 'log', lines: '100', follow: '1' });
    await failsWith(privd.call('container.log', { name: 'nobody', lines: 1, follow: false }), 'CONTAINER_UNKNOWN', { value: 'nobody' });
    expect(readdirSync(at(`${state}/job`))).toEqual([]);
  });

  test('those of others are told, never touched, and taken over only by their own verb', async () => {
    mkdirSync(at('/var/lib/lxc/old'));
    writeFileSync(at('/var/lib/lxc/old/config'), 'lxc.net.0.link = lxcbr0\nlxc.net.0.ipv4.address = 10.0.3.9/24\nlxc.start.auto = 1\nlxc.idmap = u 0 100000 65536\n');
    mkdirSync(at('/var/lib/containers/storage/overlay-containers'), { recursive: true });
    writeFileSync(at('/var/lib/containers/storage/overlay-containers/containers.json'), JSON.stringify([{ id: sum, names: ['db'], image: 'x', metadata: JSON.stringify({ 'image-name': 'docker.io/library/redis:7', name: 'db' }) }]));
    writeFileSync(at(`${units}/reeve-container-hand.service`), '[Service]\nExecStart=/bin/true\n');
    const before = everything();
    const { container } = await privd.call('observe.container', { scope: 'all' });
    expect(container.map(({ name, engine, managed, image, address, boot }) => [name, engine, managed, image, address, boot])).toEqual([['db', 'podman', false, 'docker.io/library/redis:7', '', false], ['old', 'lxc', false, '', '10.0.3.9/24', true]]);
    await failsWith(put('old', lxc()), 'CONTAINER_FOREIGN', { value: 'old' });
    await failsWith(put('db', podman()), 'CONTAINER_FOREIGN', { value: 'db' });
    await failsWith(put('hand', podman()), 'CONTAINER_FOREIGN', { value: 'hand' });
    await failsWith(privd.call('container.control', { name: 'old', action: 'stop' }), 'CONTAINER_FOREIGN', { value: 'old' });
    await failsWith(privd.call('container.remove', { name: 'db', volumes: false }), 'CONTAINER_FOREIGN', { value: 'db' });
    await settle('old', false);
    await privd.call('container.release', { name: 'old' });
    expect(everything()).toBe(before);
    const adopted = specText({ engine: 'lxc', state: 'running', boot: 'yes', adopted: 'yes', bridge: 'lxcbr0', address: '10.0.3.9/24' });
    await failsWith(put('old', adopted), 'FIELD_INVALID', { field: 'adopted' });
    await failsWith(privd.call('container.adopt', { name: 'old', spec: lxc() }), 'FIELD_INVALID', { field: 'adopted' });
    mkdirSync(at('/var/lib/lxc/nobody'));
    await failsWith(privd.call('container.adopt', { name: 'nobody', spec: specText({ engine: 'lxc', state: 'running', boot: 'yes', adopted: 'yes', ids: 'host' }) }), 'POLICY_DENIED', { line: 'allow container.host-ids name=nobody' });
    await failsWith(privd.call('container.adopt', { name: 'nobody', spec: podman() }), 'CONTAINER_UNKNOWN');
    const config = read('/var/lib/lxc/old/config');
    expect(ticket((await privd.call('container.adopt', { name: 'old', spec: adopted })).ticket)).toMatchObject({ work: 'adopt', name: 'old' });
    expect(read('/var/lib/lxc/old/config')).toBe(config);
    expect(read(`${units}/reeve-container-old.service`)).toContain('-s lxc.cgroup.relative=1');
    expect(await seen('old')).toMatchObject({ adopted: true, managed: true, state: 'stopped', pending: true });
    await settle('old', false);
    expect([existsSync(at(`${units}/reeve-container-old.service`)), read('/var/lib/lxc/old/config')]).toEqual([false, config]);
    writeFileSync(at('/var/lib/lxc/old/config'), 'lxc.net.0.link = lxcbr0\n');
    await failsWith(privd.call('container.adopt', { name: 'old', spec: adopted }), 'POLICY_DENIED', { line: 'allow container.host-ids name=old' });
  });

  test('what was altered by hand is told, and what is gone', async () => {
    await put('web', podman());
    await settle('web', true);
    expect(await seen('web')).toMatchObject({ edited: '', state: 'stopped' });
    const unit = `${units}/reeve-container-web.service`;
    const text = read(unit);
    writeFileSync(at(unit), `${text}# mine\n`);
    expect(await seen('web')).toMatchObject({ edited: unit });
    expect(await put('web', podman())).toEqual({ changed: true });
    expect([read(unit), (await seen('web'))?.edited]).toEqual([text, '']);
    mkdirSync(at(`${unit}.d`));
    expect(await seen('web')).toMatchObject({ edited: `${unit}.d` });
    rmSync(at(`${unit}.d`), { recursive: true });
    rmSync(at(unit));
    expect(await seen('web')).toMatchObject({ edited: '', state: 'missing', reason: `${unit} is not there` });
    await put('web', podman());
    const record = `${folder('web')}/spec`;
    const spec = readFileSync(record, 'utf8');
    writeFileSync(record, spec.replace('boot=yes', 'boot=no'));
    expect(await seen('web')).toMatchObject({ edited: `${state}/container/web/spec` });
    writeFileSync(record, 'nonsense');
    expect(await seen('web')).toMatchObject({ edited: `${state}/container/web/spec`, state: 'missing' });
    await failsWith(privd.call('container.control', { name: 'web', action: 'start' }), 'CONTAINER_DRIFT');
    await put('web', podman());
    await settle('web', true);
    expect(await seen('web')).toMatchObject({ edited: '', state: 'stopped' });
    rmSync(at(`${units}/multi-user.target.wants/reeve-container-web.service`));
    expect(await seen('web')).toMatchObject({ boot: false });
  });

  test('of one that runs: figures of its control group', async () => {
    await put('web', podman());
    const group = at('/sys/fs/cgroup/system.slice/reeve-container-web.service');
    mkdirSync(group, { recursive: true });
    const child = privd.spawnAs(0, 'sleep', '600');
    try {
      await expect.poll(() => privd.inside('pgrep', '-x', 'sleep').trim().split('\n').length).toBeGreaterThan(1);
      const pid = privd.inside('pgrep', '-nx', 'sleep').trim();
      writeFileSync(`${group}/cgroup.procs`, `${pid}\n`);
      writeFileSync(`${group}/cpu.stat`, 'usage_usec 12345\nuser_usec 1\n');
      expect(await seen('web')).toMatchObject({ pid: Number(pid), cpuUs: 12345, memoryCounted: false, tasks: 1 });
      expect(Number((await seen('web'))?.memory)).toBeGreaterThan(4096);
      expect(Math.abs(Number((await seen('web'))?.sinceMs) - Date.now())).toBeLessThan(60_000);
      writeFileSync(`${group}/memory.current`, '7340032\n');
      writeFileSync(`${group}/memory.max`, 'max\n');
      writeFileSync(`${group}/pids.current`, '4\n');
      expect(await seen('web')).toMatchObject({ memory: 7340032, memoryCounted: true, memoryMax: 0, tasks: 4 });
    } finally {
      child.kill('SIGKILL');
      rmSync(at('/sys/fs/cgroup/system.slice'), { recursive: true });
    }
  });

  test('that are let go stay as plain units, and their ids stay theirs', async () => {
    const one = version();
    mkdirSync(at('/usr/lib/reeve-agent'), { recursive: true });
    await privd.call('container.secret', { name: 'web', secret: 'db', version: one, value: Buffer.from('x') });
    await put('web', podman({ secret: `db ${one}` }));
    await failsWith(privd.call('container.release', { name: 'web' }), 'CONTAINER_FAILED');
    await settle('web', true);
    await privd.call('container.release', { name: 'web' });
    await privd.call('container.release', { name: 'web' });
    const unit = read(`${units}/reeve-container-web.service`);
    expect(unit).toMatch(/^# Left by Reeve: plain configuration, yours to edit\.\n\[Unit\]/);
    expect(unit).toContain('"--volume=/var/lib/reeve-left/web/db:/run/secrets/db:ro"');
    expect(unit).not.toContain('reeve-privd');
    expect([read('/var/lib/reeve-left/web/db'), statSync(at('/var/lib/reeve-left/web/db')).uid]).toEqual(['x', 0x70000000]);
    expect(lstatSync(at(`${units}/multi-user.target.wants/reeve-container-web.service`)).isSymbolicLink()).toBe(true);
    expect(await seen('web')).toBeUndefined();
    await failsWith(put('web', podman()), 'CONTAINER_FOREIGN');
    await put('two', podman());
    expect(read(`${units}/reeve-container-two.service`)).toContain('"--uidmap=0:1879113728:65536"');
  });

  test('a repeat of an operation that the host does not know is harmless', async () => {
    const operation = randomUUID();
    for (const _ of [1, 2]) await privd.call('container.put', { name: 'web', spec: podman() }, operation);
    expect(Buffer.from((await seen('web'))?.spec ?? []).toString()).toBe(podman().toString());
  });
});

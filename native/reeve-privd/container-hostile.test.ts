/** What is refused of containers, whoever asks: texts and names of another form, folders and sockets that lead elsewhere, and what the policy does not say. Nothing is written then. */
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cleanHost, containerPolicy, everythingOf, lxc, podman, startContainerHost, sum, units } from './testing/container.js';
import { failsWith, isRoot, type Privd } from './testing/namespace.js';

describe.skipIf(!isRoot)('containers that are refused', () => {
  let privd: Privd;
  const at = (path: string): string => `${privd.root}${path}`;
  const read = (path: string): string => readFileSync(at(path), 'utf8');
  const put = (name: string, spec: Buffer): Promise<{ changed: boolean }> => privd.call('container.put', { name, spec });
  const everything = (): string => everythingOf(privd);

  beforeAll(async () => { privd = await startContainerHost(); }, 120_000);
  afterAll(() => privd.close(), 60_000);
  beforeEach(() => {
    privd.writePolicy(containerPolicy);
    cleanHost(privd);
  });

  test.each([
    ['no text', Buffer.from('')], ['another version', Buffer.from('container 2\nengine=podman\n')], ['not ended', podman().subarray(0, -1)], ['a NUL', Buffer.concat([podman(), Buffer.from('\0')])],
    ['too long', podman({ env: Array.from({ length: 17 }, (_, n) => `A${String(n).padStart(2, '0')}=${'x'.repeat(4000)}`) })],
    ['an unknown key', Buffer.from(`${podman().toString()}privileged=yes\n`)], ['a wrong order', Buffer.from(`container 1\nstate=running\nengine=podman\n`)],
    ['a second image', Buffer.from(podman().toString().replace(/image=.*\n/, (line) => line + line))], ['no image', podman({ image: undefined })], ['no state', podman({ state: undefined })], ['no boot', podman({ boot: undefined })],
    ['a tag', podman({ image: 'localhost/web:1' })], ['no registry', podman({ image: `web@sha256:${sum}` })], ['a transport', podman({ image: `oci:localhost/web@sha256:${sum}` })], ['an option', podman({ image: `--privileged@sha256:${sum}` })],
    ['a short digest', podman({ image: 'localhost/web@sha256:abc' })], ['boot of one that is stopped', podman({ state: 'stopped' })],
    ...['LD_PRELOAD=x', 'PATH=/x', 'PYTHONPATH=x', 'PERL5LIB=x', 'a=b', 'A', '1A=b', 'IFS=x', 'BASH_ENV=x', 'NODE_OPTIONS=x'].map((env): [string, Buffer] => [`variable ${env}`, podman({ env })]),
    ['variables that are not sorted', podman({ env: ['B=1', 'A=1'] })], ['a variable twice', podman({ env: ['A=1', 'A=2'] })], ['a long value', podman({ env: `A=${'x'.repeat(4097)}` })], ['a control character', podman({ env: 'A=\u001b[31m' })],
    ['a turned text', podman({ arg: '\u202ex' })], ['a long word', podman({ arg: 'x'.repeat(1025) })], ['many words', podman({ arg: Array.from({ length: 65 }, () => 'x') })],
    ...['tcp 0.0.0.0 0 80', 'tcp 0.0.0.0 65536 80', 'tcp 0.0.0.0 080 80', 'sctp 0.0.0.0 80 80', 'tcp 127.1 80 80', 'tcp 010.0.0.1 80 80', 'tcp ::ffff:1.2.3.4 80 80', 'tcp [::] 80 80', 'tcp 0:0::0 80 80', 'tcp 0.0.0.0 80', 'tcp 0.0.0.0 80 80 x', 'tcp  0.0.0.0 80 80'].map((port): [string, Buffer] => [`port ${port}`, podman({ port })]),
    ['a port beside one of all addresses', podman({ port: ['tcp 0.0.0.0 8080 80', 'tcp 127.0.0.1 8080 80'] })],
    ...['/srv/container/a /proc rw', '/srv/container/a / rw', '/srv/container/a /run/secrets/x rw', '/srv/container/a /dev/x rw', '/srv/container/a /data z', '/srv/container/a /data rw,exec', '/srv/container/a data rw'].map((volume): [string, Buffer] => [`volume ${volume}`, podman({ volume })]),
    ...['/dev/../etc', '/etc/passwd', '/dev/', '/dev/a:rwm'].map((device): [string, Buffer] => [`device ${device}`, podman({ device })]),
    ['a network', podman({ network: 'container:x' })], ['a default', podman({ network: 'bridge' })], ['another default', podman({ stop: '10' })], ['ids', podman({ ids: 'keep' })], ['a lxc key', podman({ bridge: 'lxcbr0' })], ['swap alone', podman({ swap: '1' })],
    ['sleep without ports', podman({ idle: '10' })], ['sleep with udp', podman({ idle: '10', port: 'udp 0.0.0.0 8080 80' })], ['restart', podman({ restart: 'always' })], ['health of another port', podman({ health: 'tcp 80' })], ['words of no command', podman({ 'health-arg': 'x' })],
    ['a bridge that is none', lxc({ bridge: 'lo' })], ['a bridge option', lxc({ bridge: '-x' })], ['ports of lxc', lxc({ port: 'tcp 0.0.0.0 8080 80' })], ['an address without bridge', lxc({ bridge: undefined })], ['a bad address', lxc({ address: '10.0.3.5' })],
    ['a gateway elsewhere', lxc({ address: '10.0.3.5/24', gateway: '10.0.4.1' })], ['its own gateway', lxc({ address: '10.0.3.5/24', gateway: '10.0.3.5' })], ['an archive', lxc({ archive: '../x' })], ['a key with options', lxc({ key: 'command="x" ssh-ed25519 AAAA' })],
  ])('a spec with %s is refused, and nothing is written', async (_, spec) => {
    const before = everything();
    await expect(put('web', spec)).rejects.toMatchObject({ code: expect.stringMatching(/^(?:FIELD_INVALID|FIELD_MISSING|LIMIT_EXCEEDED)$/) });
    expect(everything()).toBe(before);
  });

  test.each(['', '-x', 'A', 'a_b', 'a.b', 'a/b', '..', 'host', 'none', '123', 'x'.repeat(64), 'ä', 'a b', 'a\nb', 'a%n'])('name %j is refused by every verb', async (name) => {
    const before = everything();
    await failsWith(put(name, podman()), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.settle', { name, keep: true }), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.control', { name, action: 'start' }), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.remove', { name, volumes: true }), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.log', { name, lines: 1, follow: false }), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.look', { what: 'inspect', name, engine: 'lxc' }), 'FIELD_INVALID', { field: 'name' });
    await failsWith(privd.call('container.release', { name }), 'FIELD_INVALID', { field: 'name' });
    expect(everything()).toBe(before);
  });

  test('folders of volumes: never reached by a link, nor where others could put one', async () => {
    const volume = (path: string): Promise<unknown> => put('web', podman({ volume: `${path} /data rw` }));
    mkdirSync(at('/srv/container/deep'), { recursive: true });
    symlinkSync('/etc', at('/srv/container/link'));
    mkdirSync(at('/srv/container/open'), { mode: 0o777 });
    privd.inside('chmod', '1777', '/srv/container/open');
    mkdirSync(at('/srv/container/theirs'));
    privd.inside('chown', '1000', '/srv/container/theirs');
    writeFileSync(at('/srv/container/file'), '');
    const before = everything();
    for (const path of ['/srv/container/link', '/srv/container/link/ssh', '/srv/container/open/x', '/srv/container/theirs/x', '/srv/container/file', '/srv/container/file/x']) await failsWith(volume(path), 'CONTAINER_PLACE', { value: path });
    privd.writePolicy(`${containerPolicy}allow container.volume folder=*\nallow container.socket name=web path=/run/reeve/priv.sock\n`);
    for (const path of ['/etc', '/etc/x', '/proc/1', '/sys', '/dev/shm', '/run/x', '/root', '/boot/x', '/usr/x', '/bin', '/var', '/var/lib/x', '/var/log', '/tmp/x']) await failsWith(volume(path), 'CONTAINER_PLACE', { value: path });
    for (const path of ['/', 'srv', '/srv/../etc', '/srv/./x', '/srv//x', '/srv/x/', '/srv/x y', '/srv/x:y', '/srv/x,y']) await failsWith(volume(path), 'FIELD_INVALID', { field: 'volume' });
    expect(everything()).toBe(before);
    await volume('/srv/container/theirs');
    expect(statSync(at('/srv/container/theirs')).uid).toBe(1000);
  });

  test.each([
    ['image', { image: `docker.io/other/web@sha256:${sum}` }, 'allow container.image image=docker.io/other/web'],
    ['port', { port: 'tcp 0.0.0.0 443 443' }, 'allow container.port port=443 address=0.0.0.0'],
    ['volume', { volume: '/srv/other /data rw' }, 'allow container.volume folder=/srv/other'],
    ['device', { device: '/dev/fuse' }, 'allow container.device name=web path=/dev/fuse'],
    ['network', { network: 'host' }, 'allow container.host-network name=web'],
    ['ids', { ids: 'host' }, 'allow container.host-ids name=web'],
  ])('what the policy does not allow is not written: %s', async (_, more, line) => {
    const before = everything();
    await failsWith(put('web', podman(more)), 'POLICY_DENIED', { line });
    expect(everything()).toBe(before);
    privd.writePolicy(`${containerPolicy}${line}\n`);
    expect(await put('web', podman(more))).toEqual({ changed: true });
  });

  test('sockets of the host need a line of their own, by name and path, and lie where only root puts them', async () => {
    const make = (path: string): string => privd.inside('python3', '-c', 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', path);
    privd.inside('mkdir', '-p', '-m', '777', '/srv/theirs');
    for (const path of ['/srv/s.sock', '/srv/theirs/s.sock', '/run/reeve/x.sock']) make(path);
    const volume = (path: string): Promise<unknown> => put('web', podman({ volume: `${path} /s.sock rw` }));
    privd.writePolicy(`${containerPolicy}allow container.volume folder=*\n`);
    await failsWith(volume('/srv/s.sock'), 'POLICY_DENIED', { line: 'allow container.socket name=web path=/srv/s.sock' });
    privd.writePolicy(`${containerPolicy}allow container.socket name=web path=/srv/s.sock,/srv/theirs/s.sock,/run/reeve/x.sock\n`);
    await failsWith(volume('/srv/theirs/s.sock'), 'CONTAINER_PLACE', { value: '/srv/theirs/s.sock' });
    await failsWith(volume('/run/reeve/x.sock'), 'CONTAINER_PLACE', { value: '/run/reeve/x.sock' });
    await volume('/srv/s.sock');
    expect(read(`${units}/reeve-container-web.service`)).toContain('"--volume=/srv/s.sock:/s.sock:rw"');
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { makePublicKey } from '../../test/support/public-key.js';
import { progressText } from './container-progress.js';
import { answers } from './testing/answer.js';
import { shopSpec } from './testing/answer-container.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured, type RunOptions } from './testing/terminal.js';

const image = 'docker.io/library/nginx:1.27';

describe('reeve container', () => {
  let coordinator: CannedCoordinator;
  let folder: string;
  beforeAll(async () => {
    coordinator = await startCoordinator();
    folder = mkdtempSync(join(tmpdir(), 'reeve-container-'));
    const { type, blob } = makePublicKey();
    writeFileSync(join(folder, 'key.pub'), `${type} ${blob.toString('base64')} ada@desk\n`);
    writeFileSync(join(folder, 'env'), '# of the shop\nMODE=slow\r\n\nQUEUE=mail=1\n');
    writeFileSync(join(folder, 'bad'), 'MODE=slow\nPATH=/x\n');
    writeFileSync(join(folder, 'token'), Buffer.from([0, 255, 10]));
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'long'), Buffer.alloc(32_769));
    writeFileSync(join(folder, 'tar'), Buffer.alloc(150_000, 't'));
  });
  afterAll(async () => {
    await coordinator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options: RunOptions = {}) => runCaptured(coordinator.socket, ['container', ...line.map((word) => word.replace('FOLDER/', `${folder}/`))], options);
  const asked = () => coordinator.requests.map(({ request }) => request);
  const specOf = async (line: readonly string[], options: RunOptions = {}): Promise<unknown> => {
    const ran = await run(['add', 'web1', 'shop', ...(line.includes('--yes') || line.includes('--') ? [] : ['--yes']), ...line], options);
    expect([ran.err, ran.exit]).toEqual(['', 0]);
    return (asked().at(-1) as { spec: unknown }).spec;
  };

  it('add sends what was typed, and no more', async () => {
    expect(await specOf(['--image', image])).toMatchObject({
      engine: 'podman', running: true, boot: true, image, command: [], environment: [], secrets: [], ports: [], volumes: [], hostNetwork: false, hostIds: false, bridge: '', restart: '', health: null, idleSeconds: 0, limits: { memory: 0, cpu: 0, tasks: 0, disk: 0 },
    });
    expect((asked()[0] as { spec: object }).spec).not.toHaveProperty('stopSeconds');
    expect(asked()).toMatchObject([{ host: 'web1', name: 'shop', options: { mode: 'CHANGE_MODE_APPLY' }, secrets: [] }]);
  });

  it.each<[readonly string[], object]>([
    [['--yes', '--image', image, '--', 'sh', '-c', 'a b', '--yes', '--', '-f'], { command: ['sh', '-c', 'a b', '--yes', '--', '-f'] }],
    [['--image', image, '--env', 'MODE=a=b', '--env-file', 'FOLDER/env', '--env', 'EMPTY='], { environment: [{ name: 'MODE', value: 'a=b' }, { name: 'QUEUE', value: 'mail=1' }, { name: 'EMPTY', value: '' }] }],
    [['--image', image, '--publish', '8080:80', '--publish', '127.0.0.1:53:5353/udp', '--publish', '[::1]:443:8443/tcp'], { ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }, { protocol: 'udp', address: '127.0.0.1', port: 53, inside: 5353 }, { protocol: 'tcp', address: '::1', port: 443, inside: 8443 }] }],
    [['--image', image, '--volume', '/srv/a:/a', '--volume', '/srv/b:/b:ro', '--device', '/dev/fuse', '--network', 'host', '--ids', 'host'], { volumes: [{ folder: '/srv/a', target: '/a', readOnly: false }, { folder: '/srv/b', target: '/b', readOnly: true }], devices: ['/dev/fuse'], hostNetwork: true, hostIds: true }],
    [['--image', image, '--memory', '512M', '--swap', '0', '--cpu', '150%', '--tasks', '100', '--restart', 'no', '--stop-seconds', '2m', '--idle', '300'], { limits: { memory: 536_870_912, swap: 0, cpu: 150, tasks: 100 }, restart: 'no', stopSeconds: 120, idleSeconds: 300 }],
    [['--image', image, '--health-cmd', '/bin/check  --fast x'], { health: { command: ['/bin/check', '--fast', 'x'], startSeconds: 0 } }],
    [['--image', image, '--health-cmd', '/bin/check', '--health-cmd', 'a b', '--health-start', '90s'], { health: { command: ['/bin/check', 'a b'], startSeconds: 90 } }],
    [['--image', image, '--health-tcp', '8080'], { health: { tcpPort: 8080, httpPort: 0 } }],
    [['--image', image, '--health-http', '8080/healthz?x=1'], { health: { httpPort: 8080, httpPath: '/healthz?x=1' } }],
    [['--image', image, '--health-http', '8080'], { health: { httpPort: 8080, httpPath: '/' } }],
    [['--image', image, '--no-boot'], { running: true, boot: false }],
    [['--image', image, '--stopped'], { running: false, boot: false }],
    [['--archive', 'a'.repeat(64), '--address', '10.0.3.7/24', '--gateway', '10.0.3.1'], { engine: 'lxc', bridge: 'lxcbr0', archive: 'a'.repeat(64), address: '10.0.3.7/24', gateway: '10.0.3.1' }],
    [['--archive', 'a'.repeat(64), '--bridge', 'br0', '--ssh-key', 'FOLDER/key.pub'], { bridge: 'br0', sshKeys: [expect.stringMatching(/^ssh-ed25519 [A-Za-z0-9+/=]+$/)] }],
    [['--template', 'local:vztmpl/a.tar.zst', '--storage', 'local-lvm', '--id', '107', '--disk', '10G'], { engine: 'pct', bridge: 'vmbr0', id: 107, template: 'local:vztmpl/a.tar.zst', storage: 'local-lvm', limits: { disk: 10 } }],
    [['--engine', 'lxc', '--archive', 'a'.repeat(64)], { engine: 'lxc' }],
  ])('add %j', async (line, spec) => {
    expect(await specOf(line)).toMatchObject(spec);
  });

  it('add takes secrets as they are in their files or on standard input, and shows none', async () => {
    const ran = await run(['add', 'web1', 'shop', '--image', image, '--secret', 'token=FOLDER/token', '--secret', 'pass=-', '--yes'], { input: 'hunter2\n' });
    expect(ran.exit).toBe(0);
    expect(asked()).toMatchObject([{ spec: { secrets: [{ name: 'token', version: '' }, { name: 'pass' }] }, secrets: [{ name: 'token', value: Buffer.from([0, 255, 10]) }, { name: 'pass', value: Buffer.from('hunter2\n') }] }]);
    expect(ran.out + ran.err).not.toContain('hunter2');
  });

  it('set alters what is given, and takes back what is empty', async () => {
    const alter = async (line: readonly string[], options: RunOptions = {}): Promise<Record<string, unknown>> => {
      coordinator.requests.length = 0;
      const ran = await run(['set', 'web1', 'shop', '--yes', ...line], options);
      expect([ran.err, ran.exit]).toEqual(['', 0]);
      expect(asked()[0]).toMatchObject({ selector: 'web1', stored: true });
      return (asked()[1] as { spec: Record<string, unknown> }).spec;
    };
    const same = { engine: 'podman', running: true, boot: true, image: shopSpec.image, tag: '1.27', command: shopSpec.command, stopSeconds: 5, secrets: [{ name: 'token' }], health: { httpPort: 8080, startSeconds: 30 }, limits: { memory: 536_870_912, swap: 0, cpu: 150, tasks: 100 } };
    expect(await alter(['--overwrite'])).toMatchObject({ ...same, ports: shopSpec.ports, volumes: shopSpec.volumes, environment: [{ name: 'MODE' }] });
    expect(asked()[1]).toMatchObject({ overwrite: true, secrets: [] });
    expect(await alter(['--memory', '1G', '--cpu', ''])).toMatchObject({ ...same, limits: { memory: 1_073_741_824, swap: 0, cpu: 0, tasks: 100 } });
    expect((await alter(['--swap', '']))['limits']).not.toHaveProperty('swap');
    expect(await alter(['--publish', '', '--volume', '/srv/x:/x'])).toMatchObject({ ...same, ports: [], volumes: [{ folder: '/srv/x', target: '/x', readOnly: false }] });
    expect(await alter(['--env', 'NEW=1', '--env', 'MODE'])).toMatchObject({ ...same, environment: [{ name: 'NEW', value: '1' }] });
    expect(await alter(['--secret', 'token=', '--secret', 'pass=FOLDER/token'])).toMatchObject({ secrets: [{ name: 'pass' }] });
    expect(asked()[1]).toMatchObject({ secrets: [{ name: 'pass', value: Buffer.from([0, 255, 10]) }] });
    expect(await alter(['--no-boot', '--no-health', '--no-command', '--idle', '60'])).toMatchObject({ boot: false, health: null, command: [], idleSeconds: 60 });
    expect(await alter(['--health-start', '5'])).toMatchObject({ health: { httpPort: 8080, httpPath: '/', startSeconds: 5 } });
    expect(await alter(['--image', 'docker.io/library/nginx:1.28', '--', 'nginx'])).toMatchObject({ image: 'docker.io/library/nginx:1.28', command: ['nginx'] });
    expect(await run(['set', 'web1', 'nobody', '--memory', '1G', '--yes'])).toMatchObject({ exit: 2, err: expect.stringContaining('Host "web1" has no container "nobody"') as string });
  });

  it.each<[readonly string[], string]>([
    [['add', 'web1', 'shop', '--yes'], '--image, --archive or --template is missing'],
    [['add', 'web1', 'Shop', '--image', image, '--yes'], 'name "Shop" is not allowed'],
    [['add', 'web1', 'shop', '--image', 'nginx', '--yes'], '--image "nginx" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--publish', '80', '--yes'], '--publish "80" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--publish', '80:80/sctp', '--yes'], '--publish "80:80/sctp" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--volume', '/srv/../etc:/a', '--yes'], '--volume "/srv/../etc" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--volume', '/srv:/a:rx', '--yes'], '--volume "/srv:/a:rx" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--env', 'PATH=/x', '--yes'], '--env "PATH" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--env', 'MODE', '--yes'], '--env "MODE" is not allowed: NAME=VALUE'],
    [['add', 'web1', 'shop', '--image', image, '--env-file', 'FOLDER/bad', '--yes'], '--env-file, line 2 "PATH" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--env-file', '/nonexistent/x', '--yes'], '--env-file "/nonexistent/x" is not allowed: a file that can be read'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'token', '--yes'], '--secret "token" is not allowed: NAME=FILE'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'token=FOLDER/empty', '--yes'], 'value of secret "token" is missing'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'token=FOLDER/long', '--yes'], 'a file of at most 32768 bytes'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'token=-', '--yes'], 'standard input is missing'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'a=-', '--secret', 'b=-', '--yes'], 'standard input for one secret only'],
    [['add', 'web1', 'shop', '--image', image, '--secret', 'a=', '--yes'], '--secret "a=" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--memory', '1.5G', '--yes'], '--memory "1.5G" is not allowed'],
    [['add', 'web1', 'shop', '--template', 'a:vztmpl/b', '--disk', '10M', '--yes'], '--disk "10M" is not allowed: whole GiB'],
    [['add', 'web1', 'shop', '--image', image, '--cpu', '0', '--yes'], '--cpu "0" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--health-http', 'x/y', '--yes'], '--health-http "x/y" is not allowed'],
    [['add', 'web1', 'shop', '--image', image, '--health-start', '5', '--yes'], '--health-start "5" is not allowed: it goes with'],
    [['add', 'web1', 'shop', '--image', image, '--health-tcp', '1', '--health-http', '1/', '--yes'], 'it cannot stand with --health-tcp'],
    [['add', 'web1', 'shop', '--image', image, '--ssh-key', '/nonexistent/x', '--yes'], 'a file of public keys that can be read'],
    [['add', 'web1', 'shop', '--image', image], 'nobody can be asked here'],
    [['set', 'web1', 'shop', '--yes'], 'what is to be altered is missing'],
    [['set', 'web1', 'shop', '--boot', '--no-boot', '--yes'], 'it cannot stand with --boot'],
    [['logs', 'web1', 'shop', '-n', '0'], '--lines "0" is not allowed'],
    [['stats', '--every', '61'], '--every "61" is not allowed'],
    [['snapshot', 'create', 'web1', 'mail'], 'snapshot is missing'],
    [['snapshot', 'list', 'web1', 'mail', 'x'], 'snapshot "x" is not allowed: none with list'],
    [['snapshot', 'remove', 'web1', 'mail', 'x'], 'nobody can be asked here'],
    [['snapshot', 'restore', 'web1', 'mail', 'x'], 'nobody can be asked here'],
    [['image', 'pull', 'web1'], 'the image is missing'],
    [['image', 'pull', 'web1', 'nginx'], 'image "nginx" is not allowed'],
    [['image', 'import', 'web1'], 'the file is missing'],
    [['image', 'import', 'web1', '-'], 'standard input is missing'],
    [['image', 'import', 'web1', '/nonexistent/x'], 'a file that can be read'],
    [['image', 'import', 'web1', 'FOLDER/tar', '--kind', 'rootfs'], '--image is missing'],
    [['image', 'import', 'web1', 'FOLDER/tar', '--kind', 'archive', '--image', 'localhost/a:1'], '--image "localhost/a:1" is not allowed'],
    [['image', 'list', 'web1', '--plan'], '--plan "given" is not allowed: it does not go with list'],
    [['image', 'prune', 'web1'], 'nobody can be asked here'],
  ])('%j is refused here', async (line, message) => {
    const ran = await run(line);
    expect([ran.exit, asked().filter((request) => !('stored' in (request as object)))]).toEqual([2, []]);
    expect(ran.err).toContain(message);
  });

  it('what only looks or acts asks for what was named', async () => {
    for (const line of [['list', '--on', 'role=web'], ['list', '--stored'], ['show', 'web1', 'shop'], ['start', 'web1', 'shop', '--yes'], ['remove', 'web1', 'shop', '--volumes', '--yes'], ['logs', 'web1', 'shop', '-f', '-n', '7'], ['stats', '--once', '--every', '5', '--name', 'shop'], ['snapshot', 'restore', 'web1', 'mail', 'first', '--yes'], ['image', 'pull', 'web1', image]]) {
      expect([line, (await run(line)).exit]).toEqual([line, 0]);
    }
    expect(asked()).toMatchObject([
      { selector: 'role=web', stored: false }, { selector: '', stored: true }, { host: 'web1', name: 'shop' }, { host: 'web1', name: 'shop', options: { mode: 'CHANGE_MODE_APPLY' } }, { name: 'shop', volumes: true },
      { name: 'shop', lines: 7, follow: true }, { selector: '', name: 'shop', everySeconds: 5 }, { host: 'web1', name: 'mail', action: 'restore', snapshot: 'first' }, { host: 'web1', image },
    ]);
    expect((await runCaptured(coordinator.socket, ['completion', 'containers', 'web1'])).out).toBe('mail\nold\nnext\nshop\n');
    expect(asked().at(-1)).toMatchObject({ selector: 'web1', stored: true });
  });

  it('import streams a file or standard input, and says how far it is', async () => {
    const ran = await run(['image', 'import', 'web1', 'FOLDER/tar', '--image', 'localhost/own:1'], { progress: true, columns: 80 });
    expect(ran).toMatchObject({ exit: 0, out: `${'cd'.repeat(32)} (128.0 MiB)\n` });
    expect(ran.err).toContain('importing: 25%, 1.0 MiB of 4.0 MiB, 512.0 KiB/s, 6s left');
    const [first, ...parts] = asked() as { start?: object; data?: Buffer; end?: boolean }[];
    expect([first, parts.map(({ data, end }) => data?.length ?? end)]).toMatchObject([{ start: { host: 'web1', kind: 'rootfs', image: 'localhost/own:1' } }, [65_536, 65_536, 18_928, true]]);
    coordinator.requests.length = 0;
    const archive = await run(['image', 'import', 'web1', '-'], { input: 'x'.repeat(2500) });
    expect(archive.out).toContain(`To use it: reeve container add web1 NAME --archive ${'cd'.repeat(32)}\n`);
    expect((asked() as { start?: { kind: string }; data?: Buffer }[]).map(({ start, data }) => start?.kind ?? data?.length)).toEqual(['archive', 1000, 1000, 500, undefined]);
  });

  it('prune shows what goes before it asks', async () => {
    const ran = await run(['image', 'prune', 'web1'], { answer: 'y' });
    expect(ran).toMatchObject({ exit: 0, asked: ['Take them away? [y/N] '] });
    expect(ran.out).toMatch(/localhost\/tool.*\n1 taken away\.\n$/);
    expect(asked()).toMatchObject([{ mode: 'CHANGE_MODE_PLAN' }, { mode: 'CHANGE_MODE_APPLY' }]);
    expect(await run(['image', 'prune', 'web1'], { answer: 'n' })).toMatchObject({ exit: 1 });
    expect(asked().slice(2)).toMatchObject([{ mode: 'CHANGE_MODE_PLAN' }]);
    coordinator.answers = { ...answers, 'ContainerService.PruneImages': () => [{ finished: {} }] };
    expect(await run(['image', 'prune', 'web1'], { answer: 'y' })).toMatchObject({ exit: 0, out: 'Nothing to take away.\n', asked: [] });
  });

  it('stats are drawn in the same place where a person sits, and one after the other elsewhere', async () => {
    const drawn = await run(['stats'], { answer: '', columns: 60 });
    const [first = '', second = ''] = drawn.out.split('\u001b[3A\u001b[J');
    expect([first.split('\n').length, second.includes('web2'), drawn.out.split('\n').every((line) => line.length <= 70)]).toEqual([4, true, true]);
    const said = await run(['stats']);
    expect([said.out.match(/^HOST/gm)?.length, said.out.includes('\u001b')]).toEqual([2, false]);
    const lines = (await run(['stats', '--json'])).out.trimEnd().split('\n').map((line) => JSON.parse(line) as { uses: object[] });
    expect(lines.map(({ uses }) => uses.length)).toEqual([1, 2]);
  });

  it('whoever stops a watch or a log has seen enough', async () => {
    for (const [line, method, event] of [[['logs', 'web1', 'shop', '-f'], 'FollowContainerLog', { output: Buffer.from('one\ntwo') }], [['stats'], 'WatchContainers', { uses: [], problems: [] }]] as const) {
      const stop = new AbortController();
      coordinator.answers = {
        ...answers,
        async *[`ContainerService.${method}`]() {
          yield event;
          await new Promise((resolve) => setImmediate(resolve));
          stop.abort();
          throw reeveError('CANCELLED');
        },
      };
      expect(await run(line, { signal: stop.signal })).toMatchObject({ exit: 0, err: '' });
    }
  });

  it('a log that breaks off is a failure, after what was read', async () => {
    coordinator.answers = {
      ...answers,
      *'ContainerService.FollowContainerLog'() {
        yield { output: Buffer.from('one\ntwo') };
        throw reeveError('HOST_UNREACHABLE', { host: 'web1', reason: 'reset' });
      },
    };
    expect(await run(['logs', 'web1', 'shop'])).toMatchObject({ exit: 3, out: 'one\n', err: expect.stringContaining('reset') as string });
  });

  it('add says what is fetched before anything changes', async () => {
    const events = answers['ContainerService.AddContainer'] as (request: object) => object[];
    coordinator.answers = { ...answers, 'ContainerService.AddContainer': (request: never) => [{ progress: { hostName: 'web1', progress: { text: 'fetching', bytes: 1024, total: 4096 } } }, ...events(request)] };
    expect((await run(['add', 'web1', 'shop', '--image', image, '--yes'], { progress: true })).err).toContain('web1: fetching, 1.0 KiB of 4.0 KiB');
  });
});

describe('how far work is', () => {
  it.each([
    [{ text: 'copying', bytes: 0, total: 0 }, 0, 'copying'],
    [{ text: 'copying', bytes: 1024, total: 0 }, 0, 'copying: 1.0 KiB, 102 B/s'],
    [{ text: 'copying', bytes: 1024, total: 0 }, 4096, 'copying: 25%, 1.0 KiB of 4.0 KiB, 102 B/s, 30s left'],
    [{ text: 'c\u001b[2J', bytes: 5000, total: 4096 }, 0, 'c\\u{1b}[2J: 100%, 4.9 KiB of 4.0 KiB, 500 B/s'],
  ])('%j', (progress, total, text) => {
    expect(progressText(progress as never, { elapsedMs: 10_000, total })).toBe(text);
  });
});

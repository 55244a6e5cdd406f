import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContainerSpec as WireSpec, ContainerSpecInput } from '../gen/proto/reeve/type/v1/ContainerSpec.js';
import { messageCodec } from '../rpc/load.js';
import { formatContainerSpec, parseContainer, parseContainerSpec, type ContainerSpec } from './container.js';
import { parseContainerName, parseImage, parseLocalImage, splitImage } from './container-field.js';
import { formatContainerText, parseContainerText } from './container-text.js';

const codec = messageCodec<ContainerSpecInput, WireSpec>('reeve.type.v1.ContainerSpec');
const digest = 'a'.repeat(64);
const empty: WireSpec = {
  engine: '', id: 0, running: false, boot: false, adopted: false, image: '', tag: '', archive: '', template: '', storage: '', command: [], environment: [], secrets: [], ports: [], volumes: [], devices: [],
  hostNetwork: false, bridge: '', address: '', gateway: '', hostIds: false, sshKeys: [], restart: '', limits: null, health: null, idleSeconds: 0,
};
const podman: WireSpec = { ...empty, engine: 'podman', image: `localhost/web@sha256:${digest}`, running: true, boot: true };
const lxc: WireSpec = { ...empty, engine: 'lxc', archive: digest, bridge: 'lxcbr0', address: '10.0.3.7/24', gateway: '10.0.3.1', running: true, boot: true };
const pct: WireSpec = { ...empty, engine: 'pct', id: 101, template: 'local:vztmpl/debian-12-standard_12.2-1_amd64.tar.zst', storage: 'local-lvm', bridge: 'vmbr0' };
const limits = { memory: 0, cpu: 0, tasks: 0, disk: 0 };

const ruleOf = (change: Partial<WireSpec>, base: WireSpec = podman): string => {
  try {
    parseContainerSpec({ ...base, ...change });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a spec', () => {
  test('of each engine comes through wire and text', () => {
    for (const wire of [podman, lxc, pct]) {
      const spec = parseContainerSpec(wire);
      expect(parseContainerText(formatContainerText(spec))).toEqual(spec);
    }
  });

  test('has one text, with lists sorted and what is usual left out', () => {
    const spec = parseContainerSpec({
      ...podman,
      command: ['serve', '--all'],
      environment: [{ name: 'B', value: '' }, { name: 'A', value: 'x=y z' }],
      ports: [{ protocol: 'udp', address: '0.0.0.0', port: 53, inside: 53 }, { protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }],
      volumes: [{ folder: '/srv/container/web', target: '/data', readOnly: false }],
      health: { command: [], tcpPort: 0, httpPort: 8080, httpPath: '', startSeconds: 60 },
      limits: { ...limits, memory: 2 ** 28, swap: 0 },
      stopSeconds: 10,
    });
    expect(formatContainerText(spec)).toBe([
      'container 1', 'engine=podman', 'state=running', 'boot=yes', `image=localhost/web@sha256:${digest}`, 'arg=serve', 'arg=--all', 'env=A=x=y z', 'env=B=',
      'port=tcp 0.0.0.0 8080 80', 'port=udp 0.0.0.0 53 53', 'volume=/srv/container/web /data rw', 'memory=268435456', 'swap=0', 'health=http 8080 /', '',
    ].join('\n'));
  });

  test('comes through whatever is in it', () => {
    const word = fc.stringMatching(/^[ -~äß€]{0,40}$/);
    const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/).map((text) => `X${text}`);
    const arbitrary = fc.record({
      command: fc.array(word, { maxLength: 5 }),
      environment: fc.uniqueArray(fc.record({ name, value: fc.stringMatching(/^[ -~äß€]{0,40}$/) }), { selector: (row) => row.name, maxLength: 5 }),
      ports: fc.uniqueArray(fc.record({ protocol: fc.constantFrom('tcp', 'udp'), address: fc.constantFrom('0.0.0.0', '10.1.2.3', '2001:db8::1'), port: fc.integer({ min: 1, max: 65535 }), inside: fc.integer({ min: 1, max: 65535 }) }), { selector: (row) => `${row.protocol}${row.address}${String(row.port)}`, maxLength: 5 }),
      stopSeconds: fc.integer({ min: 0, max: 600 }),
      restart: fc.constantFrom('no', 'on-failure', 'always'),
      limits: fc.record({ memory: fc.integer({ min: 2 ** 22, max: 2 ** 40 }), swap: fc.integer({ min: 0, max: 2 ** 40 }), cpu: fc.integer({ min: 0, max: 1000 }), tasks: fc.integer({ min: 0, max: 1000 }), disk: fc.constant(0) }),
      health: fc.option(fc.record({ command: fc.tuple(fc.constant('/bin/check'), word, word), tcpPort: fc.constant(0), httpPort: fc.constant(0), httpPath: fc.constant(''), startSeconds: fc.integer({ min: 0, max: 900 }) })),
    });
    fc.assert(fc.property(arbitrary, (part) => {
      const spec: ContainerSpec = parseContainerSpec({ ...podman, ...part });
      expect(parseContainerText(formatContainerText(spec))).toEqual(spec);
      expect(parseContainerSpec(codec.decode(codec.encode(formatContainerSpec(spec))))).toEqual(spec);
    }));
  });

  test('has a gateway only that is another address of its network', () => {
    for (const [address, gateway] of [['10.0.3.7/24', '10.0.3.1'], ['10.0.3.7/9', '10.127.0.1'], ['fd00::7/61', 'fd00:0:0:7::1']] as const) expect(ruleOf({ address, gateway }, lxc), gateway).toBe('');
    for (const [address, gateway] of [['10.0.3.7/24', '10.0.3.7'], ['10.0.3.7/24', '10.0.4.1'], ['10.0.3.7/9', '10.128.0.1'], ['10.0.3.7/32', '10.0.3.1'], ['fd00::7/64', '10.0.3.1'], ['10.0.3.7/24', 'fd00::1'], ['fd00::7/61', 'fd00:0:0:8::1']] as const) {
      expect(ruleOf({ address, gateway }, lxc), gateway).toContain(`another address of the network of ${address}`);
    }
  });

  test('has no volume where the kernel and the engine put what is theirs', () => {
    const at = (target: string): string => ruleOf({ volumes: [{ folder: '/srv/container/web', target, readOnly: false }] });
    for (const target of ['/proc', '/proc/a', '/sys/fs', '/dev', '/dev/shm', '/run', '/run/secrets', '/run/secrets/a']) expect(at(target), target).toContain('target of a volume');
    for (const target of ['/procs', '/run/a', '/srv/dev', '/runs']) expect(at(target), target).toBe('');
  });

  test('has empty words, but no program without a name', () => {
    const spec = parseContainerSpec({ ...podman, command: ['serve', '', 'x'], health: { command: ['/check', ''], tcpPort: 0, httpPort: 0, httpPath: '', startSeconds: 0 } });
    expect(formatContainerText(spec)).toContain('\narg=serve\narg=\narg=x\n');
    expect(parseContainerText(formatContainerText(spec))).toEqual(spec);
    expect(ruleOf({ health: { command: ['', 'x'], tcpPort: 0, httpPort: 0, httpPath: '', startSeconds: 0 } })).toContain('health command is missing');
  });

  test('of what is there already is made of nothing', () => {
    const adopted = { ...lxc, adopted: true };
    expect(ruleOf({ archive: '' }, adopted)).toBe('');
    expect(ruleOf({}, adopted)).toContain('adopted');
    expect(ruleOf({ adopted: true }, pct)).toContain('adopted');
    expect(ruleOf({ adopted: true, template: '', storage: '' }, pct)).toBe('');
  });

  test('is refused with what its engine does not have, or misses', () => {
    expect(ruleOf({ engine: 'docker' })).toContain('podman, lxc or pct');
    expect(ruleOf({ bridge: 'lxcbr0' })).toContain('not with podman');
    expect(ruleOf({ image: podman.image }, lxc)).toContain('not with lxc');
    expect(ruleOf({ image: '' })).toContain('image is missing');
    expect(ruleOf({ archive: '' }, lxc)).toContain('archive is missing');
    expect(ruleOf({ bridge: '' }, lxc)).toContain('bridge is missing');
    expect(parseContainerSpec({ ...pct, storage: 'NFS-Backup', template: 'NFS-Backup:vztmpl/debian.tar.zst' })).toMatchObject({ storage: 'NFS-Backup' });
    expect(ruleOf({ id: 0 }, pct)).toContain('id is missing');
    expect(ruleOf({ running: false })).toContain('boot');
    expect(ruleOf({ limits: { ...limits, disk: 10 } })).toContain('plain folder');
    expect(ruleOf({ limits: { ...limits, swap: 1 } })).toContain('limit of memory');
    expect(ruleOf({ idleSeconds: 60 })).toContain('ports');
    expect(ruleOf({ ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 80, inside: 80 }] }, lxc)).toContain('sleeps');
    expect(ruleOf({ health: { command: [], tcpPort: 81, httpPort: 0, httpPath: '', startSeconds: 0 } })).toContain('published TCP ports');
    expect(ruleOf({ hostNetwork: true, ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 80, inside: 80 }] })).toContain('network of the host');
  });

  test('is refused with hostile values, each with its field', () => {
    const hostile = ['-v', '../x', 'a b', 'a\nb', 'a\u0000', '\u001b[0m', 'a;b', '$(x)', 'ä', '\u202ex'];
    for (const text of hostile) {
      expect(() => parseContainerName(text), text).toThrow();
      expect(ruleOf({ image: `${text}@sha256:${digest}` }), text).toMatch(/^image/i);
      expect(ruleOf({ volumes: [{ folder: `/srv/${text}`, target: '/x', readOnly: false }] }) === '' && text !== '-v', text).toBe(false);
      expect(ruleOf({ devices: [text] }), text).toMatch(/^device/i);
      expect(ruleOf({ bridge: text }, lxc), text).toMatch(/^bridge/i);
      expect(ruleOf({ address: text }, lxc), text).toMatch(/^address/i);
      expect(ruleOf({ secrets: [{ name: text, version: digest }] }), text).not.toBe('');
      expect(ruleOf({ template: text }, pct), text).toMatch(/^template/i);
    }
    for (const name of ['PATH', 'LD_PRELOAD', 'PYTHONPATH', 'lower', 'A-B', '1A', 'A=B', '']) expect(ruleOf({ environment: [{ name, value: '' }] }), name).toMatch(/^variable/i);
    for (const value of ['a\nb', 'a\u0000b', '\u001b[0m']) expect(ruleOf({ environment: [{ name: 'A', value }] }), value).toMatch(/^variable/i);
    expect(ruleOf({ command: ['a\nb'] })).toMatch(/^command/i);
    expect(ruleOf({ volumes: [{ folder: '/srv/../etc', target: '/x', readOnly: false }] })).toMatch(/^volume/i);
    expect(ruleOf({ ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 0, inside: 80 }] })).toMatch(/^port/i);
    expect(ruleOf({ sshKeys: ['ssh-ed25519 AAAA'] }, lxc)).not.toBe('');
    expect(() => parseContainer({ name: 'host', presence: 'CONTAINER_PRESENCE_ABSENT', spec: null, removeVolumes: false, overwrite: false, adopt: false })).toThrow('not "host"');
  });

  test('another text than its own is refused', () => {
    const text = formatContainerText(parseContainerSpec(podman));
    for (const other of ['', text.slice(0, -1), `${text}x=y\n`, text.replace('boot=yes', 'boot=no\nboot=yes'), text.replace('container 1', 'container 2'), text.replace('state', 'State')]) expect(() => parseContainerText(other), other).toThrow();
  });
});

describe('an image', () => {
  test('has the name of a registry, and a tag or a digest', () => {
    for (const good of ['docker.io/library/nginx:1.27', 'localhost/web:1', `localhost/web@sha256:${digest}`, 'registry.example.org:5000/a/b:latest']) expect(parseImage(good)).toBe(good);
    for (const bad of ['nginx', 'nginx:1', 'library/nginx:1', 'docker.io/nginx', 'oci:/etc', 'dir:/etc', 'docker-archive:/x:1', '-x/y:1', 'docker.io/Nginx:1', 'docker.io/a:b:c', `localhost/web:1@sha256:${digest}`, 'localhost/a//b:1']) expect(() => parseImage(bad), bad).toThrow();
    expect(parseLocalImage('localhost/web:1')).toBe('localhost/web:1');
    for (const bad of ['docker.io/library/nginx:1', `localhost/web@sha256:${digest}`, 'localhost/web', 'localhostx/web:1', '']) expect(() => parseLocalImage(bad), bad).toThrow();
    expect(splitImage('registry.example.org:5000/a/b:latest')).toEqual({ name: 'registry.example.org:5000/a/b', tag: 'latest', digest: '' });
    expect(splitImage(`localhost/web@sha256:${digest}`)).toEqual({ name: 'localhost/web', tag: '', digest });
  });
});

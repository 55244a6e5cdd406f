import { describe, expect, it } from 'vitest';
import { usualContainer, type ContainerSpec } from '../../shared/model/container.js';
import { containersOf, getContainer, hasContainers, putContainer, settleContainers, takeBackContainers, type ContainerEntry } from './container.js';
import { openDatabase, type Database } from './database.js';
import { addHost, retireHost } from './host.js';

const id = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${index.toString(16).padStart(12, '0')}`;
const [web1, web2] = [id(1), id(2)];
const entry: ContainerEntry = { hostId: web1, by: 'root', now: 5, generation: 1 };
const image = `docker.io/library/nginx@sha256:${'a'.repeat(64)}`;

/** One of podman. */
function spec(more: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    engine: 'podman', id: undefined, running: true, boot: true, adopted: false, image, tag: '1.27', archive: '', template: '', storage: '', command: ['nginx', '-g', 'daemon off;'],
    environment: [{ name: 'GREETING', value: 'ä=b' }], secrets: [{ name: 'token', version: id(9) }], ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }],
    volumes: [{ folder: '/srv/web', target: '/data', readOnly: true }], devices: [], hostNetwork: false, bridge: '', address: '', gateway: '', hostIds: false, sshKeys: [], restart: usualContainer.restart,
    limits: { memory: 1 << 29, swap: 0, cpu: 150, tasks: 100, disk: undefined }, health: { kind: 'http', port: 8080, path: '/', startSeconds: 30 }, stopSeconds: 3, idleSeconds: undefined, ...more,
  };
}

const lxc = spec({ engine: 'lxc', image: '', tag: '', command: [], environment: [], secrets: [], ports: [], volumes: [], health: undefined, archive: 'b'.repeat(64), bridge: 'lxcbr0', address: '10.0.3.7/24' });

function inventory(): Database {
  const db = openDatabase(':memory:');
  for (const [hostId, name] of [[web1, 'web1'], [web2, 'web2']] as const) addHost(db, { id: hostId, name, endpoint: undefined, parentId: undefined, now: 1 });
  return db;
}

describe('containers of the inventory', () => {
  it('come back as they went in, with the tag that stands in no record of a host', () => {
    const db = inventory();
    expect(putContainer(db, { presence: 'present', name: 'web', spec: spec(), overwrite: false, adopt: false }, entry)).toBe(true);
    putContainer(db, { presence: 'present', name: 'db', spec: lxc, overwrite: true, adopt: true }, { ...entry, by: 'ada' });
    putContainer(db, { presence: 'absent', name: 'old', removeVolumes: true }, entry);
    putContainer(db, { presence: 'released', name: 'own' }, entry);
    expect(containersOf(db, web1).map(({ container, by }) => [container, by])).toEqual([
      [{ presence: 'present', name: 'db', spec: lxc, overwrite: true, adopt: true }, 'ada'],
      [{ presence: 'absent', name: 'old', removeVolumes: true }, 'root'],
      [{ presence: 'released', name: 'own' }, 'root'],
      [{ presence: 'present', name: 'web', spec: spec(), overwrite: false, adopt: false }, 'root'],
    ]);
    expect(containersOf(db, web2)).toEqual([]);
    expect([hasContainers(db, web1), hasContainers(db, web2)]).toEqual([true, false]);
  });

  it('are altered only by what differs; who added one stays', () => {
    const db = inventory();
    const put = (more: Partial<ContainerSpec>, generation: number): boolean => putContainer(db, { presence: 'present', name: 'web', spec: spec(more), overwrite: false, adopt: false }, { ...entry, by: 'ada', now: 9, generation });
    expect([put({}, 1), put({}, 2), put({ tag: '1.28' }, 3), put({ running: false, boot: false }, 4)]).toEqual([true, false, true, true]);
    expect(getContainer(db, web1, 'web')).toMatchObject({ generation: 4, addedAtMs: 9, by: 'ada', container: { spec: { tag: '1.27', running: false } } });
  });

  it('that are to go are forgotten when the host has said so, and others stay', () => {
    const db = inventory();
    putContainer(db, { presence: 'present', name: 'web', spec: spec(), overwrite: true, adopt: true }, entry);
    putContainer(db, { presence: 'absent', name: 'old', removeVolumes: false }, { ...entry, generation: 2 });
    putContainer(db, { presence: 'absent', name: 'new', removeVolumes: false }, { ...entry, generation: 3 });
    settleContainers(db, web1, 2);
    expect(containersOf(db, web1).map(({ container }) => container)).toMatchObject([{ name: 'new' }, { name: 'web', overwrite: false, adopt: false }]);
  });

  it('go back to what their host has made last when it cannot make something else, and one that was not there is not wanted any more', () => {
    const db = inventory();
    const put = (name: string, more: Partial<ContainerSpec>, generation: number): boolean => putContainer(db, { presence: 'present', name, spec: spec(more), overwrite: false, adopt: generation === 3 }, { ...entry, generation });
    put('web', {}, 1);
    put('same', {}, 1);
    settleContainers(db, web1, 1);
    put('web', { stopSeconds: 9, tag: '1.28' }, 2);
    put('web', { stopSeconds: 8, tag: '1.29' }, 3);
    put('new', {}, 3);
    put('later', {}, 4);
    expect(takeBackContainers(db, { hostId: web1, generation: 3, names: ['web', 'same', 'new', 'later', 'nobody'] })).toBe(2);
    const rows = containersOf(db, web1).map(({ container, generation }) => [container.name, generation, container.presence === 'present' ? [container.spec.stopSeconds, container.spec.tag, container.adopt] : []]);
    expect(rows).toEqual([['later', 4, [3, '1.27', false]], ['same', 1, [3, '1.27', false]], ['web', 1, [3, '1.27', false]]]);
    expect(takeBackContainers(db, { hostId: web1, generation: 3, names: ['web'] })).toBe(0);
  });

  it('go with their host', () => {
    const db = inventory();
    putContainer(db, { presence: 'present', name: 'web', spec: spec(), overwrite: false, adopt: false }, entry);
    retireHost(db, web1, 7);
    expect(containersOf(db, web1)).toEqual([]);
  });

  it('are no more and no longer than what one message holds', () => {
    const db = inventory();
    const long = (name: string): boolean => putContainer(db, { presence: 'present', name, spec: spec({ command: Array.from({ length: 60 }, () => 'x'.repeat(1000)) }), overwrite: false, adopt: false }, entry);
    for (let n = 0; n < 12; n += 1) long(`web${String(n)}`);
    expect(() => long('web99')).toThrow(expect.objectContaining({ code: 'FIELD_INVALID', fields: expect.objectContaining({ field: 'container' }) as object }) as Error);
    expect(() => putContainer(db, { presence: 'present', name: 'big', spec: spec({ command: Array.from({ length: 64 }, () => 'ä'.repeat(512)), environment: [{ name: 'A', value: 'x'.repeat(4096) }] }), overwrite: false, adopt: false }, { ...entry, hostId: web2 })).toThrow(
      expect.objectContaining({ code: 'FIELD_INVALID', fields: expect.objectContaining({ field: 'spec' }) as object }) as Error,
    );
    const many = inventory();
    for (let n = 0; n < 1000; n += 1) putContainer(many, { presence: 'absent', name: `c${String(n)}`, removeVolumes: false }, entry);
    expect(() => putContainer(many, { presence: 'absent', name: 'one-more', removeVolumes: false }, entry)).toThrow(expect.objectContaining({ code: 'FIELD_INVALID' }) as Error);
  });

  it('have rows that nothing can spoil', () => {
    const db = inventory();
    putContainer(db, { presence: 'present', name: 'web', spec: spec(), overwrite: false, adopt: false }, entry);
    for (const bad of ["presence = 'absent'", 'spec = NULL', "engine = 'lxc'", "spec = 'container 1'", 'remove_volumes = 1', "name = 'Web'", "name = 'host'", "tag = 'a b'", "presence = 'gone'"]) {
      expect(() => db.prepare(`UPDATE container SET ${bad}`).run(), bad).toThrow(/CHECK/);
    }
  });
});

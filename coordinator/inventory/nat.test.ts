import { describe, expect, it } from 'vitest';
import { parseEndpoint } from '../../shared/model/host.js';
import { parsePortText, type NatListen } from '../../shared/model/nat.js';
import { openDatabase, type Database } from './database.js';
import { getGeneration, raiseGeneration } from './generation.js';
import { addHost, getHost, retireHost, updateHost } from './host.js';
import { addForward, addMasquerade, forwardsTo, natOf, removeNat, setNatEnabled, settleNat, type NewForward } from './nat.js';
import { followDestination, requireNoForwards } from './nat-touched.js';

const id = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${index.toString(16).padStart(12, '0')}`;
const [vm1, web1, vm2] = [id(1), id(2), id(3)];
const entry = { hostId: vm1, enabled: true, comment: '', by: 'root', generation: 1, now: 5 };
const nameOf = (hostId: string): string => (hostId === vm1 ? 'vm1' : hostId);

function inventory(): Database {
  const db = openDatabase(':memory:');
  addHost(db, { id: vm1, name: 'vm1', endpoint: parseEndpoint('192.0.2.1', 7420), parentId: undefined, now: 1 });
  addHost(db, { id: web1, name: 'web1', endpoint: parseEndpoint('198.19.200.2', 7420), parentId: vm1, now: 1 });
  addHost(db, { id: vm2, name: 'vm2', endpoint: undefined, parentId: undefined, now: 1 });
  return db;
}

const listen = (text: string): NatListen => (text === '*' ? { kind: 'any' } : /^[0-9]|:/.test(text) ? { kind: 'address', address: text } : { kind: 'interface', name: text });

/** `LISTEN PROTOCOL/PORTS`, to an address of the family. */
function forward(text: string, to: NewForward['to'] = { kind: 'address', address: '198.19.200.9' }): NewForward {
  const [where = '', protocol = '', ports = ''] = text.split(/[ /]/);
  return { protocol: protocol as 'tcp', listen: listen(where), ports: parsePortText('port', ports), to, toPorts: { first: 80, last: 80 }, sources: [], hairpin: false, adopt: false };
}
const six: NewForward['to'] = { kind: 'address', address: '2001:db8::9' };
const toWeb1: NewForward['to'] = { kind: 'host', hostId: web1, address: '198.19.200.2' };

describe('two forwards of one host', () => {
  it.each<[string, string, boolean]>([
    ['* tcp/8080', '* tcp/8080', true],
    ['* tcp/8080', '* udp/8080', false],
    ['* tcp/8080', '* tcp/8081', false],
    ['* tcp/8000-8090', '* tcp/8080', true],
    ['* tcp/8080', '* tcp/8000-8090', true],
    ['* tcp/8000-8080', '* tcp/8080-8090', true],
    ['* tcp/8000-8079', '* tcp/8080-8090', false],
    ['* tcp/8000-8090', '* tcp/8010-8020', true],
    ['* tcp/80', '192.0.2.1 tcp/80', true],
    ['192.0.2.1 tcp/80', '* tcp/80', true],
    ['* tcp/80', 'eth0 tcp/80', true],
    ['eth0 tcp/80', '* tcp/80', true],
    ['eth0 tcp/80', 'eth0 tcp/80', true],
    ['eth0 tcp/80', 'eth1 tcp/80', false],
    ['eth0 tcp/80', '192.0.2.1 tcp/80', true],
    ['192.0.2.1 tcp/80', 'eth0 tcp/80', true],
    ['192.0.2.1 tcp/80', '192.0.2.1 tcp/80', true],
    ['192.0.2.1 tcp/80', '192.0.2.2 tcp/80', false],
    ['192.0.2.1 tcp/1-100', '192.0.2.1 tcp/100-200', true],
    ['192.0.2.1 tcp/1-100', '192.0.2.2 tcp/1-100', false],
  ])('%s and %s: in each other’s way is %s', (first, second, meet) => {
    const db = inventory();
    const one = addForward(db, forward(first), entry);
    const add = (): number => addForward(db, forward(second), entry);
    if (!meet) expect(add()).toBe(one + 1);
    else expect(add).toThrow(expect.objectContaining({ code: 'NAT_EXISTS', fields: { value: second.replace('* ', '').replace(' ', ':'), host: 'vm1', rule: `number ${String(one)}, ${first.replace('* ', '').replace(' ', ':')} -> 198.19.200.9:80` } }) as Error);
    expect(() => addForward(db, forward(second), { ...entry, hostId: vm2 }), 'another host').not.toThrow();
    expect(() => addForward(db, forward('* ' + (second.split(' ')[1] ?? ''), six), entry), 'the other family').not.toThrow();
  });

  it('are in each other’s way also when one is not enabled: it keeps its place', () => {
    const db = inventory();
    const one = addForward(db, forward('* tcp/80'), { ...entry, enabled: false });
    expect(() => addForward(db, forward('* tcp/80'), entry)).toThrow(/number 1/);
    expect(setNatEnabled(db, { id: one, enabled: true, generation: 2 })).toBe(true);
    expect(setNatEnabled(db, { id: one, enabled: true, generation: 3 })).toBe(false);
    expect(natOf(db, vm1).forwards).toMatchObject([{ id: one, enabled: true, generation: 2 }]);
  });
});

describe('two masquerades of one host', () => {
  it.each<[string, string | undefined, string, string | undefined, boolean]>([
    ['198.19.200.0/24', undefined, '198.19.200.0/24', undefined, true],
    ['198.19.200.0/24', undefined, '198.19.200.0/24', 'eth0', true],
    ['198.19.200.0/24', 'eth0', '198.19.200.0/24', undefined, true],
    ['198.19.200.0/24', 'eth0', '198.19.200.0/24', 'eth1', false],
    ['198.19.200.0/24', undefined, '198.19.201.0/24', undefined, false],
  ])('%s out of %s and %s out of %s: in each other’s way is %s', (source, outInterface, source2, outInterface2, meet) => {
    const db = inventory();
    addMasquerade(db, { source, outInterface, toAddress: undefined, adopt: false }, entry);
    const add = (): number => addMasquerade(db, { source: source2, outInterface: outInterface2, toAddress: undefined, adopt: false }, entry);
    if (meet) expect(add).toThrow(expect.objectContaining({ code: 'NAT_EXISTS' }) as Error);
    else expect(add()).toBe(2);
  });
});

describe('numbers', () => {
  it('are never used again, and no forward has one of a masquerade', () => {
    const db = inventory();
    const one = addForward(db, forward('* tcp/80'), entry);
    const two = addMasquerade(db, { source: '198.19.200.0/24', outInterface: undefined, toAddress: undefined, adopt: true }, entry);
    removeNat(db, one);
    removeNat(db, two);
    expect([one, two, addForward(db, forward('* tcp/80'), entry)]).toEqual([1, 2, 3]);
  });
});

describe('what a row can never be', () => {
  it.each<[string, Record<string, unknown>]>([
    ['a port of nothing', { first_port: 0 }],
    ['ports the wrong way round', { last_port: 79 }],
    ['as many ports as it does not have', { to_last_port: 90 }],
    ['to itself', { to_host_id: vm1, to_address: null }],
    ['to nowhere', { to_address: null }],
    ['to two places', { to_host_id: web1 }],
    ['of two families', { to_address: '2001:db8::1' }],
    ['listening at two places', { listen_address: '192.0.2.1', listen_interface: 'eth0' }],
    ['listening on the loopback interface', { listen_interface: 'lo' }],
    ['with an interface that is none', { listen_interface: 'eth0";drop' }],
    ['with an address that is none', { listen_address: '192.0.2.1 accept' }],
    ['of a host that is not there', { host_id: id(99) }],
    ['of another protocol', { protocol: 'sctp' }],
  ])('is %s', (_name, wrong) => {
    const db = inventory();
    const row = {
      id: 1, host_id: vm1, family: 4, protocol: 'tcp', listen_address: null, listen_interface: null, first_port: 80, last_port: 80, to_host_id: null, to_address: '198.19.200.9', to_first_port: 80, to_last_port: 80,
      hairpin: 0, enabled: 1, by: 'root', added_at_ms: 1, generation: 1,
    };
    const insert = (values: Record<string, unknown>): unknown =>
      db.prepare(`INSERT INTO nat_forward (${Object.keys(values).join(', ')}) VALUES (${Object.keys(values).map((key) => `@${key}`).join(', ')})`).run(values);
    expect(() => insert({ ...row, ...wrong })).toThrow(/constraint failed/);
    expect(() => insert(row)).not.toThrow();
  });
});

describe('a host that forwards lead to', () => {
  const moved = (db: Database, edit: Parameters<typeof updateHost>[2]): string[] => {
    const before = getHost(db, web1);
    if (before === undefined) throw new Error('no web1');
    updateHost(db, before, edit);
    return followDestination(db, before, 9, nameOf);
  };
  const inUse = (more: Partial<NewForward> = {}): Database => {
    const db = inventory();
    raiseGeneration(db, { hostId: vm1, noun: 'nat', now: 1, released: false });
    addForward(db, { ...forward('* tcp/8080', toWeb1), ...more }, entry);
    return db;
  };

  it('is followed to its new address, and the host that forwards is told', () => {
    const db = inUse();
    expect(moved(db, { endpoint: parseEndpoint('198.19.200.77', 7420) })).toEqual([vm1]);
    expect(getGeneration(db, vm1, 'nat')?.wanted).toBe(2);
    expect(natOf(db, vm1).forwards).toMatchObject([{ to: { kind: 'host', name: 'web1', address: '198.19.200.77' }, generation: 2 }]);
    expect(moved(db, { endpoint: parseEndpoint('198.19.200.77:7777', 7420) }), 'only the port of its agent').toEqual([]);
    expect(moved(db, { name: 'web9' })).toEqual([]);
    expect(getGeneration(db, vm1, 'nat')?.wanted).toBe(2);
  });

  it('is followed to another family, unless something stands in the way', () => {
    const db = inUse();
    expect(moved(db, { endpoint: parseEndpoint('2001:db8::2', 7420) })).toEqual([vm1]);
    expect(() => addForward(db, forward('* tcp/8080'), entry), 'its place in the old family is free').not.toThrow();
    expect(() => moved(db, { endpoint: parseEndpoint('198.19.200.2', 7420) })).toThrow(expect.objectContaining({ code: 'NAT_EXISTS' }) as Error);
    const bound = inUse({ listen: { kind: 'address', address: '192.0.2.1' } });
    expect(() => moved(bound, { endpoint: parseEndpoint('2001:db8::2', 7420) })).toThrow(expect.objectContaining({ code: 'NAT_DESTINATION', fields: expect.objectContaining({ rule: '2001:db8::2 is IPv6, and 192.0.2.1:tcp/8080 of "vm1" leads to it; first: reeve nat remove' }) as unknown }) as Error);
  });

  it.each([['another parent', { parentId: vm2 }], ['no parent', { parentId: null }], ['an address that nobody else can reach', { endpoint: parseEndpoint('127.0.0.1', 7420) }]])('cannot have %s', (_name, edit) => {
    const db = inUse();
    expect(() => moved(db, edit)).toThrow(expect.objectContaining({ code: 'NAT_DESTINATION' }) as Error);
  });

  it('cannot be taken out', () => {
    const db = inUse();
    const host = getHost(db, web1);
    if (host === undefined) throw new Error('no web1');
    expect(() => requireNoForwards(db, host, nameOf)).toThrow(expect.objectContaining({ code: 'NAT_DESTINATION', fields: { value: 'web1', host: 'vm1', rule: 'it is to go, and tcp/8080 of "vm1" still leads to it; first: reeve nat remove' } }) as Error);
    removeNat(db, 1);
    expect(() => requireNoForwards(db, host, nameOf)).not.toThrow();
  });

  it('raises nothing where the forward is not enabled, or the host lets go of its forwards', () => {
    const db = inUse();
    setNatEnabled(db, { id: 1, enabled: false, generation: 1 });
    expect(moved(db, { endpoint: parseEndpoint('198.19.200.78', 7420) })).toEqual([]);
    setNatEnabled(db, { id: 1, enabled: true, generation: 1 });
    raiseGeneration(db, { hostId: vm1, noun: 'nat', now: 1, released: true });
    expect(moved(db, { endpoint: parseEndpoint('198.19.200.79', 7420) })).toEqual([]);
  });
});

it('what was taken over is a host’s own when it has confirmed that, and nothing is wanted of a host that is out', () => {
  const db = inventory();
  addForward(db, { ...forward('* tcp/80', toWeb1), adopt: true }, { ...entry, generation: 3 });
  settleNat(db, vm1, 2);
  expect(natOf(db, vm1).forwards).toMatchObject([{ adopt: true }]);
  settleNat(db, vm1, 3);
  expect(natOf(db, vm1).forwards).toMatchObject([{ adopt: false }]);
  expect(forwardsTo(db, web1)).toHaveLength(1);
  retireHost(db, vm1, 9);
  expect(natOf(db, vm1)).toEqual({ forwards: [], masquerades: [] });
});

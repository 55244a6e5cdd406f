import { describe, expect, it } from 'vitest';
import { parseEndpoint } from '../../shared/model/host.js';
import { parsePortText } from '../../shared/model/nat.js';
import { parseListen } from '../../shared/model/vhost-listen.js';
import { parseVhostDraft, type VhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import { openDatabase, type Database } from './database.js';
import { getGeneration, raiseGeneration } from './generation.js';
import { addHost, getHost, retireHost, updateHost } from './host.js';
import { addForward } from './nat.js';
import { failVhosts, listParked, settleVhosts } from './vhost-parked.js';
import { followUpstream, requireNoUpstreams } from './vhost-touched.js';
import { addVhost, getVhost, removeVhost, setVhost, siteOfAlias, vhostsOf, vhostsTo, vhostsWithCert, type NewVhost } from './vhost.js';

const id = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${index.toString(16).padStart(12, '0')}`;
const [web1, app1, web2] = [id(1), id(2), id(3)];
const entry: NewVhost = { hostId: web1, takeOver: undefined, by: 'root', now: 5, generation: 1 };

function inventory(): Database {
  const db = openDatabase(':memory:');
  addHost(db, { id: web1, name: 'web1', endpoint: parseEndpoint('192.0.2.1', 7420), parentId: undefined, now: 1 });
  addHost(db, { id: app1, name: 'app1', endpoint: parseEndpoint('10.0.0.5', 7420), parentId: undefined, now: 1 });
  addHost(db, { id: web2, name: 'web2', endpoint: undefined, parentId: undefined, now: 1 });
  return db;
}

/** A site that answers 404; `listens` as people write them, none: the usual. */
function site(name: string, { listens = '', to, ...more }: Omit<Partial<WireVhost>, 'listens'> & { listens?: string; to?: string } = {}): VhostDraft {
  const none = { stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null, headers: [], allow: [], users: [], open: false };
  const upstream = { address: '', port: 8080, socket: '', host: to ?? '' };
  return parseVhostDraft({
    name, aliases: [], defaultServer: false, redirectHttps: false, hstsS: 0, cert: '', bodyLimitBytes: 0, allow: [], users: [], clientCert: null, title: '', maintenance: false, retryAfterS: 0, snippets: [], overwrite: false,
    ...more,
    listens: listens === '' ? [] : listens.split(' ').map((text) => ({ ...parseListen('listen', text), address: parseListen('listen', text).address ?? '' })),
    routes: [{ ...none, prefix: '/', ...(to === undefined ? { status: { code: 404, text: '' } } : { proxy: { to: upstream, tls: false, hostHeader: '' } }) }],
  });
}

const exists = (value: string, rule: string): Error => expect.objectContaining({ code: 'VHOST_EXISTS', fields: { host: 'web1', value, rule } }) as Error;

describe('two sites of one host', () => {
  it('have no name in common, as first or as another', () => {
    const db = inventory();
    addVhost(db, site('a.example.org', { aliases: ['www.example.org'] }), entry);
    expect(() => addVhost(db, site('a.example.org'), entry)).toThrow(exists('"a.example.org"', 'no two have the same name'));
    expect(() => addVhost(db, site('www.example.org'), entry)).toThrow(exists('"www.example.org"', 'it is a name of site "a.example.org"'));
    expect(() => addVhost(db, site('b.example.org', { aliases: ['a.example.org'] }), entry)).toThrow(exists('"a.example.org"', 'no two have the same name'));
    addVhost(db, site('b.example.org'), entry);
    const b = getVhost(db, web1, 'b.example.org');
    if (b === undefined) throw new Error('no b');
    expect(() => setVhost(db, b, site('b.example.org', { aliases: ['www.example.org'] }), 2)).toThrow(exists('"www.example.org"', 'it is a name of site "a.example.org"'));
    expect(siteOfAlias(db, web1, 'www.example.org')).toBe('a.example.org');
    expect(() => addVhost(db, site('a.example.org'), { ...entry, hostId: web2 }), 'another host').not.toThrow();
  });

  it.each<[string, string, string | undefined]>([
    ['80 443/tls', '80 443/tls', undefined],
    ['8080', '8443/tls', undefined],
    ['8080', '8080/tls', 'at port 8080'],
    ['8443/tls', '8443/plain', 'at port 8443'],
    ['192.0.2.1:80', '192.0.2.2:80', undefined],
    ['192.0.2.1:80', '[2001:db8::1]:80', undefined],
    ['80', '192.0.2.1:80', 'at port 80'],
    ['192.0.2.1:80', '80', 'at port 80'],
    ['192.0.2.1:80', '192.0.2.1:80/tls', 'at port 80'],
  ])('at %s and at %s', (first, second, refused) => {
    const db = inventory();
    addVhost(db, site('a.example.org', { listens: first }), entry);
    const add = (): void => addVhost(db, site('b.example.org', { listens: second }), entry);
    if (refused === undefined) expect(add).not.toThrow();
    else expect(add).toThrow(expect.objectContaining({ code: 'VHOST_EXISTS', fields: expect.objectContaining({ value: refused }) as unknown }) as Error);
  });

  it('are not both the default server of a place', () => {
    const db = inventory();
    addVhost(db, site('a.example.org', { defaultServer: true, listens: '80' }), entry);
    expect(() => addVhost(db, site('b.example.org', { defaultServer: true }), entry)).toThrow(exists('that is the default server at *:80', '"a.example.org"'));
    expect(() => addVhost(db, site('c.example.org', { defaultServer: true, listens: '443' }), entry)).not.toThrow();
  });

  it('leave a port to others when they go, or listen elsewhere', () => {
    const db = inventory();
    addVhost(db, site('a.example.org', { listens: '8080' }), entry);
    addVhost(db, site('b.example.org', { listens: '8081' }), entry);
    const row = (name: string) => {
      const found = getVhost(db, web1, name);
      if (found === undefined) throw new Error(`no ${name}`);
      return found;
    };
    expect(setVhost(db, row('a.example.org'), site('a.example.org', { listens: '8082/tls' }), 2)).toBe(true);
    removeVhost(db, row('b.example.org'));
    addVhost(db, site('c.example.org', { listens: '8080/tls 8081/tls' }), entry);
    expect(db.prepare('SELECT port, tls FROM vhost_port ORDER BY port').all()).toEqual([{ port: 8080, tls: 1 }, { port: 8081, tls: 1 }, { port: 8082, tls: 1 }]);
  });
});

describe('a forward and a site', () => {
  const forward = (ports: string, listen?: string) => ({
    protocol: 'tcp' as const, listen: listen === undefined ? { kind: 'any' as const } : { kind: 'address' as const, address: listen }, ports: parsePortText('port', ports), to: { kind: 'address' as const, address: '198.19.200.9' },
    toPorts: { first: 80, last: 80 }, sources: [], hairpin: false, adopt: false,
  });
  const natEntry = { hostId: web1, enabled: true, comment: '', by: 'root', generation: 1, now: 5 };

  it.each<[string, string | undefined, string, boolean]>([
    ['80', undefined, '80', true],
    ['8000-8100', undefined, '8080', true],
    ['80', '192.0.2.1', '80', true],
    ['80', '192.0.2.1', '192.0.2.1:80', true],
    ['80', '192.0.2.1', '192.0.2.2:80', false],
    ['80', undefined, '[2001:db8::1]:80', false],
    ['81', undefined, '80', false],
  ])('of %s (listening at %s) and at %s: in each other’s way is %s', (ports, listen, place, meet) => {
    const before = inventory();
    addForward(before, forward(ports, listen), natEntry);
    const addSite = (): void => addVhost(before, site('a.example.org', { listens: place }), entry);
    const after = inventory();
    addVhost(after, site('a.example.org', { listens: place }), entry);
    const add = (): number => addForward(after, forward(ports, listen), natEntry);
    if (!meet) {
      expect(addSite).not.toThrow();
      expect(add).not.toThrow();
      return;
    }
    expect(addSite).toThrow(expect.objectContaining({ code: 'NAT_EXISTS', fields: expect.objectContaining({ value: `tcp/${/[0-9]+$/.exec(place)?.[0] ?? ''}` }) as unknown }) as Error);
    expect(add).toThrow(expect.objectContaining({ code: 'NAT_EXISTS', fields: expect.objectContaining({ rule: 'not to another machine, but site "a.example.org" of its own web server listens there' }) as unknown }) as Error);
  });
});

describe('a host that sites lead to', () => {
  const inUse = (): Database => {
    const db = inventory();
    raiseGeneration(db, { hostId: web1, noun: 'vhost', now: 1, released: false });
    addVhost(db, site('a.example.org', { to: app1 }), entry);
    addVhost(db, site('b.example.org', { to: web1 }), entry);
    return db;
  };
  const moved = (db: Database, host: string, address: string): string[] => {
    const before = getHost(db, host);
    if (before === undefined) throw new Error('no host');
    updateHost(db, before, { endpoint: parseEndpoint(address, 7420) });
    return followUpstream(db, before, 9);
  };

  it('is followed to its new address, and the host of the sites is told', () => {
    const db = inUse();
    expect(vhostsOf(db, web1).upstreams).toEqual(new Map([[app1, { name: 'app1', address: '10.0.0.5' }], [web1, { name: 'web1', address: '192.0.2.1' }]]));
    expect(moved(db, app1, '10.0.0.6')).toEqual([web1]);
    expect(getGeneration(db, web1, 'vhost')?.wanted).toBe(2);
    expect(vhostsOf(db, web1).rows.map(({ site: { name }, generation }) => [name, generation])).toEqual([['a.example.org', 2], ['b.example.org', 1]]);
    expect(moved(db, app1, '10.0.0.6:7777'), 'only the port of its agent').toEqual([]);
    expect(moved(db, web1, '192.0.2.77'), 'itself').toEqual([]);
    raiseGeneration(db, { hostId: web1, noun: 'vhost', now: 1, released: true });
    expect(moved(db, app1, '10.0.0.7'), 'that is let go of').toEqual([]);
  });

  it('cannot be taken out, unless the sites are its own', () => {
    const db = inUse();
    const hosts = [app1, web1].map((host) => getHost(db, host));
    const [app, web] = hosts;
    if (app === undefined || web === undefined) throw new Error('no hosts');
    expect(() => requireNoUpstreams(db, app, () => 'web1')).toThrow(expect.objectContaining({ code: 'VHOST_UPSTREAM', fields: expect.objectContaining({ rule: 'it is to go, and "a.example.org" of "web1" still leads to it; first: reeve vhost set, or reeve vhost remove' }) as unknown }) as Error);
    expect(() => requireNoUpstreams(db, web, () => 'web1')).not.toThrow();
    expect(vhostsTo(db, app1)).toHaveLength(1);
    retireHost(db, web1, 9);
    expect(vhostsOf(db, web1).rows).toEqual([]);
    expect(db.prepare('SELECT count(*) FROM vhost_name').pluck().get()).toBe(0);
  });
});

describe('what a host says of sites', () => {
  const filled = (): Database => {
    const db = inventory();
    raiseGeneration(db, { hostId: web1, noun: 'vhost', now: 3, released: false });
    for (const name of ['a.example.org', 'b.example.org', 'c.example.org']) addVhost(db, { ...site(name), overwrite: name !== 'c.example.org' }, { ...entry, takeOver: name === 'c.example.org' ? undefined : { file: '/etc/nginx/sites-enabled/old', acceptDifferences: name === 'b.example.org' } });
    return db;
  };
  const state = (db: Database): unknown => vhostsOf(db, web1).rows.map(({ site: { overwrite }, takeOver, parked }) => [overwrite, takeOver !== undefined, parked?.problem]);

  it('is kept: what is made is done, what is parked is told since when', () => {
    const db = filled();
    settleVhosts(db, { hostId: web1, generation: 1, parked: [{ name: 'b.example.org', problem: 'no such upstream', servesBefore: true }, { name: 'unknown.example.org', problem: 'x', servesBefore: false }], now: 3 });
    expect(state(db)).toEqual([[false, false, undefined], [false, false, 'no such upstream'], [false, false, undefined]]);
    settleVhosts(db, { hostId: web1, generation: 1, parked: [{ name: 'b.example.org', problem: '', servesBefore: false }], now: 3 });
    expect(listParked(db)).toEqual([{ hostId: web1, name: 'b.example.org', problem: 'the host does not say why', servesBefore: false, sinceMs: 3 }]);
    settleVhosts(db, { hostId: web1, generation: 1, parked: [], now: 3 });
    expect(listParked(db)).toEqual([]);
  });

  it('of a generation that was made but for some: the others are done', () => {
    const db = filled();
    failVhosts(db, { hostId: web1, generation: 1, parked: [{ name: 'b.example.org', problem: 'no', servesBefore: false }], rest: true, now: 7 });
    expect(state(db)).toEqual([[false, true, undefined], [true, true, 'no'], [false, false, undefined]]);
    failVhosts(db, { hostId: web1, generation: 1, parked: [{ name: 'c.example.org', problem: 'no', servesBefore: false }], rest: true, now: 8 });
    expect(state(db)).toEqual([[false, false, undefined], [false, false, 'no'], [false, false, 'no']]);
  });
});

it('a site comes back as it was stored, with its cert in a column of its own', () => {
  const db = inventory();
  const wanted = site('*.example.org', { cert: 'wild', aliases: ['example.org'], title: 'Ada’s', users: [{ name: 'ada', hash: `$2b$12$${'a'.repeat(53)}` }] });
  addVhost(db, wanted, entry);
  const row = getVhost(db, web1, '*.example.org');
  expect(row).toMatchObject({ site: wanted, by: 'root', addedAtMs: 5, generation: 1, takeOver: undefined, parked: undefined });
  expect(vhostsWithCert(db, web1, 'wild')).toEqual(['*.example.org']);
  if (row === undefined) throw new Error('no row');
  expect(setVhost(db, row, wanted, 2)).toBe(false);
  expect(setVhost(db, row, { ...wanted, overwrite: true }, 2)).toBe(true);
  expect(() => db.prepare('UPDATE vhost SET model = ? WHERE id = ?').run('no json', row.id)).toThrow(/constraint failed/);
});

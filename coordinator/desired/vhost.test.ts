import { describe, expect, it } from 'vitest';
import type { VhostEdit } from '../../shared/gen/proto/reeve/coordinator/v1/VhostEdit.js';
import type { VhostRouteEdit } from '../../shared/gen/proto/reeve/coordinator/v1/VhostRouteEdit.js';
import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import { formatVhost, parseVhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import { editVhost } from './vhost-edit.js';
import { desiredVhosts, type UpstreamHost, type VhostRow } from './vhost.js';

const plain = { stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null, headers: [], allow: [], users: [], open: false };
const to = (host: string) => ({ address: '', port: 8080, socket: '', host });
const proxy = (prefix: string, host: string): WireVhostRoute => ({ ...plain, prefix, proxy: { to: to(host), tls: false, hostHeader: '' } });
const site = (name: string, routes: WireVhostRoute[]): WireVhost => ({
  name, aliases: [], listens: [], defaultServer: false, redirectHttps: false, hstsS: 0, cert: '', routes, bodyLimitBytes: 0, allow: [], users: [], clientCert: null, title: '', maintenance: false, retryAfterS: 0, snippets: [], overwrite: false,
});

describe('what a host is asked for', () => {
  const row = (name: string, routes: WireVhostRoute[], more: Partial<VhostRow> = {}): VhostRow => ({ id: 1, hostId: 'web1', site: parseVhostDraft(site(name, routes)), takeOver: undefined, by: 'root', addedAtMs: 1, generation: 1, parked: undefined, ...more });
  const upstreams = new Map<string, UpstreamHost>([['app1', { name: 'app1', address: '10.0.0.5' }], ['app2', { name: 'app2', address: undefined }], ['web1', { name: 'web1', address: '192.0.2.1' }]]);
  const routesOf = (routes: WireVhostRoute[]): unknown[] => desiredVhosts({ hostId: 'web1', rows: [row('a.example.org', routes)], upstreams }, 1).sites[0]?.routes.map((route) => ('to' in route ? route.to : route.kind === 'status' ? route.code : route.kind)) ?? [];

  it('has addresses for hosts: its own is loopback, and one that is not known answers that nobody is there', () => {
    expect(routesOf([proxy('/', 'app1'), proxy('/own', 'web1'), proxy('/unknown', 'app2'), { ...plain, prefix: '/files', static: { folder: '/srv/x' } }])).toEqual([
      { kind: 'address', address: '10.0.0.5', port: 8080 }, 'static', { kind: 'address', address: '127.0.0.1', port: 8080 }, 503,
    ]);
  });

  it('is for the sake of what the generation altered, and takes over a file as long as that is not done', () => {
    const rows = [row('a.example.org', [proxy('/', 'app1')], { generation: 2 }), row('b.example.org', [proxy('/', 'app1')], { generation: 3, takeOver: { file: '/etc/nginx/x', acceptDifferences: true } })];
    expect(desiredVhosts({ hostId: 'web1', rows, upstreams }, 3)).toMatchObject({ about: ['b.example.org'], takeOver: { file: '/etc/nginx/x', acceptDifferences: true }, sites: [{ name: 'a.example.org' }, { name: 'b.example.org' }] });
    expect(desiredVhosts({ hostId: 'web1', rows: rows.slice(0, 1), upstreams }, 3)).toMatchObject({ about: [], takeOver: undefined });
  });
});

describe('an edit', () => {
  const nothing: VhostEdit = { addAliases: [], removeAliases: [], listens: null, allow: null, setUsers: [], removeUsers: [], clientCert: null, noClientCert: false, addSnippets: [], removeSnippets: [], addRoutes: [], setRoutes: [], removeRoutes: [], overwrite: false };
  const nothingOfRoute: Omit<VhostRouteEdit, 'prefix'> = { target: null, timeout: null, setHeaders: [], removeHeaders: [], allow: null, setUsers: [], removeUsers: [] };
  const hash = `$2b$12$${'a'.repeat(53)}`;
  const before: WireVhost = { ...site('a.example.org', [{ ...proxy('/', 'app1'), stripPrefix: true, keepEncoded: true, websocket: true, timeout: { seconds: 90, nanos: 0 }, headers: [{ name: 'X-A', value: '1' }] }, { ...plain, prefix: '/x', status: { code: 404, text: '' } }]), aliases: ['b.example.org'], users: [{ name: 'ada', hash }], allow: ['10.0.0.1'] };
  const edit = (more: Partial<VhostEdit>): WireVhost => editVhost(before, { ...nothing, ...more }, 'web1');
  const route = (more: Partial<VhostRouteEdit>): WireVhostRoute | undefined => edit({ setRoutes: [{ ...nothingOfRoute, prefix: '/', ...more }] }).routes.find(({ prefix }) => prefix === '/');

  it('of nothing leaves all as it is', () => {
    expect(edit({})).toEqual(before);
    expect(formatVhost(parseVhostDraft(edit({})))).toEqual(formatVhost(parseVhostDraft(before)));
    expect(route({})).toEqual(before.routes[0]);
  });

  it('adds, sets and removes what it names', () => {
    expect(edit({ addAliases: ['c.example.org', 'b.example.org'], removeAliases: [] }).aliases).toEqual(['c.example.org', 'b.example.org']);
    expect(edit({ removeAliases: ['b.example.org'], allow: { networks: [] }, title: 'A', hstsS: 0, defaultServer: true })).toMatchObject({ aliases: [], allow: [], title: 'A', hstsS: 0, defaultServer: true });
    expect(edit({ setUsers: [{ name: 'ada', hash: 'other' }, { name: 'bob', hash }], removeUsers: [] }).users).toEqual([{ name: 'ada', hash: 'other' }, { name: 'bob', hash }]);
    expect(edit({ addRoutes: [proxy('/y', 'app1')], removeRoutes: ['/x'] }).routes.map(({ prefix }) => prefix)).toEqual(['/', '/y']);
    expect(route({ setHeaders: [{ name: 'x-a', value: '2' }], websocket: false, timeout: { seconds: 0, nanos: 0 } })).toMatchObject({ headers: [{ name: 'x-a', value: '2' }], websocket: false, timeout: null, stripPrefix: true });
    expect(route({ removeHeaders: ['X-a'], stripPrefix: false })).toMatchObject({ headers: [], stripPrefix: false, keepEncoded: false });
    expect(route({ bodyLimitBytes: 5, open: true })).toMatchObject({ bodyLimitBytes: 5, open: true });
  });

  it('to another kind of target keeps what that has, too', () => {
    expect(route({ target: { ...plain, prefix: '/', uwsgi: to('app1') } })).toMatchObject({ uwsgi: to('app1'), stripPrefix: true, keepEncoded: false, websocket: false, timeout: { seconds: 90 } });
    const files = route({ target: { ...plain, prefix: '/', static: { folder: '/srv/x' } } });
    expect(files).toMatchObject({ static: { folder: '/srv/x' }, stripPrefix: false, timeout: null, headers: [{ name: 'X-A', value: '1' }] });
    expect(files).not.toHaveProperty('proxy');
    expect(() => parseVhostDraft({ ...before, routes: files === undefined ? [] : [files] })).not.toThrow();
  });

  it.each<[string, Partial<VhostEdit>, string]>([
    ['an alias that is not there', { removeAliases: ['x.example.org'] }, 'FIELD_INVALID'],
    ['a user who is not there', { removeUsers: ['bob'] }, 'FIELD_INVALID'],
    ['a snippet that is not there', { removeSnippets: ['x'] }, 'FIELD_INVALID'],
    ['a route that is not there', { removeRoutes: ['/y'] }, 'VHOST_UNKNOWN'],
    ['a route that is there', { addRoutes: [proxy('/x', 'app1')] }, 'VHOST_EXISTS'],
    ['certificates of clients and none', { clientCert: { mandatory: true, caPem: 'x', crlPem: '' }, noClientCert: true }, 'FIELD_INVALID'],
    ['a header that is not there', { setRoutes: [{ ...nothingOfRoute, prefix: '/', removeHeaders: ['X-B'] }] }, 'FIELD_INVALID'],
    ['a target that is none', { setRoutes: [{ ...nothingOfRoute, prefix: '/', target: { ...plain, prefix: '/' } }] }, 'FIELD_MISSING'],
    ['another route that is not there', { setRoutes: [{ ...nothingOfRoute, prefix: '/y' }] }, 'VHOST_UNKNOWN'],
  ])('refuses %s', (_name, more, code) => {
    expect(() => edit(more)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

import { describe, expect, it } from 'vitest';
import type { WireVhostRoute } from './vhost-route.js';
import { checkVhosts, formatVhost, mostVhost, parseSnippetName, parseVhost, parseVhostDraft, parseVhosts, resolveVhost, upstreamHosts, vhostDigestModel, vhostModelText, type WireVhost } from './vhost.js';

const at = (address: string, port: number, tls = false): { address: string; port: number; tls: boolean } => ({ address, port, tls });
const up = { address: '10.0.0.5', port: 8080, socket: '', host: '' };
const bare: WireVhostRoute = { prefix: '/', stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeout: null, headers: [], allow: [], users: [], open: false };
const route: WireVhostRoute = { ...bare, proxy: { to: up, tls: false, hostHeader: '' } };
const wire: WireVhost = {
  name: 'www.example.org', aliases: [], listens: [], defaultServer: false, redirectHttps: false, hstsS: 0, cert: '', routes: [route], bodyLimitBytes: 1, allow: [], users: [], clientCert: null, title: '', maintenance: false, retryAfterS: 0, snippets: [], overwrite: false,
};
const hash = `$2b$10$${'a'.repeat(53)}`;
const pem = '-----BEGIN CERTIFICATE-----\nMAYCAQECAQI=\n-----END CERTIFICATE-----\n';
const names = (many: number): string[] => Array.from({ length: many }, (_none, index) => `n${String(index)}.example`);

describe('a site', () => {
  it('is parsed into its canonical form', () => {
    expect(parseVhost({ ...wire, aliases: ['b.example', 'a.example'], allow: ['10.0.0.2', '10.0.0.1', '10.0.0.2'], snippets: ['b', 'a'], routes: [{ ...route, prefix: '/b' }, { ...bare, prefix: '/a', static: { folder: '/srv/www' } }] })).toEqual({
      name: 'www.example.org', aliases: ['a.example', 'b.example'], listens: [{ address: undefined, port: 80, tls: false }, { address: undefined, port: 443, tls: true }], defaultServer: false, redirectHttps: false, hstsS: 0, cert: undefined,
      routes: [
        { kind: 'static', folder: '/srv/www', prefix: '/a', headers: [], allow: [], users: [], open: false, bodyLimitBytes: undefined },
        {
          kind: 'proxy', to: { kind: 'address', address: '10.0.0.5', port: 8080 }, tls: false, hostHeader: undefined, stripPrefix: false, keepEncoded: false, websocket: false, unbuffered: false, timeoutS: 60, prefix: '/b', headers: [], allow: [], users: [], open: false,
          bodyLimitBytes: undefined,
        },
      ],
      bodyLimitBytes: 1, allow: ['10.0.0.1', '10.0.0.2'], users: [], clientCert: undefined, title: undefined, maintenance: undefined, snippets: ['a', 'b'], overwrite: false,
    });
    expect(parseVhost({ ...wire, maintenance: true }).maintenance).toEqual({ retryAfterS: 30 });
  });

  it.each<[string, Partial<WireVhost>, string]>([
    ['no name', { name: '' }, 'name'],
    ['a name with an underscore', { name: 'a_b.example' }, 'name'],
    ['its name as alias', { aliases: ['www.example.org'] }, 'aliases'],
    ['an alias twice', { aliases: ['a.example', 'a.example'] }, 'aliases'],
    ['an alias that is none', { aliases: ['a.example', 'b'] }, 'aliases[1]'],
    ['65 aliases', { aliases: names(65) }, 'aliases'],
    ['an address that is none', { listens: [at('0.0.0.0', 80)] }, 'listens[0].address'],
    ['a port of ours', { listens: [at('', 80), at('', 7421)] }, 'listens[1].port'],
    ['port 0', { listens: [at('', 0)] }, 'listens[0].port'],
    ['the same place twice', { listens: [at('', 80), at('', 80)] }, 'listens'],
    ['a port with and without TLS', { listens: [at('10.0.0.1', 443, true), at('10.0.0.2', 443)] }, 'listens'],
    ['17 places', { listens: Array.from({ length: 17 }, (_none, index) => at('', 8000 + index)) }, 'listens'],
    ['a redirection to TLS without TLS', { listens: [at('', 80)], redirectHttps: true }, 'redirectHttps'],
    ['a redirection to TLS from nowhere', { listens: [at('', 443, true)], redirectHttps: true }, 'redirectHttps'],
    ['hsts without TLS', { listens: [at('', 80)], hstsS: 1 }, 'hstsS'],
    ['hsts for too long', { hstsS: mostVhost.hstsS + 1 }, 'hstsS'],
    ['a certificate without TLS', { listens: [at('', 80)], cert: 'c' }, 'cert'],
    ['a name of a certificate that is none', { cert: '../x' }, 'cert'],
    ['certificates of clients without TLS', { listens: [at('', 80)], clientCert: { mandatory: true, caPem: pem, crlPem: '' } }, 'clientCert'],
    ['authorities that are none', { clientCert: { mandatory: true, caPem: 'x', crlPem: '' } }, 'clientCert.caPem'],
    ['no authorities', { clientCert: { mandatory: true, caPem: '', crlPem: '' } }, 'clientCert.caPem'],
    ['a certificate as revocation list', { clientCert: { mandatory: true, caPem: pem, crlPem: pem } }, 'clientCert.crlPem'],
    ['no routes', { routes: [] }, 'routes'],
    ['a prefix twice', { routes: [route, route] }, 'routes'],
    ['65 routes', { routes: Array.from({ length: 65 }, (_none, index) => ({ ...route, prefix: `/${String(index)}` })) }, 'routes'],
    ['too large a body', { bodyLimitBytes: 2 ** 40 + 1 }, 'bodyLimitBytes'],
    ['half a body', { bodyLimitBytes: 0.5 }, 'bodyLimitBytes'],
    ['a network with host bits', { allow: ['10.0.0.1', '10.0.0.1/8'] }, 'allow[1]'],
    ['a user twice', { users: [{ name: 'a', hash }, { name: 'a', hash }] }, 'users'],
    ['a title in two lines', { title: 'a\nb' }, 'title'],
    ['a time without maintenance', { retryAfterS: 1 }, 'retryAfterS'],
    ['a time that is too long', { maintenance: true, retryAfterS: 86_401 }, 'retryAfterS'],
    ['a snippet that is a path', { snippets: ['a', '../b'] }, 'snippets[1]'],
    ['nine snippets', { snippets: Array.from({ length: 9 }, (_none, index) => `s${String(index)}`) }, 'snippets'],
    ['more networks than fit', { routes: Array.from({ length: 11 }, (_none, index) => ({ ...route, prefix: `/${String(index)}`, allow: Array.from({ length: 50 }, (_nothing, more) => `10.0.${String(index)}.${String(more)}`) })) }, 'allow'],
    ['more text than fits', { routes: Array.from({ length: 20 }, (_none, index) => ({ ...bare, prefix: `/${String(index)}`, status: { code: 200, text: 'x'.repeat(1000) }, headers: Array.from({ length: 3 }, (_nothing, more) => ({ name: `X-${String(more)}`, value: 'y'.repeat(1000) })) })) }, 'routes'],
  ])('with %s is refused', (_what, over, field) => {
    expect(() => parseVhost({ ...wire, ...over })).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field }) as object }) as Error);
  });

  it.each<[string, Partial<WireVhostRoute>, string]>([
    ['no target', { proxy: null }, 'routes[0]'],
    ['two targets', { static: { folder: '/srv' } }, 'routes[0]'],
    ['a prefix that ends in a slash', { prefix: '/a/' }, 'routes[0].prefix'],
    ['the path of the probe', { prefix: '/.well-known/reeve-probe' }, 'routes[0].prefix'],
    ['no upstream', { proxy: { to: null, tls: false, hostHeader: '' } }, 'routes[0].proxy.to'],
    ['an empty upstream', { proxy: { to: { ...up, address: '' }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to'],
    ['two upstreams', { proxy: { to: { ...up, socket: '/run/x' }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to'],
    ['a port of a socket', { proxy: { to: { ...up, address: '', socket: '/run/x' }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to.port'],
    ['no port', { proxy: { to: { ...up, port: 0 }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to.port'],
    ['a name that needs DNS', { proxy: { to: { ...up, address: 'db.example' }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to.address'],
    ['a host of the inventory', { proxy: { to: { ...up, address: '', host: 'web1' }, tls: false, hostHeader: '' } }, 'routes[0].proxy.to.host'],
    ['a host of the inventory by uwsgi', { proxy: null, uwsgi: { ...up, address: '', host: 'web1' } }, 'routes[0].uwsgi.host'],
    ['a Host header that is none', { proxy: { to: up, tls: false, hostHeader: 'a"b' } }, 'routes[0].proxy.hostHeader'],
    ['what is kept of a path that is not cut', { keepEncoded: true }, 'routes[0].keepEncoded'],
    ['websockets of a folder', { proxy: null, static: { folder: '/srv' }, websocket: true }, 'routes[0].websocket'],
    ['a time of a folder', { proxy: null, spa: { folder: '/srv' }, timeout: { seconds: 1, nanos: 0 } }, 'routes[0].timeout'],
    ['an encoded path by uwsgi', { proxy: null, uwsgi: up, stripPrefix: true, keepEncoded: true }, 'routes[0].keepEncoded'],
    ['half a second', { timeout: { seconds: 0, nanos: 500_000_000 } }, 'routes[0].timeout'],
    ['no time', { timeout: { seconds: 0, nanos: 0 } }, 'routes[0].timeout'],
    ['too much time', { timeout: { seconds: 86_401, nanos: 0 } }, 'routes[0].timeout'],
    ['a header twice', { headers: [{ name: 'X-A', value: '1' }, { name: 'x-a', value: '2' }] }, 'routes[0].headers'],
    ['a header with a line end', { headers: [{ name: 'X-A', value: 'a\r\nb' }] }, 'routes[0].headers[0].value'],
    ['users where nobody is asked', { open: true, users: [{ name: 'a', hash }] }, 'routes[0].open'],
    ['a script that is none', { proxy: null, php: { folder: '/srv', socket: '/run/x', frontController: '/index.html', denied: [] } }, 'routes[0].php.frontController'],
    ['everything denied', { proxy: null, php: { folder: '/srv', socket: '/run/x', frontController: '', denied: ['/a', '/'] } }, 'routes[0].php.denied[1]'],
    ['no folder', { proxy: null, static: { folder: '' } }, 'routes[0].static.folder'],
    ['a code that redirects nowhere', { proxy: null, redirect: { to: '/x', code: 303, keepPath: false } }, 'routes[0].redirect.code'],
    ['a query before a path', { proxy: null, redirect: { to: '/x?y', code: 301, keepPath: true } }, 'routes[0].redirect.to'],
    ['an answer that is a redirection', { proxy: null, status: { code: 302, text: 'https://evil.example' } }, 'routes[0].status.code'],
    ['more text than nginx reads', { proxy: null, status: { code: 200, text: '$'.repeat(300) } }, 'routes[0].status.text'],
  ])('of a route with %s is refused', (_what, over, field) => {
    expect(() => parseVhost({ ...wire, routes: [{ ...route, ...over }] })).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field }) as object }) as Error);
  });

  it('is named by its place in a set', () => {
    expect(() => parseVhosts([wire, { ...wire, name: 'b.example', routes: [{ ...route, prefix: 'x' }] }])).toThrow('vhosts[1].routes[0].prefix');
  });

  it('is known by all of its model but whether it is written over', () => {
    const text = vhostModelText(parseVhost(wire));
    expect(vhostModelText(parseVhost({ ...wire, overwrite: true }))).toBe(text);
    expect(vhostModelText(parseVhost(formatVhost(parseVhost(wire))))).toBe(text);
    expect(vhostModelText(parseVhost({ ...wire, bodyLimitBytes: 2 }))).not.toBe(text);
    expect(JSON.parse(text)).toMatchObject({ name: 'www.example.org', listens: [{ port: 80 }, { port: 443 }] });
  });
});

describe('a site as operators say it', () => {
  const draft = parseVhostDraft({ ...wire, routes: [{ ...route, proxy: { to: { ...up, address: '', host: 'web2' }, tls: true, hostHeader: '' } }, { ...bare, prefix: '/u', uwsgi: { ...up, address: '', host: 'web1' } }, { ...bare, prefix: '/r', redirect: { to: '/', code: 301, keepPath: false } }, { ...route, prefix: '/a' }] });

  it('names hosts of the inventory', () => {
    expect(upstreamHosts(draft)).toEqual(['web1', 'web2']);
    expect(parseVhostDraft(formatVhost(draft))).toEqual(draft);
  });

  it('has their addresses before it goes to a host', () => {
    const site = resolveVhost(draft, (host) => (host === 'web1' ? 'fd00::1' : '10.0.0.2'));
    expect(parseVhost(formatVhost(site))).toEqual(site);
    expect(upstreamHosts(site)).toEqual([]);
    expect(site.routes.map((one) => ('stripPrefix' in one ? one.to : one.kind))).toEqual([{ kind: 'address', address: '10.0.0.2', port: 8080 }, { kind: 'address', address: '10.0.0.5', port: 8080 }, 'redirect', { kind: 'address', address: 'fd00::1', port: 8080 }]);
  });
});

describe('the sites of a host', () => {
  const site = (name: string, over: Partial<WireVhost> = {}): WireVhost => ({ ...wire, name, ...over });
  it('are sorted by name', () => {
    expect(parseVhosts([site('b.example'), site('*.b.example'), site('a.example')]).map(({ name }) => name)).toEqual(['*.b.example', 'a.example', 'b.example']);
  });

  it.each<[string, WireVhost[], string]>([
    ['the same name', [site('a.example'), site('a.example')], 'name of site a.example'],
    ['the name of another as alias', [site('a.example'), site('b.example', { aliases: ['a.example'] })], 'name of site b.example'],
    ['two default servers', [site('a.example', { defaultServer: true }), site('b.example', { defaultServer: true })], 'default server of site b.example'],
    ['a port with TLS and without', [site('a.example'), site('b.example', { listens: [at('', 443)] })], 'listen of site b.example'],
    ['a port with TLS and without on addresses', [site('a.example', { listens: [at('10.0.0.1', 443, true)] }), site('b.example', { listens: [at('10.0.0.2', 443)] })], 'listen of site b.example'],
    ['a port on all addresses and on one', [site('a.example'), site('b.example', { listens: [at('10.0.0.1', 80)] })], 'listen of site b.example'],
  ])('with %s are refused', (_what, sites, field) => {
    expect(() => parseVhosts(sites)).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field }) as object }) as Error);
  });

  it('may have a name and all below it, and default servers in different places', () => {
    expect(() => checkVhosts(parseVhosts([site('example.org'), site('*.example.org')]))).not.toThrow();
    expect(() => parseVhosts([site('a.example', { defaultServer: true, listens: [at('10.0.0.1', 80)] }), site('b.example', { defaultServer: true, listens: [at('10.0.0.2', 80), at('10.0.0.1', 81)] })])).not.toThrow();
  });

  it('are at most 2000', () => {
    expect(() => parseVhosts(names(2001).map((name) => site(name)))).toThrow('at most 2000');
  });

  it('have a digest of what is there', () => {
    const [a, b] = [{ name: 'a.example', state: 'ok', modelSha: '01' }, { name: 'b.example', state: 'edited', modelSha: '02' }] as const;
    expect(vhostDigestModel([b, a])).toEqual([{ name: 'a.example', state: 'ok', model: '01' }, { name: 'b.example', state: 'edited', model: '02' }]);
  });
});

describe('a name of a snippet', () => {
  it.each(['realip', '0', 'a_b-c'])('%s is one', (name) => {
    expect(parseSnippetName('snippet', name)).toBe(name);
  });
  it.each(['', 'A', '-a', '_a', 'a.conf', 'a/b', '..', 'a b', 'a'.repeat(64), 'a\n'])('%j is none', (name) => {
    expect(() => parseSnippetName('snippet', name)).toThrow();
  });
});

import { describe, expect, it } from 'vitest';
import type { WireVhost } from '../../../shared/model/vhost.js';
import { nginx } from './engine.js';
import { route, sampleHash, samplePem, site, upstream } from './testing/sample.js';

const sha = '0123456789abcdef'.repeat(4);
const users = [{ name: 'ada', hash: sampleHash }];
const confOf = (over: Partial<WireVhost>): string => nginx(true).render(site(over), sha)[0]?.text ?? '';

/** Each shows something that no other does; the file tells the whole. */
const golden: readonly [string, Partial<WireVhost>][] = [
  ['proxy', {}],
  ['hostile-texts', { title: 'Tom & "Jerry\'s" $host \\ {} ; #', routes: [route({ headers: [{ name: 'X-Evil', value: '"; } $host ${host} \\" # {' }] }), route({ prefix: '/said', status: { code: 200, text: '"; return 200 "$host\\" größer' } })] }],
  ['redirect-https', { aliases: ['*.example.org', 'example.org'], redirectHttps: true, hstsS: 31_536_000, cert: 'example.org', defaultServer: true, routes: [route({ static: { folder: '/srv/www' }, headers: [{ name: 'X-Frame-Options', value: 'DENY' }] })] }],
  ['hsts-beside-http', { hstsS: 300, routes: [route({ status: { code: 200, text: 'ok' } })] }],
  ['addresses', { listens: [{ address: '192.0.2.7', port: 8080, tls: false }, { address: '2001:db8::7', port: 8443, tls: true }], redirectHttps: true }],
  ['prefixes', { routes: [route({ prefix: '/conf' }), route({ prefix: '/conf2.d', status: { code: 404, text: '' } })] }],
  ['strip', { routes: [route({ prefix: '/app', stripPrefix: true }), route({ prefix: '/raw.v1', stripPrefix: true, keepEncoded: true, websocket: true, unbuffered: true, timeout: { seconds: 3600, nanos: 0 } })] }],
  ['upstreams', {
    routes: [
      route({ proxy: { to: upstream({ socket: '/run/app.sock' }), tls: false, hostHeader: 'inner.example:81' } }), route({ prefix: '/tls', proxy: { to: upstream({ address: 'fd00::5', port: 443 }), tls: true, hostHeader: '' } }),
      route({ prefix: '/named', proxy: { to: upstream({ address: '10.0.0.5', port: 443 }), tls: true, hostHeader: 'inner.example:8443' } }),
    ],
  }],
  ['gateways', { routes: [route({ uwsgi: upstream({ socket: '/run/uwsgi/app.sock' }) }), route({ prefix: '/cgi', fastcgi: upstream({ address: '127.0.0.1', port: 9000 }), stripPrefix: true, unbuffered: true })] }],
  ['php', { name: '*.example.org', routes: [route({ php: { folder: '/srv/www', socket: '/run/php/php8.2-fpm.sock', frontController: '/index.php', denied: ['/uploads', '/wp-config.php'] } }), route({ prefix: '/plain', php: { folder: '/srv/plain', socket: '/run/php/php8.2-fpm.sock', frontController: '', denied: [] }, timeout: { seconds: 5, nanos: 0 } })] }],
  ['folders', { routes: [route({ spa: { folder: '/srv/app' } }), route({ prefix: '/files', static: { folder: '/srv/files' } }), route({ prefix: '/admin/ui', spa: { folder: '/srv/ui' } })] }],
  ['redirects', { routes: [route({ redirect: { to: 'https://new.example/base/', code: 308, keepPath: true } }), route({ prefix: '/home', redirect: { to: '/', code: 302, keepPath: true } }), route({ prefix: '/one', redirect: { to: 'https://new.example/x?a=$b#c', code: 301, keepPath: false } })] }],
  ['access', {
    users, allow: ['10.0.0.0/8', 'fd00::/8'],
    routes: [route({}), route({ prefix: '/open', open: true, status: { code: 200, text: 'for all of them' } }), route({ prefix: '/own', users: [{ name: 'bob', hash: sampleHash }], allow: ['192.0.2.1'], bodyLimitBytes: 0 }), route({ prefix: '/moved', redirect: { to: '/own', code: 307, keepPath: true } })],
  }],
  ['client-cert', { clientCert: { mandatory: true, caPem: samplePem('CERTIFICATE'), crlPem: samplePem('X509 CRL') }, routes: [route({ prefix: '/app' })] }],
  ['client-cert-optional', { redirectHttps: true, clientCert: { mandatory: false, caPem: samplePem('CERTIFICATE'), crlPem: '' } }],
  ['maintenance', { redirectHttps: true, hstsS: 300, maintenance: true, retryAfterS: 600, title: 'The <Shop>', snippets: ['realip'] }],
  ['snippets', { snippets: ['realip', 'extra_2'], bodyLimitBytes: 0 }],
];

describe('the files of a site', () => {
  it.each(golden)('%s is as it was looked at by a person', async (name, over) => {
    const files = nginx(true).render(site(over), sha);
    const text = files.map((file) => (file.kind === 'conf' ? file.text : `\n# file ${file.name}\n${file.text}`)).join('');
    await expect(text).toMatchFileSnapshot(`golden/${name}.conf`);
  });

  it('listen on all addresses of IPv4 where the kernel has no IPv6', () => {
    const [text = ''] = nginx(false).render(site({ listens: [{ address: '', port: 80, tls: false }, { address: '', port: 443, tls: true }], redirectHttps: true }), sha).map((file) => file.text);
    expect(text.match(/listen .*;/g)).toEqual(['listen 80;', 'listen 443 ssl http2;']);
    expect(nginx(false).render(site({ listens: [{ address: '2001:db8::7', port: 80, tls: false }] }), sha)[0]?.text).toContain('listen "[2001:db8::7]:80";');
  });

  it('are named after its first name', () => {
    const files = nginx(true).render(site({ name: '*.example.org', users, clientCert: { mandatory: false, caPem: samplePem('CERTIFICATE'), crlPem: samplePem('X509 CRL') } }), sha);
    expect(files.map(({ name, kind }) => [name, kind])).toEqual([['_.example.org.conf', 'conf'], ['_.example.org.auth', 'auth'], ['_.example.org.ca', 'ca'], ['_.example.org.crl', 'crl']]);
  });

  it('say the same for the same model, and only the first line and the probe know its digest', () => {
    expect(confOf({})).toBe(confOf({}));
    const other = nginx(true).render(site({}), 'f'.repeat(64))[0]?.text ?? '';
    expect(other.replaceAll('f'.repeat(64), sha)).toBe(confOf({}));
    expect(confOf({}).split(sha)).toHaveLength(3);
  });

  it('keep the names of files of users when other routes come and go', () => {
    const names = (prefixes: readonly string[]): string[] => nginx(true).render(site({ routes: prefixes.map((prefix) => route({ prefix, users })) }), sha).filter(({ kind }) => kind === 'auth').map(({ name }) => name);
    const [, , ofB] = names(['/', '/a', '/b']);
    expect(names(['/b'])).toEqual([ofB]);
    expect(new Set(names(['/', '/a', '/b', '/c/d'])).size).toBe(4);
    expect(ofB).toMatch(/^www\.example\.org\.auth[1-9][0-9]{0,9}$/);
  });

  it('are below a mebibyte for the largest site that the model takes', () => {
    const prefix = (index: number): string => `/${'p'.repeat(60)}${String(index)}`;
    const largest = site({
      aliases: Array.from({ length: 64 }, (_none, index) => `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.n${String(index)}.example`), hstsS: 1,
      allow: Array.from({ length: 64 }, (_none, index) => `2001:db8:1:2:3:4:5:${(index + 1).toString(16)}`),
      routes: Array.from({ length: 64 }, (_none, index) => route({
        prefix: prefix(index), stripPrefix: true, keepEncoded: true, websocket: true, allow: Array.from({ length: 7 }, (_nothing, more) => `2001:db8:${String(index)}:2:3:4:5:${String(more + 1)}`),
        headers: Array.from({ length: 4 }, (_nothing, more) => ({ name: `X-${'h'.repeat(40)}${String(more)}`, value: '$'.repeat(13) })),
      })),
    });
    const bytes = Buffer.byteLength(nginx(true).render(largest, sha)[0]?.text ?? '');
    expect(bytes).toBeGreaterThan(400 * 1024);
    expect(bytes).toBeLessThan(1024 * 1024);
  });
});

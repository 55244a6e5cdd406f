import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareSync } from 'bcryptjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../shared/errors/catalogue.js';
import { reeveError } from '../../shared/errors/error.js';
import { answers } from './testing/answer.js';
import { startCoordinator, type CannedCoordinator } from './testing/coordinator.js';
import { runCaptured } from './testing/terminal.js';

const add = ['vhost', 'add', 'web1', 'app.example.org'];
const set = ['vhost', 'set', 'web1', 'app.example.org'];
const route = (action: string): string[] => ['vhost', 'route', action, 'web1', 'app.example.org'];
const to = ['--to', 'http://127.0.0.1:8080'];

const pem = (label: string): string => `-----BEGIN ${label}-----\n${Buffer.concat([Buffer.from([0x30, 0x2e]), Buffer.alloc(46, 7)]).toString('base64')}\n-----END ${label}-----\n`;

describe('reeve vhost', () => {
  let coordinator: CannedCoordinator;
  let folder: string;
  beforeAll(async () => {
    coordinator = await startCoordinator();
    folder = mkdtempSync(join(tmpdir(), 'reeve-vhost-'));
    writeFileSync(join(folder, 'ca.pem'), `text before\r\n${pem('CERTIFICATE')}`);
    writeFileSync(join(folder, 'crl.pem'), pem('X509 CRL'));
  });
  afterAll(async () => {
    await coordinator.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    coordinator.answers = answers;
    coordinator.requests.length = 0;
  });
  const run = (line: readonly string[], options = {}) => runCaptured(coordinator.socket, line, options);
  const asked = () => coordinator.requests.map(({ request }) => request);

  const upstream = { address: '127.0.0.1', port: 8080, socket: '', host: '' };
  const site = { name: 'app.example.org', aliases: [], listens: [], defaultServer: false, redirectHttps: true, hstsS: 0, cert: '', bodyLimitBytes: 104_857_600, allow: [], users: [], clientCert: null, title: '', maintenance: false, snippets: [], overwrite: false };
  const adds: readonly (readonly [args: readonly string[], vhost: object])[] = [
    [to, { ...site, routes: [{ prefix: '/', proxy: { to: upstream, tls: false, hostHeader: '' }, target: 'proxy', stripPrefix: false, timeout: null, headers: [] }] }],
    [['--to', 'https://app1:8443', '--host-header', 'app.example.org', '--websocket', '--unbuffered', '--timeout', '5m'], { routes: [{ proxy: { to: { ...upstream, address: '', host: 'app1', port: 8443 }, tls: true, hostHeader: 'app.example.org' }, websocket: true, unbuffered: true, timeout: { seconds: 300 } }] }],
    [['--to', 'unix:/run/app.sock'], { routes: [{ proxy: { to: { socket: '/run/app.sock', address: '', port: 0 } } }] }],
    [['--to', 'uwsgi:/srv/app.sock'], { routes: [{ uwsgi: { socket: '/srv/app.sock' } }] }],
    [['--to', 'fastcgi:127.0.0.1:9000'], { routes: [{ fastcgi: { address: '127.0.0.1', port: 9000 } }] }],
    [['--php', '/srv/wiki', '--php-socket', '/run/php/fpm.sock', '--front-controller', '/index.php', '--deny', '/private', '--deny', '/conf'], { routes: [{ php: { folder: '/srv/wiki', socket: '/run/php/fpm.sock', frontController: '/index.php', denied: ['/private', '/conf'] } }] }],
    [['--static', '/srv/www'], { routes: [{ static: { folder: '/srv/www' } }] }],
    [['--spa', '/srv/app'], { routes: [{ spa: { folder: '/srv/app' } }] }],
    [['--redirect', 'https://new.example.org/x', '--code', '308', '--keep-path'], { routes: [{ redirect: { to: 'https://new.example.org/x', code: 308, keepPath: true } }] }],
    [['--status', '410', '--text', 'gone: "quoted" $1 {}; \\'], { routes: [{ status: { code: 410, text: 'gone: "quoted" $1 {}; \\' } }] }],
    [[...to, '--no-tls'], { listens: [{ address: '', port: 80, tls: false }], redirectHttps: false }],
    [[...to, '--listen', '8088', '--no-tls', '--default'], { listens: [{ port: 8088, tls: false }], defaultServer: true, redirectHttps: false }],
    [[...to, '--listen', '443', '--no-tls'], { listens: [{ port: 443, tls: false }] }],
    [[...to, '--listen', '192.0.2.1:80', '--listen', '[2001:db8::1]:443/tls', '--no-redirect-https'], { listens: [{ address: '192.0.2.1', port: 80, tls: false }, { address: '2001:db8::1', port: 443, tls: true }], redirectHttps: false }],
    [[...to, '--alias', 'www.app.example.org', '--alias', '*.app.example.org', '--cert', 'app', '--hsts', '1y', '--title', 'Ada’s App', '--snippet', 'extra', '--overwrite'], { aliases: ['www.app.example.org', '*.app.example.org'], cert: 'app', hstsS: 31_536_000, title: 'Ada’s App', snippets: ['extra'], overwrite: true }],
    [[...to, '--body-limit', '50m', '--allow', '10.0.0.0/8', '--allow', '192.0.2.9/32', '--header', 'X-Odd: "a" $b; {c}'], { bodyLimitBytes: 52_428_800, allow: ['10.0.0.0/8', '192.0.2.9'], routes: [{ headers: [{ name: 'X-Odd', value: '"a" $b; {c}' }] }] }],
    [[...to, '--body-limit', '0', '--hsts', '0'], { bodyLimitBytes: 0, hstsS: 0 }],
  ];
  it.each(adds)('add %j sends what was typed', async (args, vhost) => {
    const ran = await run([...add, ...args, '--yes']);
    expect(ran.err).toBe('');
    expect(asked()).toMatchObject([{ host: 'web1', options: { mode: 'CHANGE_MODE_APPLY' }, vhost }]);
  });

  const edits: readonly (readonly [line: readonly string[], edit: object])[] = [
    [[...set, '--alias', 'b.example.org', '--no-alias', 'c.example.org'], { addAliases: ['b.example.org'], removeAliases: ['c.example.org'], listens: null, allow: null, setRoutes: [] }],
    [[...set, ...to, '--no-websocket', '--no-header', 'X-A'], { setRoutes: [{ prefix: '/', target: { proxy: { to: upstream } }, websocket: false, removeHeaders: ['X-A'] }] }],
    [[...set, '--no-tls'], { listens: { listens: [{ port: 80, tls: false }] }, redirectHttps: false, hstsS: 0, cert: '' }],
    [[...set, '--listen', '80', '--listen', '8443'], { listens: { listens: [{ port: 80, tls: false }, { port: 8443, tls: true }] }, redirectHttps: true }],
    [[...set, '--no-allow', '--no-user', 'ada', '--no-cert', '--no-default', '--no-title', '--no-client-ca', '--no-snippet', 'x'], { allow: { networks: [] }, removeUsers: ['ada'], cert: '', defaultServer: false, title: '', noClientCert: true, removeSnippets: ['x'] }],
    [[...set, '--overwrite'], { overwrite: true }],
    [[...route('add'), '/api', '--to', 'http://app1:80', '--strip-prefix', '--keep-encoded', '--open', '--allow', '10.0.0.1', '--body-limit', '1k'], { addRoutes: [{ prefix: '/api', stripPrefix: true, keepEncoded: true, open: true, allow: ['10.0.0.1'], bodyLimitBytes: 1024 }], overwrite: false }],
    [[...route('set'), '/api', '--timeout', '90s', '--no-strip-prefix', '--no-open', '--no-allow', '--overwrite'], { setRoutes: [{ prefix: '/api', target: null, timeout: { seconds: 90 }, stripPrefix: false, open: false, allow: { networks: [] } }], overwrite: true }],
    [[...route('remove'), '/api'], { removeRoutes: ['/api'], addRoutes: [], setRoutes: [] }],
  ];
  it.each(edits)('%j sends what was typed', async (line, edit) => {
    const ran = await run([...line, '--plan']);
    expect(ran.err).toBe('');
    expect(coordinator.requests).toMatchObject([{ method: 'VhostService.SetVhost', request: { host: 'web1', name: 'app.example.org', options: { mode: 'CHANGE_MODE_PLAN' }, edit } }]);
  });

  it('of the other verbs send what was typed', async () => {
    await run(['vhost', 'remove', 'web1', '*.example.org', '--stage']);
    await run(['vhost', 'maintenance', 'on', 'web1', 'app.example.org', '--retry-after', '5m', '--yes']);
    await run(['vhost', 'maintenance', 'off', 'web1', 'app.example.org', '--yes']);
    await run(['vhost', 'list', '--on', 'role=web']);
    await run(['vhost', 'list', 'web1']);
    await run(['vhost', 'show', 'web1', 'app.example.org']);
    await run(['vhost', 'foreign', 'web1']);
    await run(['proxy', 'reload', 'web1']);
    await run(['completion', 'vhosts', 'web1']);
    expect(coordinator.requests).toMatchObject([
      { method: 'VhostService.RemoveVhost', request: { host: 'web1', name: '*.example.org', options: { mode: 'CHANGE_MODE_STAGE' } } },
      { method: 'VhostService.SetMaintenance', request: { on: true, retryAfterS: 300 } },
      { method: 'VhostService.SetMaintenance', request: { on: false, retryAfterS: 0 } },
      { method: 'VhostService.ListVhosts', request: { selector: 'role=web' } },
      { method: 'VhostService.ListVhosts', request: { selector: 'web1' } },
      { method: 'VhostService.ShowVhost', request: { host: 'web1', name: 'app.example.org' } },
      { method: 'VhostService.ObserveVhosts', request: { host: 'web1' } },
      { method: 'VhostService.ReloadProxy', request: { host: 'web1' } },
      { method: 'VhostService.ListVhosts', request: { selector: 'web1' } },
    ]);
  });

  it('reads the files about certificates of clients, and refuses what is none', async () => {
    const ca = join(folder, 'ca.pem');
    const crl = join(folder, 'crl.pem');
    expect(await run([...add, ...to, '--client-ca', ca, '--client-crl', crl, '--client-cert', 'optional', '--yes'])).toMatchObject({ exit: 0 });
    expect(asked()).toMatchObject([{ vhost: { clientCert: { mandatory: false, caPem: pem('CERTIFICATE'), crlPem: pem('X509 CRL') } } }]);
    expect((await run([...add, ...to, '--client-ca', crl, '--yes'])).err).toContain('--client-ca');
    expect((await run([...add, ...to, '--client-ca', '/nowhere', '--yes'])).err).toContain('--client-ca "/nowhere" is not allowed: a file that can be read');
    expect((await run([...add, ...to, '--client-crl', crl, '--yes'])).err).toContain('--client-ca is missing');
  });

  const hashes = (): string[] => {
    const [request] = asked() as { vhost: { users: { name: string; hash: string }[] } }[];
    return (request?.vhost.users ?? []).map(({ hash }) => hash);
  };

  it('asks for a password twice and sends its hash only', async () => {
    const ran = await run([...add, ...to, '--user', 'ada', '--yes'], { answer: 'y', secret: 'correct horse' });
    expect(ran).toMatchObject({ exit: 0, asked: ['Password of ada: ', 'The same again: '] });
    const [hash = ''] = hashes();
    expect(hash).toMatch(/^\$2b\$10\$/);
    expect(compareSync('correct horse', hash)).toBe(true);
    expect(JSON.stringify(coordinator.requests)).not.toContain('correct horse');
  });

  it('reads passwords of standard input, a line for each', async () => {
    expect(await run([...add, ...to, '--user', 'ada', '--user', 'bob', '--password-stdin', '--yes'], { input: 'one word\nanother\n' })).toMatchObject({ exit: 0, asked: [] });
    const [ada = '', bob = ''] = hashes();
    expect([compareSync('one word', ada), compareSync('another', bob)]).toEqual([true, true]);
  });

  it.each<[string, readonly string[], object, string]>([
    ['nobody can be asked', ['--user', 'ada', '--yes'], {}, '--password-stdin is missing: nobody can be asked here'],
    ['too few lines', ['--user', 'ada', '--user', 'bob', '--password-stdin', '--yes'], { input: 'one\n' }, 'standard input "1 lines" is not allowed: a line for each --user: 2'],
    ['an empty one', ['--user', 'ada', '--password-stdin', '--yes'], { input: '\n' }, 'password of ada is missing'],
    ['one that is too long', ['--user', 'ada', '--password-stdin', '--yes'], { input: `${'x'.repeat(73)}\n` }, 'password of ada "it" is not allowed: 1 to 72 bytes'],
    ['nobody whose it is', ['--password-stdin', '--yes'], { input: 'x\n' }, '--user is missing'],
    ['a name twice', ['--user', 'ada', '--user', 'ada', '--password-stdin', '--yes'], { input: 'x\ny\n' }, '--user "ada" is not allowed: each user once'],
  ])('refuses passwords: %s', async (_name, args, options, says) => {
    const ran = await run([...add, ...to, ...args], options);
    expect(ran.err).toContain(says);
    expect(coordinator.requests).toEqual([]);
  });

  const mistakes: readonly (readonly [line: readonly string[], says: string])[] = [
    [['vhost', 'add', 'web1', 'Upper.example.org', ...to], 'name "Upper.example.org" is not allowed'],
    [['vhost', 'add', 'web1', 'single', ...to], 'name "single" is not allowed'],
    [['vhost', 'add', 'web1', '192.0.2.1', ...to], 'name "192.0.2.1" is not allowed'],
    [['vhost', 'add', 'web1', 'a.*.example.org', ...to], 'name "a.*.example.org" is not allowed'],
    [add, 'where it leads is missing: one of --to, --php, --static, --spa, --redirect, --status'],
    [[...add, ...to, '--static', '/srv/x'], '--static "given" is not allowed: it cannot stand with --to: a route leads to one place'],
    [[...add, '--static', '/srv/x', '--code', '301'], '--code "given" is not allowed: it goes with --redirect'],
    [[...add, ...to, '--php-socket', '/run/x'], '--php-socket "given" is not allowed: it goes with --php'],
    [[...add, '--php', '/srv/x'], '--php-socket is missing'],
    [[...add, '--to', 'http://name.that.needs.dns:80/x'], '--to "http://name.that.needs.dns:80/x" is not allowed'],
    [[...add, '--to', 'http://127.0.0.1:80/$evil'], '--to "http://127.0.0.1:80/$evil" is not allowed'],
    [[...add, '--to', 'gopher://127.0.0.1:80'], '--to "gopher://127.0.0.1:80" is not allowed'],
    [[...add, '--static', '/srv/../etc'], '--static "/srv/../etc" is not allowed'],
    [[...add, '--redirect', 'https://x.example.org/"; root /'], '--redirect'],
    [[...add, '--redirect', 'https://x.example.org', '--code', '303'], '--code "303" is not allowed: 301, 302, 307, 308'],
    [[...add, '--status', '204'], '--status "204" is not allowed'],
    [[...add, ...to, '--header', 'Content-Length: 3'], '--header.name "Content-Length" is not allowed'],
    [[...add, ...to, '--header', 'X: a\r\nSet-Cookie: b'], '--header.value'],
    [[...add, ...to, '--listen', '70000'], '--listen'],
    [[...add, ...to, '--listen', '7420'], '--listen "7420" is not allowed'],
    [[...add, ...to, '--listen', '443/tls', '--no-tls'], '--listen "443/tls" is not allowed: none with TLS: --no-tls was given'],
    [[...add, ...to, '--allow', '10.0.0.1/8'], '--allow "10.0.0.1/8" is not allowed'],
    [[...add, ...to, '--title', 'a\u202eb'], 'title'],
    [[...add, ...to, '--hsts', '3y'], '--hsts "3y" is not allowed'],
    [[...add, ...to, '--body-limit', '1t'], '--body-limit "1t" is not allowed'],
    [[...add, ...to, '--timeout', '2d'], '--timeout "2d" is not allowed: 1s to 1d'],
    [[...add, ...to, '--keep-encoded'], 'only with stripPrefix'],
    [[...add, '--static', '/srv/x', '--websocket'], 'nothing for a route of this kind'],
    [[...add, ...to, '--no-tls', '--cert', 'x'], '--cert "given" is not allowed: it cannot stand with --no-tls'],
    [[...add, ...to, '--redirect-https', '--listen', '80'], 'redirectHttps "true" is not allowed'],
    [set, 'what is to be altered is missing: at least one option'],
    [[...set, '--allow', '10.0.0.1', '--no-allow'], '--no-allow "given" is not allowed: it cannot stand with --allow'],
    [[...set, '--websocket', '--no-websocket'], '--no-websocket "given" is not allowed: it cannot stand with --websocket'],
    [[...route('set'), '/api'], 'what is to be altered is missing'],
    [[...route('add'), '/api'], 'where it leads is missing'],
    [[...route('add'), '/api/', ...to], 'prefix "/api/" is not allowed'],
    [[...route('add'), '/api', ...to, '--no-open'], '--no-open "given" is not allowed: it goes with set'],
    [[...route('remove'), '/api', ...to], '--to "given" is not allowed: nothing goes with remove'],
    [[...route('alter'), '/api'], 'action "alter" is not allowed: one of add, set, remove'],
    [['vhost', 'maintenance', 'off', 'web1', 'app.example.org', '--retry-after', '5m'], '--retry-after "5m" is not allowed: it goes with on'],
    [['vhost', 'maintenance', 'on', 'web1', 'app.example.org', '--retry-after', '2d'], '--retry-after "2d" is not allowed: 1s to 1d'],
    [['vhost', 'list', 'web1', '--on', 'all'], '--on "all" is not allowed: it cannot stand with the name of a host'],
    [['vhost', 'adopt', 'web1', 'app'], 'the file is missing: its absolute path on the host'],
    [['vhost', 'adopt', 'web1', '/etc/nginx/x', '--without', '1,x'], '--without "x" is not allowed'],
  ];
  it.each(mistakes)('refuses %j before it asks anybody', async (line, says) => {
    const ran = await run([...line, ...(line[1] === 'list' ? [] : ['--yes'])]);
    expect(ran.err).toContain(says);
    expect(ran).toMatchObject({ exit: 2, out: '' });
    expect(coordinator.requests).toEqual([]);
  });

  it.each([['VHOST_EXISTS', 2], ['VHOST_UNKNOWN', 2], ['VHOST_UPSTREAM', 2], ['CERT_UNKNOWN', 2], ['NAT_EXISTS', 2], ['VHOST_ADOPT', 1], ['HOST_UNREACHABLE', 3]] as const satisfies readonly (readonly [ErrorCode, number])[])(
    'that the coordinator refuses with %s exits %i',
    async (code, exit) => {
      coordinator.answers = {
        'VhostService.AddVhost': () => {
          throw reeveError(code, { host: 'web1', value: 'x', rule: 'no', reason: 'away' });
        },
      };
      expect(await run([...add, ...to, '--yes'])).toMatchObject({ exit, out: '' });
    },
  );

  it('shows a diff in colours where the terminal has them, every line escaped', async () => {
    const { out } = await run([...set, '--title', 'App', '--plan'], { color: true });
    expect(out).toContain('\u001b[31m-    # title app.example.org\u001b[0m\n');
    expect(out).toContain('\u001b[32m+    # title App\u001b[0m\n');
    expect(out).toContain('\u001b[2m@@ -1,3 +1,3 @@\u001b[0m\n');
  });

  it('adopt shows what is left out, asks, and tells with the errors what has to be given up', async () => {
    const asking = await run(['vhost', 'adopt', 'web1', '/etc/nginx/sites-enabled/app'], { answer: 'n' });
    expect(asking).toMatchObject({ exit: 1, asked: ['Apply? [y/N] '] });
    expect(asking.out).toMatch(/^Left out:\nLINE {2}DIRECTIVE/);
    expect(asking.out).not.toContain('auth_basic');
    expect(asked()).toMatchObject([{ host: 'web1', file: '/etc/nginx/sites-enabled/app', without: [], cert: '', users: [] }, { options: { mode: 'CHANGE_MODE_PLAN' } }]);
    coordinator.requests.length = 0;
    expect(await run(['vhost', 'adopt', 'web1', '/etc/nginx/sites-enabled/app'])).toMatchObject({ exit: 2 });
    expect(coordinator.requests).toEqual([]);
    const json = await run(['vhost', 'adopt', 'web1', '/x', '--cert', 'app', '--without', '3,14', '--yes', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ outcome: 'ok', misfits: [{ line: 12 }, { line: 3 }, { line: 14 }], vhosts: [{ name: 'app.example.org' }], hosts: [{ notes: ['app.example.org /: old 200, new 301'] }] });
    expect(asked().at(-1)).toMatchObject({ without: [3, 14], cert: 'app' });
  });

  it('says so where there is nothing', async () => {
    coordinator.answers = { 'VhostService.ListVhosts': () => ({}), 'VhostService.ObserveVhosts': () => ({}) };
    expect((await run(['vhost', 'list'])).out).toBe('No sites. To add one: reeve vhost add HOST NAME --to URL\n');
    expect((await run(['vhost', 'foreign', 'web1'])).out).toContain('web server      there is none\n');
    coordinator.answers = { 'VhostService.ShowVhost': () => ({ row: { hostName: 'web1', vhost: { name: 'a.example.org' }, addedBy: 'ada' }, state: 'unknown', problem: 'Host "web1" cannot be reached' }) };
    expect((await run(['vhost', 'show', 'web1', 'a.example.org'])).out).toContain('file is    not known\nnot asked  Host "web1" cannot be reached\n');
  });
});

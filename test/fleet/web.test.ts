import { connect, type Socket } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseWebConfig } from '../../coordinator/web/config.js';
import { serveWeb } from '../../coordinator/web/server.js';
import { pages } from '../../coordinator/web/view/pages.js';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel } from '../../shared/rpc/client.js';
import { accessApi } from '../support/access-api.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackFleet } from '../support/loopback-fleet.js';
import { startWeb, type WebPage } from '../support/web-page.js';
import { ask, sendForm, sendRaw, type WebRequest, type WebResponse } from '../support/web-request.js';

const clock = createTurnedClock();

/** R108, to the letter. */
const wanted = {
  'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** What HTTP itself needs, and no more: nothing says what the server is. */
const others = ['allow', 'connection', 'content-disposition', 'content-length', 'content-type', 'date', 'keep-alive', 'location', 'retry-after', 'set-cookie', 'transfer-encoding'];

describe.skipIf(process.getuid?.() !== 0)('the status page at its door (as root, who can become others)', () => {
  let fleet: LoopbackFleet;
  let web: WebPage;
  let proxied: WebPage;
  let cookie: [string, string];

  beforeAll(async () => {
    fleet = await startLoopbackFleet({ clock });
    web = await startWeb(fleet, { clock });
    proxied = await startWeb(fleet, { clock, config: 'proxy 127.0.0.1\nname status.example.org\nbase /reeve' });
    await accessApi(fleet.api).person('grace');
    cookie = ['Cookie', await web.login('grace', await web.allow('grace'))];
  });
  afterAll(async () => {
    await Promise.all([web.close(), proxied.close()]);
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });
  // The limits of requests are full again.
  beforeEach(() => clock.pass(60_000));

  const get = (path: string, more: Partial<WebRequest> = {}): Promise<WebResponse> => ask({ port: web.port, path, ...more });
  /** A page whose coordinator does not answer. */
  const serveAlone = async (monotonic: () => number): Promise<{ port: number; close(): Promise<void> }> => {
    const target = '/nonexistent/api.sock';
    const api = openChannel({ target: `unix:${target}`, credentials: credentials.createInsecure(), unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: target, reason }) });
    const alone = await serveWeb({ config: parseWebConfig('listen 127.0.0.1:0'), api, pages, log: pino({ level: 'silent' }), now: () => clock.now(), monotonic });
    return {
      port: alone.port,
      async close() {
        await alone.close();
        api.close();
      },
    };
  };
  const requireHeaders = ({ headers }: Pick<WebResponse, 'headers'>, what: string): void => {
    expect(Object.fromEntries(Object.entries(headers).filter(([name]) => !others.includes(name))), what).toEqual(wanted);
  };

  it('says the same headers on every page, file and error', async () => {
    const length = (bytes: number): [string, string] => ['Content-Length', String(bytes)];
    const form: [string, string][] = [['Content-Type', 'application/x-www-form-urlencoded'], ['Sec-Fetch-Site', 'same-origin']];
    const cases: [number | undefined, Partial<WebRequest> & { path: string }][] = [
      ...pages.map((page): [undefined, { path: string; headers: [string, string][] }] => [undefined, { path: page.path.replace(/:[a-z]+/g, 'x'), headers: [cookie] }]),
      [200, { path: '/login' }],
      [200, { path: '/login', method: 'HEAD' }],
      [200, { path: '/self', headers: [cookie] }],
      [200, { path: '/asset/reeve.css' }],
      [200, { path: '/asset/reeve.js' }],
      [200, { path: '/asset/icon.svg' }],
      [303, { path: '/self' }],
      [303, { path: '/', headers: [cookie] }],
      [401, { path: '/live' }],
      [404, { path: '/asset/other.js' }],
      [404, { path: '/asset/..%2fserver.ts' }],
      [404, { path: '/nothing' }],
      [400, { path: '/asset/%ff' }],
      [405, { path: '/self', method: 'DELETE' }],
      [413, { path: '/login', headers: [length(5)], body: 'hello' }],
      [413, { path: '/login', method: 'POST', headers: [...form, length(16_385)], body: 'a'.repeat(16_385) }],
      [411, { path: '/login', method: 'POST', headers: [...form, ['Transfer-Encoding', 'chunked']], body: 'name=a' }],
      [415, { path: '/login', method: 'POST', headers: [['Content-Type', 'application/json'], ['Sec-Fetch-Site', 'same-origin'], length(2)], body: '{}' }],
      [403, { path: '/login', method: 'POST', headers: [['Content-Type', 'application/x-www-form-urlencoded'], length(6)], body: 'name=a' }],
      [403, { path: '/login', method: 'POST', headers: [...form, length(6)], body: 'name=a' }],
      [421, { path: '/login', headers: [['Host', 'evil.example.org']] }],
      [400, { path: '/login', headers: [['Host', 'localhost'], ['Host', 'localhost']] }],
    ];
    for (const [status, request] of cases) {
      const answer = await get(request.path, request);
      const what = `${request.method ?? 'GET'} ${request.path}`;
      if (status !== undefined) expect(answer.status, what).toBe(status);
      requireHeaders(answer, what);
    }
  });

  it('says them also to what is no request, or too large', async () => {
    for (const [line, text] of [['400 Bad Request', 'what is this\r\n\r\n'], ['431 Request Header Fields Too Large', `GET / HTTP/1.1\r\nHost: localhost:${String(web.port)}\r\nX: ${'a'.repeat(9_000)}\r\n\r\n`], ['405 Method Not Allowed', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n']] as const) {
      const [head = ''] = (await sendRaw(web.port, text)).split('\r\n\r\n', 1);
      const [first, ...rest] = head.split('\r\n');
      expect(first).toBe(`HTTP/1.1 ${line}`);
      requireHeaders({ headers: Object.fromEntries(rest.map((header) => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 2)])) }, line);
    }
  });

  it.each(['/', '/login', '/asset/reeve.css', '/live', '/self'])('refuses %s under a name that is not its own', async (path) => {
    for (const host of ['evil.example.org', `evil.example.org:${String(web.port)}`, 'localhost', `localhost:${String(web.port + 1)}`, '', `localhost:${String(web.port)}@evil.example.org`]) {
      expect((await get(path, { headers: [['Host', host], cookie] })).status, host).toBe(421);
    }
    expect((await get(path, { headers: [['Host', `localhost:${String(web.port)}`], ['Host', 'evil.example.org'], cookie] })).status).toBe(400);
    expect(await sendRaw(web.port, `GET ${path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await get(`http://evil.example.org${path}`, { headers: [cookie] })).status).toBe(400);
  });

  it('answers under its own names, whatever form the target has', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) expect((await get('/login', { headers: [['Host', `${host}:${String(web.port)}`]] })).status, host).toBe(200);
    expect((await get(`http://localhost:${String(web.port)}/login`)).status).toBe(200);
  });

  it.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'POST'])('refuses %s before it looks for a page', async (method) => {
    for (const path of ['/', '/self', '/nothing', '/login/', '/live']) {
      const answer = await get(path, { method, headers: [cookie, ['Content-Length', '0']] });
      expect([answer.status, answer.headers.allow], `${method} ${path}`).toEqual([405, 'GET, HEAD']);
    }
    if (method !== 'POST') expect((await get('/login', { method, headers: [['Content-Length', '0']] })).headers.allow).toBe('GET, HEAD, POST');
  });

  it('takes a form only from a page of its own', async () => {
    const body = 'name=grace&password=x';
    const post = (headers: [string, string][]): Promise<WebResponse> => get('/login', { method: 'POST', headers: [['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(body.length)], ...headers], body });
    const refused: [string, string][][] = [
      [], [['Origin', 'null']], [['Origin', 'https://evil.example.org']], [['Origin', `http://localhost:${String(web.port + 1)}`]], [['Sec-Fetch-Site', 'cross-site']], [['Sec-Fetch-Site', 'same-site']], [['Sec-Fetch-Site', 'none']],
      [['Origin', `http://localhost:${String(web.port)}`], ['Sec-Fetch-Site', 'cross-site']], [['Origin', 'https://evil.example.org'], ['Sec-Fetch-Site', 'same-origin']],
    ];
    for (const headers of refused) expect((await post(headers)).body, JSON.stringify(headers)).toContain('This form was not sent from a page of this server.');
    for (const headers of [[['Sec-Fetch-Site', 'same-origin']], [['Origin', `http://localhost:${String(web.port)}`]]] as [string, string][][]) expect((await post(headers)).body).toContain('do not fit together');
  });

  it('gives the cookie to one host only, and to no script', async () => {
    clock.pass(600_000);
    const answer = await sendForm(web.port, '/login', { name: 'grace', password: await web.allow('grace'), next: '/self' });
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe('/self');
    expect(answer.headers['set-cookie']).toEqual([expect.stringMatching(/^__Host-reeve=[A-Za-z0-9_-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/)]);
    cookie = ['Cookie', (answer.headers['set-cookie']?.[0] ?? '').split(';', 1)[0] ?? ''];
  });

  it('goes on after a login only to a page of its own', async () => {
    for (const next of ['//evil.example.org', '/\\evil.example.org', 'https://evil.example.org/', 'javascript:alert(1)', '/a\r\nSet-Cookie: a=b', '/login?next=/login']) {
      expect((await get(`/login?next=${encodeURIComponent(next)}`)).body, next).toContain('name="next" value="/"');
    }
    const answer = await get('/host?page=2&order=name');
    expect([answer.status, answer.headers.location]).toEqual([303, '/login?next=%2Fhost%3Fpage%3D2%26order%3Dname']);
  });

  it('answers an address 60 requests at once, then 20 a second', async () => {
    let at = 0;
    const still = await serveAlone(() => at);
    const statuses = async (count: number): Promise<number[]> => {
      const found: number[] = [];
      for (let asked = 0; asked < count; asked += 1) found.push((await ask({ port: still.port, path: '/asset/icon.svg' })).status);
      return found;
    };
    try {
      expect(await statuses(61)).toEqual([...Array.from({ length: 60 }, () => 200), 429]);
      const answer = await ask({ port: still.port, path: '/asset/icon.svg' });
      expect(answer.headers['retry-after']).toBe('1');
      requireHeaders(answer, 'too many');
      at += 1_000;
      expect(await statuses(21)).toEqual([...Array.from({ length: 20 }, () => 200), 429]);
    } finally {
      await still.close();
    }
  });

  it.each(['direct', 'behind a proxy'])('answers in time while 500 connections say nothing, %s', async (way) => {
    const { port } = way === 'direct' ? web : proxied;
    const normal = way === 'direct' ? { port, path: '/login' } : ({ port, path: '/reeve/login', headers: [['Host', 'status.example.org']] } as const);
    const open = (): Socket => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n'));
      return socket.on('error', () => socket.destroy());
    };
    const slow = Array.from({ length: 500 }, open);
    // Whoever attacks sends a little now and then, and comes back.
    const keep = setInterval(() => {
      let again = 50;
      for (const [index, socket] of slow.entries()) {
        if (socket.writable) socket.write('X: a\r\n');
        else if (again > 0) {
          again -= 1;
          slow[index] = open();
        }
      }
      clock.pass(10_000);
    }, 50);
    try {
      const times: number[] = [];
      for (let count = 0; count < 100; count += 1) {
        // How many requests an address may make is another test.
        clock.pass(1_000);
        const began = performance.now();
        expect((await ask(normal)).status).toBe(200);
        times.push(performance.now() - began);
      }
      times.sort((a, b) => a - b);
      expect(times[98]).toBeLessThan(1_000);
    } finally {
      clearInterval(keep);
      for (const socket of slow) socket.destroy();
    }
  });

  it('behind a proxy knows its own paths only, and believes the last of the addresses', async () => {
    const host = ['Host', 'status.example.org'] as const;
    const at = (path: string, forwarded = '198.51.100.1'): Promise<WebResponse> => ask({ port: proxied.port, path, headers: [host, ['X-Forwarded-For', forwarded]] });
    expect((await at('/reeve/login')).body).toContain('action="/reeve/login"');
    expect((await at('/login')).status).toBe(404);
    expect((await at('/reeveother/login')).status).toBe(404);
    expect((await at('/reeve/')).headers.location).toBe('/reeve/login');
    expect((await at('/reeve')).headers.location).toBe('/reeve/login');
    // What a client adds in front does not give it another address.
    const answers = await Promise.all(Array.from({ length: 100 }, (_, count) => at('/reeve/asset/icon.svg', `203.0.113.${String(count)}, 198.51.100.7`)));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
    expect((await at('/reeve/asset/icon.svg', '198.51.100.8')).status).toBe(200);
  });

  it('says so while the coordinator does not answer', async () => {
    const alone = await serveAlone(() => clock.monotonic());
    try {
      for (const path of ['/', '/self']) {
        const answer = await ask({ port: alone.port, path, headers: [cookie] });
        expect(answer.status).toBe(503);
        expect(answer.body).toContain('The coordinator cannot be reached');
        requireHeaders(answer, path);
      }
      expect((await sendForm(alone.port, '/login', { name: 'grace', password: 'correct horse battery' })).status).toBe(503);
      expect((await ask({ port: alone.port, path: '/login' })).status).toBe(200);
    } finally {
      await alone.close();
    }
  });
});

import { expect, test } from 'vitest';
import type { WebAnswer } from '../support/web-message.js';
import type { WebFleet } from '../support/web-fleet.js';

/** What the program behind tells of a request. */
export interface Behind {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly received: number;
}

/** What was behind saw it. */
export function behind(answer: WebAnswer): Behind {
  if (answer.status !== 200) throw new Error(`${String(answer.status)} ${answer.error} ${answer.body.slice(0, 300)}`);
  return JSON.parse(answer.body) as Behind;
}

const app = 'http://127.0.0.1:8081';

/** Real requests to every kind of target. */
export function testTargets(fleetOf: () => WebFleet): void {
  const behindOf = async (host: string, path: string, more = {}): Promise<Behind> => behind(await fleetOf().plain(host, path, more));

  test('a plan shows the file as a diff and changes nothing', async () => {
    const { reeve, configuration } = fleetOf();
    const before = await configuration();
    const plan = await reeve(['vhost', 'add', 'web1', 'app.example.org', '--to', app, '--plan']);
    expect(plan.code, plan.stderr).toBe(0);
    expect(plan.stdout).toMatch(/\+ vhost "?app\.example\.org/);
    expect(plan.stdout).toMatch(/^ *\+.*server_name "app\.example\.org"/m);
    expect(await configuration()).toBe(before);
  });

  test('a site is served at once, with TLS by a certificate made on the spot; without it clients are sent on', async () => {
    const { change, plain, secure } = fleetOf();
    await change(['vhost', 'add', 'web1', 'app.example.org', '--alias', 'www.app.example.org', '--to', app, '--hsts', '1y']);
    for (const name of ['app.example.org', 'www.app.example.org']) {
      const answer = await secure(name, '/a/b?c=d');
      expect(behind(answer)).toMatchObject({ name: 'app', url: '/a/b?c=d', headers: { host: name } });
      expect(answer.headers['strict-transport-security']).toBe('max-age=31536000');
      expect(answer.certificate?.names).toContain(`DNS:${name}`);
    }
    const sent = await plain('app.example.org', '/a/b?c=d');
    expect([sent.status, sent.headers['location']]).toEqual([301, 'https://app.example.org/a/b?c=d']);
    expect(sent.headers['strict-transport-security']).toBeUndefined();
  });

  test('the same again reports no change', async () => {
    const again = await fleetOf().json<{ outcome: string; hosts: { changes: unknown[] }[] }>(['apply', '--on', 'web1', '--noun', 'vhost', '--yes']);
    expect([again.outcome, again.hosts.flatMap((row) => row.changes)]).toEqual(['ok', []]);
  });

  test('what a client claims of where it comes from is not passed on', async () => {
    const { secure, lab } = fleetOf();
    const spoofed = {
      'X-Forwarded-For': '203.0.113.66', 'X-Real-IP': '203.0.113.66', 'X-Forwarded-Proto': 'gopher', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Prefix': '/evil', 'X-Forwarded-Port': '1',
      Forwarded: 'for=203.0.113.66', 'X-Ssl-Client-Verify': 'SUCCESS', 'X-Ssl-Client-Serial': '666', 'X_Forwarded_For': '203.0.113.66',
    };
    const { headers } = behind(await secure('app.example.org', '/', { headers: spoofed }));
    expect(headers).toMatchObject({ 'x-forwarded-for': lab.address, 'x-real-ip': lab.address, 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.org', 'x-forwarded-port': '443' });
    for (const name of ['forwarded', 'x-ssl-client-verify', 'x-ssl-client-serial', 'x_forwarded_for', 'x-forwarded-prefix']) expect(headers[name] ?? '', name).toBe('');
    expect(JSON.stringify(headers)).not.toMatch(/203\.0\.113\.66|evil|666/);
  });

  test('prefixes end at borders of segments, the longest wins, and are stripped or kept', async () => {
    const { change } = fleetOf();
    await change(['vhost', 'add', 'web1', 'paths.example.org', '--no-tls', '--status', '404', '--text', 'no such place']);
    for (const [prefix, ...more] of [['/conf', '--strip-prefix'], ['/conf/deep'], ['/keep'], ['/raw', '--strip-prefix', '--keep-encoded']] as const) {
      await change(['vhost', 'route', 'add', 'web1', 'paths.example.org', prefix, '--to', app, ...more]);
    }
    const asked = async (path: string): Promise<string> => {
      const answer = await fleetOf().plain('paths.example.org', path);
      return answer.status === 200 ? behind(answer).url : `${String(answer.status)} ${answer.body}`;
    };
    for (const [path, url] of [
      ['/conf', '/'], ['/conf/', '/'], ['/conf/x?y=1', '/x?y=1'], ['/conf2', '404 no such place'], ['/confx/y', '404 no such place'], ['/conf/deep', '/conf/deep'], ['/conf/deep/er', '/conf/deep/er'],
      ['/conf/deeper', '/deeper'], ['/keep', '/keep'], ['/keep/a%2Fb?x=%2F', '/keep/a%2Fb?x=%2F'], ['/raw/a%2Fb/c%20d?x=%2F', '/a%2Fb/c%20d?x=%2F'], ['/raw', '/'], ['/raw?q=1', '/?q=1'], ['/', '404 no such place'],
    ] as const) expect(await asked(path), path).toBe(url);
    expect((await behindOf('paths.example.org', '/conf/x')).headers['x-forwarded-prefix']).toBe('/conf');
    // Not by the letter below the prefix: nothing is guessed.
    for (const path of ['//raw/x', '/%72aw/x', '/x/../raw/y']) expect((await fleetOf().plain('paths.example.org', path)).status, path).toBeGreaterThanOrEqual(400);
  });

  test('websockets pass where they may, and only there', async () => {
    const { change, plain } = fleetOf();
    await change(['vhost', 'add', 'web1', 'ws.example.org', '--no-tls', '--to', app, '--websocket']);
    await change(['vhost', 'route', 'add', 'web1', 'ws.example.org', '/none', '--to', app]);
    expect(await plain('ws.example.org', '/chat', { websocket: 'hello' })).toMatchObject({ status: 101, frame: 'hello' });
    expect((await plain('ws.example.org', '/none', { websocket: 'hello' })).status).toBe(200);
    expect(behind(await plain('ws.example.org', '/')).url).toBe('/');
  });

  test('programs are reached by TLS and by a Unix socket', async () => {
    const { change } = fleetOf();
    await change(['vhost', 'add', 'web1', 'tls.example.org', '--no-tls', '--to', 'https://127.0.0.1:8444']);
    await change(['vhost', 'add', 'web1', 'sock.example.org', '--no-tls', '--to', 'unix:/run/app.sock']);
    expect((await behindOf('tls.example.org', '/x')).url).toBe('/x');
    expect((await behindOf('sock.example.org', '/a%2Fb')).url).toBe('/a%2Fb');
  });

  test('uwsgi serves an application of Python', async () => {
    const { web, change, plain } = fleetOf();
    await web.run(['mkdir', '-p', '/srv/wsgi']);
    await web.write('/srv/wsgi/app.py', 'import json\ndef application(env, start):\n    start("200 OK", [("Content-Type", "application/json")])\n    keys = ("PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_PROXY", "REMOTE_ADDR", "HTTPS")\n    return [json.dumps({k: env.get(k) for k in keys}).encode()]\n');
    web.spawn(['/usr/bin/uwsgi-core', '--plugin', 'python3', '--uwsgi-socket', '/srv/wsgi/app.sock', '--chmod-socket=666', '--wsgi-file', '/srv/wsgi/app.py', '--master', '--die-on-term']);
    await change(['vhost', 'add', 'web1', 'wsgi.example.org', '--no-tls', '--to', 'uwsgi:/srv/wsgi/app.sock']);
    const answer = await plain('wsgi.example.org', '/p/q?r=s', { headers: { 'X-Forwarded-For': '203.0.113.66', Proxy: 'http://evil.example' } });
    expect(JSON.parse(answer.body)).toMatchObject({ PATH_INFO: '/p/q', QUERY_STRING: 'r=s', HTTP_HOST: 'wsgi.example.org', HTTP_X_FORWARDED_FOR: fleetOf().lab.address, REMOTE_ADDR: fleetOf().lab.address });
    expect(((JSON.parse(answer.body) as Record<string, unknown>)['HTTP_PROXY'] ?? '')).toBe('');
  });

  test('PHP runs by a real FPM: scripts, the front controller, and never what is denied', async () => {
    const { web, change, plain } = fleetOf();
    await web.run(['mkdir', '-p', '/srv/php/uploads', '/srv/php/.git']);
    const tell = '<?php header("Content-Type: application/json"); echo json_encode(["script" => $_SERVER["SCRIPT_NAME"], "uri" => $_SERVER["REQUEST_URI"], "info" => $_SERVER["PATH_INFO"] ?? "", "for" => $_SERVER["HTTP_X_FORWARDED_FOR"] ?? "", "proxy" => $_SERVER["HTTP_PROXY"] ?? "", "n" => strlen(file_get_contents("php://input"))]);';
    for (const file of ['index.php', 'other.php', 'uploads/evil.php', '.hidden.php']) await web.write(`/srv/php/${file}`, tell);
    await web.write('/srv/php/style.css', 'body {}');
    await web.write('/srv/php/.git/config', 'secret');
    await web.write('/srv/php/uploads/cat.txt', 'cat');
    const socket = (await web.run(['sh', '-c', 'ls /run/php/php*-fpm.sock | head -1'])).trim();
    await change(['vhost', 'add', 'web1', 'php.example.org', '--no-tls', '--php', '/srv/php', '--php-socket', socket, '--front-controller', '/index.php', '--deny', '/uploads']);
    const script = async (path: string, more = {}): Promise<unknown> => {
      const answer = await plain('php.example.org', path, more);
      return answer.status === 200 && answer.body.startsWith('{') ? JSON.parse(answer.body) : answer.status === 200 ? answer.body : answer.status;
    };
    expect(await script('/')).toMatchObject({ script: '/index.php' });
    expect(await script('/some/article?page=2')).toMatchObject({ script: '/index.php', uri: '/some/article?page=2' });
    expect(await script('/other.php', { method: 'POST', body: 'x'.repeat(2000), headers: { 'X-Forwarded-For': '203.0.113.66', Proxy: 'evil' } })).toMatchObject({ script: '/other.php', for: fleetOf().lab.address, proxy: '', n: 2000 });
    expect(await script('/style.css')).toBe('body {}');
    for (const path of ['/uploads/evil.php', '/uploads/cat.txt', '/.git/config', '/.hidden.php']) expect([403, 404], path).toContain(await script(path));
    expect(await script('/style.css/evil.php'), 'no script behind a file').not.toMatchObject({ script: '/style.css' });
  });

  test('folders are served, and for an application of one page every path is its page', async () => {
    const { web, change, plain } = fleetOf();
    await web.run(['mkdir', '-p', '/srv/files/sub', '/srv/spa/assets']);
    for (const [file, text] of [['files/index.html', 'home'], ['files/sub/a.txt', 'a'], ['files/.env', 'secret'], ['spa/index.html', 'the page'], ['spa/assets/app.js', 'js']] as const) await web.write(`/srv/${file}`, text);
    await change(['vhost', 'add', 'web1', 'files.example.org', '--no-tls', '--static', '/srv/files']);
    await change(['vhost', 'route', 'add', 'web1', 'files.example.org', '/app', '--spa', '/srv/spa']);
    const got = async (path: string): Promise<string | number> => {
      const { status, body } = await plain('files.example.org', path);
      return status === 200 ? body : status;
    };
    for (const [path, is] of [['/', 'home'], ['/sub/a.txt', 'a'], ['/none', 404], ['/app', 301], ['/app/', 'the page'], ['/app/deep/link', 'the page'], ['/app/assets/app.js', 'js'], ['/application', 404]] as const) expect(await got(path), path).toBe(is);
    for (const path of ['/.env', '/sub/..%2f..%2f..%2fetc/passwd', '/app../files/.env']) expect([400, 403, 404], path).toContain(await got(path));
  });

  test('redirects keep or drop the path, and a fixed answer is always the same', async () => {
    const { change, plain } = fleetOf();
    await change(['vhost', 'add', 'web1', 'old.example.org', '--no-tls', '--redirect', 'https://new.example.org/base', '--code', '308', '--keep-path']);
    await change(['vhost', 'route', 'add', 'web1', 'old.example.org', '/docs', '--redirect', 'https://docs.example.org/', '--code', '302']);
    await change(['vhost', 'route', 'add', 'web1', 'old.example.org', '/gone', '--status', '410', '--text', 'it is gone: "quoted" $1 {}; \\']);
    const moved = async (path: string): Promise<unknown> => {
      const { status, headers } = await plain('old.example.org', path);
      return [status, headers['location']];
    };
    expect(await moved('/x/y?z=1')).toEqual([308, 'https://new.example.org/base/x/y?z=1']);
    expect(await moved('/docs/x')).toEqual([302, 'https://docs.example.org/']);
    expect(await plain('old.example.org', '/gone/x')).toMatchObject({ status: 410, body: 'it is gone: "quoted" $1 {}; \\' });
  });
}

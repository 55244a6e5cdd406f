import { expect, test } from 'vitest';
import type { CommandAnswer } from '../support/chaos.js';
import { errorsOf } from '../support/nat-setting.js';
import { until } from '../support/until.js';
import type { WebFleet } from '../support/web-fleet.js';
import { behind } from './vhost-target.js';

const app = 'http://127.0.0.1:8081';

/** Arguments that are refused, and the field that is named. */
const bad: readonly (readonly [args: readonly string[], field: RegExp])[] = [
  [['Upper.example.org', '--to', app], /name/i],
  [['single', '--to', app], /name/i],
  [['under_score.example.org', '--to', app], /name/i],
  [['192.0.2.1', '--to', app], /name/i],
  [['a.*.example.org', '--to', app], /name/i],
  [['x.example.org', '--to', 'http://name.that.needs.dns:80'], /name\.that\.needs\.dns/],
  [['x.example.org', '--to', 'http://127.0.0.1:80/$evil'], /to/i],
  [['x.example.org', '--to', 'http://user:pw@127.0.0.1:80'], /to/i],
  [['x.example.org', '--to', 'gopher://127.0.0.1:80'], /to/i],
  [['x.example.org', '--static', '/srv/../etc'], /static/i],
  [['x.example.org', '--static', 'srv'], /static/i],
  [['x.example.org', '--redirect', 'https://x.example.org/"; root /'], /redirect/i],
  [['x.example.org', '--to', app, '--header', 'Content-Length: 3'], /header/i],
  [['x.example.org', '--to', app, '--header', 'X: a\r\nSet-Cookie: b'], /header/i],
  [['x.example.org', '--to', app, '--listen', '70000'], /listen/i],
  [['x.example.org', '--to', app, '--listen', '7420'], /listen/i],
  [['x.example.org', '--to', app, '--allow', '10.0.0.1/8'], /allow/i],
  [['x.example.org', '--to', app, '--title', 'a\u202eb'], /title/i],
  [['x.example.org', '--to', app, '--cert', 'nobody'], /cert/i],
];

/** Commands, and what others do to the same files. */
export function testCommands(fleetOf: () => WebFleet): void {
  test.each(bad)('bad input %j is refused with field, value and rule, and changes nothing', async (args, field) => {
    const [error] = await fleetOf().refused(['vhost', 'add', 'web1', ...args], 2);
    expect(error?.message).toMatch(field);
  });

  test('what the policy of the host does not allow is refused with the line that would', async () => {
    const { refused } = fleetOf();
    for (const [args, line] of [
      [['--static', '/opt/site'], 'allow vhost.serve folder=/opt/site'],
      [['--to', 'http://198.51.100.7:80'], 'allow vhost.proxy to=198.51.100.7'],
      [['--to', 'unix:/run/docker.sock'], 'allow vhost.socket path=/run/docker.sock'],
    ] as const) {
      const [error] = await refused(['vhost', 'add', 'web1', 'policy.example.org', '--no-tls', ...args], 1);
      expect([error?.code, error?.remedy]).toEqual(['POLICY_DENIED', expect.stringContaining(line) as string]);
    }
  });

  test('a name of another site, and a port that is with TLS already, are refused', async () => {
    const { refused } = fleetOf();
    for (const args of [['app.example.org', '--to', app], ['other.example.org', '--alias', 'www.app.example.org', '--to', app], ['plain.example.org', '--listen', '443', '--no-tls', '--to', app]]) {
      const [error] = await refused(['vhost', 'add', 'web1', ...args], 2);
      expect(['VHOST_EXISTS', 'FIELD_INVALID'], JSON.stringify(args)).toContain(error?.code);
    }
  });

  test('a site of somebody else keeps its name', async () => {
    const { web, refused, plain } = fleetOf();
    await web.write('/etc/nginx/sites-available/own', 'server {\n  listen 80;\n  server_name own.example.org;\n  return 200 "mine";\n}\n');
    await web.run(['sh', '-c', 'ln -s ../sites-available/own /etc/nginx/sites-enabled/own && systemctl reload nginx']);
    await until(async () => (await plain('own.example.org')).body === 'mine', { timeoutMs: 10_000, everyMs: 100, what: 'the site of somebody else' });
    const [error] = await refused(['vhost', 'add', 'web1', 'own.example.org', '--no-tls', '--to', app], 1);
    expect([error?.code, error?.message]).toEqual(['VHOST_FOREIGN', expect.stringContaining('/etc/nginx/sites-enabled/own') as string]);
    expect((await plain('own.example.org')).body).toBe('mine');
  });

  test('a file that was altered by hand is told as drift, and stays so until somebody says otherwise', async () => {
    const { web, change, reeve, json, plain } = fleetOf();
    const file = '/etc/nginx/reeve/current/sock.example.org.conf';
    await web.run(['sed', '-i', 's/^}/  # by hand\\n}/', file]);
    const edited = await web.read(file);
    await until(async () => (await json<{ drifted: number }>(['status'])).drifted === 1, { timeoutMs: 30_000, everyMs: 250, what: 'the drift to be shown' });
    const refused = await reeve(['vhost', 'set', 'web1', 'sock.example.org', '--title', 'Sock', '--yes', '--json']);
    expect([refused.code, errorsOf(refused.stdout)[0]?.code]).toEqual([1, 'VHOST_DRIFT']);
    // Others are changed beside it.
    await change(['vhost', 'set', 'web1', 'tls.example.org', '--title', 'Tls']);
    expect(await web.read(file)).toBe(edited);
    await change(['vhost', 'set', 'web1', 'sock.example.org', '--title', 'Sock', '--overwrite']);
    expect(await web.read(file)).not.toContain('by hand');
    expect(behind(await plain('sock.example.org')).name).toBe('app');
    await until(async () => (await json<{ drifted: number }>(['status'])).drifted === 0, { timeoutMs: 30_000, everyMs: 250, what: 'the drift to be over' });
  });

  test('an include file that somebody took away is drift, and comes back', async () => {
    const { web, change, json, plain } = fleetOf();
    const file = '/etc/nginx/conf.d/reeve.conf';
    const before = await web.read(file);
    await web.run(['rm', file]);
    await until(async () => (await json<{ drifted: number }>(['status'])).drifted > 0, { timeoutMs: 30_000, everyMs: 250, what: 'the drift to be shown' });
    await change(['apply', '--on', 'web1', '--noun', 'vhost']);
    expect(await web.read(file)).toBe(before);
    expect(behind(await plain('sock.example.org')).name).toBe('app');
  });

  test('a host of the inventory stands as its address, the host itself as loopback', async () => {
    const { change, web } = fleetOf();
    await change(['vhost', 'add', 'web1', 'host.example.org', '--no-tls', '--to', 'http://web1:8081']);
    expect(await web.read('/etc/nginx/reeve/current/host.example.org.conf')).toContain('127.0.0.1:8081');
  });

  test('show tells model, state and file; list tells all; the web server is reloaded by command', async () => {
    const { reeve, json, web } = fleetOf();
    const shown = await reeve(['vhost', 'show', 'web1', 'app.example.org']);
    expect(shown.stdout).toContain('server_name "app.example.org" "www.app.example.org"');
    const listed = await reeve(['vhost', 'list', 'web1']);
    for (const name of ['app.example.org', 'php.example.org', '*.wild.example.org']) expect(listed.stdout).toContain(name);
    const workers = async (): Promise<string> => web.run(['sh', '-c', 'pgrep -P $(cat /run/nginx.pid) | sort']);
    const before = await workers();
    await json(['proxy', 'reload', 'web1']);
    expect(await workers()).not.toBe(before);
  });

  test('after a reboot all is served, without agent and coordinator', async () => {
    const { web, hub, secure, waitState, json } = fleetOf();
    await hub.run(['systemctl', 'stop', 'reeved']);
    await web.run(['systemctl', 'disable', '--quiet', 'reeve-agent.service']);
    // What the test itself started is of no unit, and systemd would wait for it.
    await web.exec(['pkill', '-KILL', '-f', 'web-backend|uwsgi-core']);
    await web.reboot();
    await until(async () => (await secure('*.wild.example.org'.replace('*', 'b'))).body === 'wild', { timeoutMs: 20_000, everyMs: 200, what: 'the sites to be served' });
    await web.run(['systemctl', 'enable', '--quiet', '--now', 'reeve-agent.service']);
    await hub.run(['systemctl', 'start', 'reeved']);
    await waitState('web1', 'connected', 120_000);
    expect((await json<CommandAnswer>(['apply', '--on', 'web1', '--noun', 'vhost', '--yes'])).hosts.flatMap((row) => row.changes)).toEqual([]);
  });

  test('what is removed is gone, the rest is served', async () => {
    const { change, plain, secure, web, json } = fleetOf();
    await change(['vhost', 'remove', 'web1', 'tame.wild.example.org']);
    expect((await secure('tame.wild.example.org')).body).toBe('wild');
    expect((await plain('files.example.org')).body).toBe('home');
    expect((await web.exec(['ls', '/etc/nginx/reeve/current/tame.wild.example.org.conf'])).code).not.toBe(0);
    expect(await json(['audit', 'verify'])).toMatchObject({ intact: true });
  });
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { traceConnections } from '../support/abuse-trace.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { letsIn, makeKey } from '../support/ssh-login.js';
import { until } from '../support/until.js';

/** What one request was answered. */
interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Asks with the runtime's own client, on the machine itself. What it is to ask comes on standard input, so that no secret is in its arguments. */
const client = `
const { request } = require('node:http');
let text = '';
process.stdin.on('data', (chunk) => (text += chunk)).on('end', () => {
  const { method, path, headers, body } = JSON.parse(text);
  const asked = request({ host: '127.0.0.1', port: 8420, method, path, headers, setHost: headers.Host === undefined }, (response) => {
    let said = '';
    response.setEncoding('utf8').on('data', (chunk) => (said += chunk)).on('end', () => console.log(JSON.stringify({ status: response.statusCode, headers: { ...response.headers, 'set-cookie': (response.headers['set-cookie'] ?? []).join('; ') }, body: said })));
  });
  asked.end(body);
});
`;

describe.skipIf(!hosts.ok)('the status page of a real coordinator', () => {
  let fleet: TestFleet;
  let cookie = '';

  beforeAll(async () => {
    fleet = await startFleet({ name: 'web-page', hosts: ['web1'], policy: 'full' });
    for (const args of [['person', 'add', 'ada', '--yes'], ['grant', 'add', 'ada', '--on', 'web1', '--user', 'ada', '--create', '--yes']]) {
      const { code, stdout, stderr } = await fleet.reeve(args);
      expect(code, stdout + stderr).toBe(0);
    }
  });
  afterAll(() => fleet.close());

  const ask = async (path: string, more: { method?: string; headers?: Record<string, string>; form?: Record<string, string> } = {}): Promise<Answer> => {
    const body = more.form === undefined ? undefined : new URLSearchParams(more.form).toString();
    const form = body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(Buffer.byteLength(body)), 'Sec-Fetch-Site': 'same-origin', Origin: 'null' };
    const headers = { ...form, ...(cookie === '' ? {} : { Cookie: cookie }), ...more.headers };
    const { code, stdout, stderr } = await fleet.hub.exec(['/usr/lib/reeve/node', '-e', client], { input: JSON.stringify({ method: more.method ?? (body === undefined ? 'GET' : 'POST'), path, headers, body }) });
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Answer;
  };
  const formToken = async (): Promise<string> => /name="form_token" value="([^"]+)"/.exec((await ask('/self')).body)?.[1] ?? '';

  test('runs as an account of its own without any right, and is there for this machine only', async () => {
    await until(async () => (await fleet.hub.exec(['systemctl', 'is-active', 'reeve-web'])).stdout.trim() === 'active', { timeoutMs: 30_000, what: 'the status page to run' });
    const pid = (await fleet.hub.run(['systemctl', 'show', '--property=MainPID', '--value', 'reeve-web'])).trim();
    const status = await fleet.hub.read(`/proc/${pid}/status`);
    const uid = (await fleet.hub.run(['id', '-u', 'reeve-web'])).trim();
    expect(status).toMatch(new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, 'm'));
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    // 127.0.0.1:8420 as /proc/net/tcp has it: nothing else of that uid listens.
    const listening = (await fleet.hub.read('/proc/net/tcp')).split('\n').map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === '0A' && fields[7] === uid).map((fields) => fields[1]);
    expect(listening).toEqual(['0100007F:20E4']);
    const denied = await fleet.hub.exec(['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '/usr/bin/reeve', 'host', 'list']);
    expect(denied.code).toBe(2);
    expect(denied.stderr).toContain('Role "web" may not call');
  });

  test('refuses other names, and whoever is not logged in', async () => {
    expect((await ask('/', { headers: { Host: 'evil.example.org' } })).status).toBe(421);
    expect((await ask('/')).headers['location']).toBe('/login');
    expect((await ask('/asset/reeve.css')).headers['content-type']).toBe('text/css; charset=utf-8');
  });

  test('lets a person log in, add a key, and log in to a host with it', async () => {
    const { password } = await fleet.json<{ password: string }>(['web', 'login', 'set', 'ada']);
    const opened = await ask('/login', { form: { name: 'ada', password, code: '', next: '/self' } });
    expect(opened.status).toBe(303);
    cookie = opened.headers['set-cookie']?.split(';', 1)[0] ?? '';
    expect(cookie).toMatch(/^__Host-reeve=[A-Za-z0-9_-]{43}$/);
    const key = await makeKey(fleet.hub, 'ada');
    expect(await letsIn(fleet.hub, fleet.host('web1'), 'ada', 'ada')).toBe(false);
    const startedAt = performance.now();
    const added = await ask('/self/key/add', { form: { key, form_token: await formToken() } });
    expect([added.status, added.headers['location']]).toEqual([303, '/self?done=added']);
    await until(() => letsIn(fleet.hub, fleet.host('web1'), 'ada', 'ada'), { timeoutMs: 30_000, everyMs: 250, what: 'the key to let in' });
    process.stdout.write(`a key that was added on the status page let in after ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
    expect((await ask('/self')).body).toContain('web1');
    expect((await fleet.reeve(['audit', 'list', '--json'])).stdout).toContain('web:ada');
  });

  test('lets the person take the key away again', async () => {
    const fingerprint = (await fleet.hub.run(['ssh-keygen', '-lf', '/root/ada.pub'])).split(' ')[1] ?? '';
    const removed = await ask('/self/key/remove', { form: { fingerprint, form_token: await formToken() } });
    expect([removed.status, removed.headers['location']]).toEqual([303, '/self?done=removed']);
    await until(async () => !(await letsIn(fleet.hub, fleet.host('web1'), 'ada', 'ada')), { timeoutMs: 30_000, everyMs: 250, what: 'the key to let in no more' });
  });

  test('says so while the coordinator is away, and goes on when it is back', async () => {
    await fleet.hub.run(['systemctl', 'stop', 'reeved']);
    expect((await ask('/self')).status).toBe(503);
    await fleet.hub.run(['systemctl', 'start', 'reeved']);
    await until(async () => (await ask('/self')).status === 200, { timeoutMs: 30_000, everyMs: 250, what: 'the page to be back' });
  });

  test('is not started where passwords would be sent in the clear, and says why', async () => {
    await fleet.hub.write('/etc/reeve/web.conf', 'listen 0.0.0.0:8420\nname status.example.org:8420\n', 0o644);
    const checked = await fleet.hub.exec(['/usr/sbin/reeve-web', 'check']);
    expect(checked.code).toBe(2);
    expect(checked.stderr).toContain('passwords are not sent in the clear');
    expect((await fleet.hub.exec(['systemctl', 'restart', 'reeve-web'])).code).not.toBe(0);
    await fleet.hub.run(['rm', '/etc/reeve/web.conf']);
    await fleet.hub.run(['systemctl', 'restart', 'reeve-web']);
    expect((await ask('/login')).status).toBe(200);
  });

  test('asks nobody but the coordinator', async () => {
    const pid = Number(await fleet.hub.run(['systemctl', 'show', '--property=MainPID', '--value', 'reeve-web']));
    const trace = await traceConnections(fleet.hub, pid, 'web');
    // It has to find the coordinator anew, so that the trace has something to show.
    await fleet.hub.run(['systemctl', 'restart', 'reeved']);
    await fleet.waitCoordinator();
    await until(async () => (await ask('/self')).status === 200, { timeoutMs: 30_000, what: 'the status page to have found the coordinator' });
    for (const path of ['/', '/host', '/asset/reeve.js', '/nothing']) await ask(path);
    expect([...new Set(await trace.stop())]).toEqual(['AF_UNIX /run/reeved/api.sock']);
  });
});

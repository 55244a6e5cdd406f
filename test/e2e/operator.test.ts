import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecResult, LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

describe.skipIf(!hosts.ok)('an operator on a machine that has only the command line', () => {
  let fleet: TestFleet;
  let desk: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'operator', hosts: ['web1', 'db1'] });
    desk = await fleet.addDesk('desk');
    await desk.run(['useradd', '--create-home', 'ada']);
    await fleet.json(['host', 'set', 'web1', '--label', 'site=ams']);
    await fleet.json(['operator', 'add', 'ada', '--role', 'operator', '--label', 'site=ams']);
  });
  afterAll(() => fleet.close());

  /** Runs `reeve` as ada on the desk. */
  const reeve = (line: readonly string[], more: { input?: string; days?: number } = {}): Promise<ExecResult> =>
    desk.exec(['runuser', '-u', 'ada', '--', 'env', 'HOME=/home/ada', ...(more.days === undefined ? [] : [`LD_PRELOAD=${library}`, `FAKETIME=+${String(more.days)}d`, 'FAKETIME_DONT_FAKE_MONOTONIC=1']), '/usr/bin/reeve', ...line], {
      timeoutMs: 60_000, input: more.input ?? '',
    });
  const login = async (): Promise<ExecResult> => {
    const { token } = await fleet.json<{ token: string }>(['operator', 'invite', 'ada']);
    return reeve(['login'], { input: token });
  };
  const certificate = async (): Promise<string> => (JSON.parse(await desk.read('/home/ada/.config/reeve/login.json')) as { certificate: string }).certificate;

  test('logs in with the line that the invitation printed', async () => {
    expect(await reeve(['whoami'])).toMatchObject({ code: 3 });
    const { command } = await fleet.json<{ command: string }>(['operator', 'invite', 'ada']);
    const ran = await desk.exec(['runuser', '-u', 'ada', '--', 'env', 'HOME=/home/ada', '/bin/sh'], { input: `${command}\n`, timeoutMs: 60_000 });
    expect(ran.stdout).toMatch(/^Logged in as "ada" at 198\.18\.\d+\.\d+:7423; good until /);
    expect(await desk.run(['stat', '-c', '%a %U', '/home/ada/.config/reeve/login.json'])).toBe('600 ada\n');
    expect(JSON.parse((await reeve(['whoami', '--json'])).stdout)).toMatchObject({ name: 'ada', role: 'operator', labels: ['site=ams'], coordinator: `${fleet.hub.address}:7423` });
  });

  test('lists and changes the hosts of its scope, and no others', async () => {
    const listed = JSON.parse((await reeve(['host', 'list', '--json'])).stdout) as { hosts: { name: string }[] };
    expect(listed.hosts.map((host) => host.name)).toEqual(['web1']);
    const added = await reeve(['user', 'add', 'carol', '--on', 'all', '--yes']);
    expect(added.code, added.stderr).toBe(0);
    expect(await fleet.host('web1').run(['getent', 'passwd', 'carol'])).toMatch(/^carol:/);
    expect((await fleet.host('db1').exec(['getent', 'passwd', 'carol'])).code).toBe(2);
    const refused = await reeve(['user', 'add', 'carol', '--on', 'db1', '--yes']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/No host "db1" is known/) as string]);
    const { records } = await fleet.json<{ records: { principal: string; action: string }[] }>(['audit', 'list']);
    expect(records.some((record) => record.principal === 'operator:ada' && record.action === 'user add carol on all')).toBe(true);
  });

  test('is renewed beside a command past half its life, and told how to come back after the end', async () => {
    await desk.put(library, library, 0o755);
    const before = await certificate();
    expect(await reeve(['whoami'], { days: 5 })).toMatchObject({ code: 0, stderr: '' });
    expect(await certificate()).not.toBe(before);
    expect(await reeve(['whoami'])).toMatchObject({ code: 0 });
    const ended = await reeve(['whoami'], { days: 8 });
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringMatching(/The login of operator "ada" ended .*\n.*reeve operator invite ada/) as string]);
  });

  test('sends no byte of its token to another server', async () => {
    const { token } = await fleet.json<{ token: string }>(['operator', 'invite', 'ada']);
    // The port of agents shows the right chain but wants a client certificate; here somebody else has taken the address: a server with a chain of its own.
    const other = await startOther(desk);
    const pinned = Buffer.from(token.slice('reevelogin1_'.length), 'base64url');
    const redirected = `reevelogin1_${Buffer.concat([pinned.subarray(0, 65), Buffer.from('127.0.0.1:7422')]).toString('base64url')}`;
    const refused = await reeve(['login'], { input: redirected });
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/certificate was refused/) as string]);
    expect(await other()).toBe('');
    expect((await reeve(['login'], { input: token })).code, 'and the token is still good').toBe(0);
  });

  test('is stopped within 15 s when it is disabled while a change runs, and let in again', async () => {
    const web = fleet.host('web1');
    // The helper stands still: the command waits for the agent, which is there and waits for the helper.
    await web.run(['systemctl', 'kill', '--signal=STOP', 'reeve-privd']);
    const running = reeve(['user', 'add', 'dora', '--on', 'web1', '--yes']);
    await until(async () => (await desk.run(['ss', '-Htn', 'state', 'established', 'dport', '=', ':7423'])) !== '', { timeoutMs: 10_000, everyMs: 50, what: 'the command to be connected' });
    const startedAt = performance.now();
    await fleet.json(['operator', 'disable', 'ada']);
    expect(await reeve(['whoami'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/Operator "ada" is disabled/) as string });
    const stopped = await running;
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect([stopped.code, stopped.stderr]).toEqual([2, expect.stringMatching(/Operator "ada" is disabled/) as string]);
    await web.run(['systemctl', 'kill', '--signal=CONT', 'reeve-privd']);
    await fleet.json(['operator', 'enable', 'ada']);
    expect((await reeve(['whoami'])).code).toBe(0);
  });

  test('is out for good when it is revoked, until it is invited again', async () => {
    expect(await fleet.json(['operator', 'revoke', 'ada', '--yes'])).toMatchObject({ certificates: expect.any(Number) as number });
    expect(await reeve(['host', 'list'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/its key is revoked/) as string });
    expect((await login()).code).toBe(0);
    expect((await reeve(['host', 'list'])).code).toBe(0);
    expect(await reeve(['logout'])).toMatchObject({ code: 0 });
    expect((await desk.exec(['ls', '/home/ada/.config/reeve/login.json'])).code).toBe(2);
  });
});

/** Another TLS server on port 7422 of a host, with a chain of its own. Answers what it was told after the handshake. */
async function startOther(host: LabHost): Promise<() => Promise<string>> {
  await host.run(['mkdir', '-p', '/root/other']);
  const script = `
    const { execFileSync } = require('node:child_process');
    const fs = require('node:fs');
    const tls = require('node:tls');
    const heard = fs.openSync('/root/other/heard', 'w');
    const server = tls.createServer({ key: fs.readFileSync('/root/other/key.pem'), cert: fs.readFileSync('/root/other/cert.pem'), ALPNProtocols: ['h2'] }, (socket) => socket.on('data', (chunk) => fs.writeSync(heard, chunk)).on('error', () => undefined));
    server.on('tlsClientError', () => undefined);
    server.listen(7422, '127.0.0.1', () => fs.writeFileSync('/root/other/ready', ''));
    process.stdin.on('end', () => process.exit()).resume();`;
  await host.write('/root/other/server.cjs', script);
  await host.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/root/other/key.pem', '-out', '/root/other/cert.pem', '-subj', '/CN=reeve coordinator', '-days', '2']);
  const child = host.spawn(['/usr/lib/reeve/node', '/root/other/server.cjs']);
  await until(async () => (await host.exec(['ls', '/root/other/ready'])).code === 0, { timeoutMs: 10_000, what: 'the other server to listen' });
  return async () => {
    child.stdin?.end();
    return host.read('/root/other/heard');
  };
}

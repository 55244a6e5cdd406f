import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecResult, LabHost } from '../lab/lab.js';
import { undoPoints } from '../support/chaos-points.js';
import { arm, prepareUnit, waitRestarted } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** What the host's own tools show of an account; empty: there is none. */
async function account(host: LabHost, name: string): Promise<{ passwd: string; locked: boolean; groups: string }> {
  const passwd = (await host.exec(['getent', 'passwd', name])).stdout.trim();
  const shadow = (await host.exec(['getent', 'shadow', name])).stdout.trim();
  return { passwd, locked: shadow.split(':')[7] === '1', groups: (await host.exec(['id', '-nG', name])).stdout.trim() };
}

const agent = (host: LabHost, ...words: string[]): Promise<ExecResult> => host.exec(['/usr/bin/reeve-agent', ...words], { timeoutMs: 120_000 });
const status = async (host: LabHost): Promise<{ agent: string; open: number; holds: { noun: string; reason: string }[]; operations: { state: string; undoes: string[] }[]; undos: { id: string; was: number }[] }> =>
  JSON.parse(await host.run(['/usr/bin/reeve-agent', 'status', '--json'])) as never;

describe.skipIf(!hosts.ok)('hold and undo on real hosts', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let web2: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'hold', hosts: ['web1', 'web2'], packages: 'test' });
    web1 = fleet.host('web1');
    web2 = fleet.host('web2');
    await fleet.json(['user', 'add', 'bob', '--on', 'all', '--groups', 'www-data', '--yes']);
  });
  afterAll(() => fleet.close());

  const pending = async (): Promise<{ hostName: string; reason: string }[]> => (await fleet.json<{ pending: { hostName: string; reason: string }[] }>(['pending'])).pending;
  const settled = (): Promise<unknown> => until(async () => (await pending()).length === 0, { timeoutMs: 30_000, everyMs: 250, what: 'nothing to be pending' });
  const stopCoordinator = (): Promise<string> => fleet.hub.run(['systemctl', 'stop', 'reeved'], { timeoutMs: 60_000 });
  const startCoordinator = async (): Promise<void> => {
    await fleet.hub.run(['systemctl', 'start', 'reeved'], { timeoutMs: 60_000 });
    for (const name of ['web1', 'web2']) await fleet.waitState(name, 'connected');
  };

  test('a held host gets a lock and nothing else, says why everywhere, and what waited is done when the hold ends by itself', async () => {
    await fleet.json(['host', 'hold', 'web1', '--for', '1m', '--reason', 'disk swap']);
    const plan = await fleet.reeve(['user', 'add', 'ada', '--on', 'all', '--plan']);
    expect(plan.code).toBe(3);
    expect(plan.stdout).toMatch(/web1 +held until .*Z by uid:root: disk swap \(would be applied when the hold ends\)\n *web1 +\+ user ada/);
    const added = await fleet.json<{ hosts: { hostName: string; outcome: string }[] }>(['user', 'add', 'ada', '--on', 'all', '--yes'], 3);
    expect(added.hosts.map((host) => [host.hostName, host.outcome])).toEqual([['web1', 'pending'], ['web2', 'ok']]);
    expect([(await account(web1, 'ada')).passwd, (await account(web2, 'ada')).passwd]).toEqual(['', expect.stringMatching(/^ada:/)]);
    await fleet.json(['user', 'lock', 'bob', '--on', 'web1', '--yes'], 3);
    expect((await account(web1, 'bob')).locked).toBe(true);
    await fleet.json(['user', 'add', 'bob', '--on', 'web1', '--shell', '/bin/sh', '--yes'], 3);
    expect(await account(web1, 'bob')).toMatchObject({ passwd: expect.stringMatching(/:\/bin\/bash$/) as string, groups: 'bob' });
    expect(await pending()).toMatchObject([{ hostName: 'web1', reason: expect.stringMatching(/^held until .* by uid:root: disk swap$/) as string }]);
    expect((await fleet.reeve(['host', 'list'])).stdout).toMatch(/web1 .*held, user pending/);
    expect((await fleet.reeve(['host', 'show', 'web1'])).stdout).toMatch(/held +until .*disk swap/);
    expect((await fleet.reeve(['status'])).stdout).toMatch(/web1: it is held[\s\S]*pending until then: user/);
    await until(async () => (await account(web1, 'ada')).passwd !== '', { timeoutMs: 90_000, everyMs: 500, what: 'the hold to end and ada to be made' });
    await settled();
    expect(await account(web1, 'bob')).toMatchObject({ passwd: expect.stringMatching(/:\/bin\/sh$/) as string, locked: true });
    expect((await fleet.json<{ drifted: number }>(['status'])).drifted).toBe(0);
    await fleet.json(['user', 'unlock', 'bob', '--on', 'web1', '--yes']);
  });

  test('root of a host holds it with the coordinator dead; no coordinator lifts that, it survives restarts, and what waited is done when root ends it', async () => {
    await stopCoordinator();
    expect((await agent(web2, 'hold', '--for', '4h', '--reason', 'hands off')).stdout).toMatch(/^This host is held until .* by root on the host itself: hands off/);
    expect(await web2.run(['stat', '-c', '%a %U:%G', '/etc/reeve/hold'])).toBe('644 root:root\n');
    await startCoordinator();
    await fleet.json(['user', 'add', 'eve', '--on', 'web2', '--yes'], 3);
    expect((await pending())[0]?.reason).toMatch(/^held until .* by root on the host itself: hands off$/);
    expect((await fleet.reeve(['host', 'hold', 'web2', '--end'])).stdout).toMatch(/There was no hold to end\. The host has a hold of its own/);
    await web2.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.waitState('web2', 'connected');
    await until(async () => (await fleet.reeve(['apply', '--on', 'web2', '--yes'])).code === 3, { timeoutMs: 30_000, everyMs: 500, what: 'the restarted agent to answer' });
    expect((await account(web2, 'eve')).passwd).toBe('');
    for (const words of [['hold', '--end'], ['hold', '--for', '1h', '--reason', 'x'], ['undo', 'user', '--yes']]) {
      expect((await web2.exec(['runuser', '-u', 'nobody', '--', '/usr/bin/reeve-agent', ...words])).stderr).toMatch(/only root/);
    }
    await agent(web2, 'hold', '--end');
    await until(async () => (await account(web2, 'eve')).passwd !== '', { timeoutMs: 30_000, everyMs: 250, what: 'eve to be made' });
    await settled();
  });

  test('root takes operations back with the coordinator dead; the noun is held, the coordinator sees drift, and apply goes forward again', async () => {
    await fleet.json(['user', 'add', 'carol', '--on', 'web2', '--groups', 'www-data', '--comment', 'Carol', '--yes']);
    const made = await account(web2, 'carol');
    await fleet.json(['user', 'add', 'carol', '--on', 'web2', '--shell', '/bin/sh', '--yes']);
    await fleet.json(['user', 'lock', 'carol', '--on', 'web2', '--yes']);
    const locked = await account(web2, 'carol');
    await stopCoordinator();
    expect((await agent(web2, 'undo', 'user', '--list')).stdout.split('\n')[0]).toMatch(/generation \d+ -> \d+ {2}ok {2}.* {2}carol$/);
    const plan = await agent(web2, 'undo', 'user', '--plan');
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringMatching(/~ user carol {3}presence locked -> present\n {2}note: user "carol" gets access back/) as string });
    expect(await account(web2, 'carol')).toEqual(locked);
    expect((await agent(web2, 'undo', 'user')).stderr).toMatch(/--yes is missing: nobody can be asked here/);
    expect((await agent(web2, 'undo', 'user', '--yes')).stdout).toMatch(/Done\.\nNoun user is held until/);
    expect((await account(web2, 'carol')).locked).toBe(false);
    expect(await agent(web2, 'undo', 'user', '--yes', '--no-hold')).toMatchObject({ code: 0 });
    expect(await account(web2, 'carol')).toEqual(made);
    expect(await agent(web2, 'undo', 'user', '--yes')).toMatchObject({ code: 0, stdout: expect.stringMatching(/is removed, and its home goes to the trash/) as string });
    expect((await account(web2, 'carol')).passwd).toBe('');
    expect(await web2.run(['sh', '-c', 'ls -d /home/.reeve-trash/carol.*'])).toMatch(/carol/);
    const now = await status(web2);
    expect(now).toMatchObject({ agent: 'running', open: 0, holds: [{ noun: 'user', reason: 'after undo of user on the host' }] });
    expect(now.operations.slice(0, 3).map((operation) => [operation.state, operation.undoes.length])).toEqual([['ok', 1], ['ok', 1], ['ok', 1]]);
    await startCoordinator();
    await until(async () => (await fleet.json<{ drifted: number }>(['status'])).drifted === 1, { timeoutMs: 30_000, everyMs: 250, what: 'the drift to be seen' });
    expect((await account(web2, 'carol')).passwd, 'nothing is applied again at once').toBe('');
    await agent(web2, 'hold', '--end');
    await fleet.json(['apply', '--on', 'web2', '--yes']);
    expect(await account(web2, 'carol')).toMatchObject({ passwd: expect.stringMatching(/:\/bin\/sh$/) as string, locked: true });
    await settled();
    expect((await fleet.json<{ drifted: number }>(['status'])).drifted).toBe(0);
  });

  test('with the daemon dead too status and undo work, in its place and as its account', async () => {
    await fleet.json(['user', 'add', 'dan', '--on', 'web1', '--yes']);
    await web1.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    expect(await status(web1)).toMatchObject({ agent: 'not running', open: 0 });
    expect((await agent(web1, 'status')).stdout).toMatch(/helper +ok[\s\S]*Can be taken back/);
    expect(await agent(web1, 'undo', 'user', '--yes', '--json')).toMatchObject({ code: 0, stdout: expect.stringMatching(/"applied": true/) as string });
    expect((await account(web1, 'dan')).passwd).toBe('');
    expect(await web1.run(['find', '/var/lib/reeve-agent', '-not', '-user', 'reeve-agent'])).toBe('');
    expect((await web1.exec(['pgrep', '-u', 'reeve-agent'])).stdout, 'nothing is left running').toBe('');
    await web1.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.waitState('web1', 'connected');
    await agent(web1, 'hold', '--end');
    await fleet.json(['apply', '--on', 'web1', '--yes']);
    expect((await account(web1, 'dan')).passwd).toMatch(/^dan:/);
  });

  test('what the policy does not allow is refused with its line, and nothing is changed', async () => {
    await fleet.json(['user', 'lock', 'dan', '--on', 'web1', '--yes']);
    await web1.run(['sed', '-i', 's/^allow user.unlock/# &/', '/etc/reeve/policy']);
    const refused = await agent(web1, 'undo', 'user', '--yes');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/does not allow user\.unlock[\s\S]*allow user\.unlock name=dan/) as string });
    expect((await account(web1, 'dan')).locked).toBe(true);
    expect((await status(web1)).holds, 'a refusal holds nothing').toEqual([]);
    await web1.run(['sed', '-i', 's/^# allow user.unlock/allow user.unlock/', '/etc/reeve/policy']);
  });

  test('kill -9 of the agent at every failpoint of an undo leaves the old or the new state, and the agent knows which', async () => {
    await stopCoordinator();
    await prepareUnit(web2, 'reeve-agent');
    const count = { old: 0, new: 0 };
    for (const point of undoPoints) {
      await startCoordinator();
      await fleet.json(['apply', '--on', 'web2', '--yes']);
      await fleet.json(['user', 'add', 'bob', '--on', 'web2', '--groups', 'www-data', '--shell', '/bin/bash', '--yes']);
      const before = await account(web2, 'bob');
      await fleet.json(['user', 'add', 'bob', '--on', 'web2', '--groups', 'audio', '--shell', '/bin/sh', '--yes']);
      const after = await account(web2, 'bob');
      const [newest] = (await status(web2)).undos;
      await stopCoordinator();
      await arm(web2, 'reeve-agent', point);
      const killed = await agent(web2, 'undo', 'user', '--yes', '--no-hold');
      expect(killed, point).toMatchObject({ code: 1, stderr: expect.stringMatching(/agent ended before it answered/) as string });
      await waitRestarted(web2, 'reeve-agent');
      await until(async () => (await status(web2)).open === 0, { timeoutMs: 30_000, everyMs: 100, what: 'the agent to settle what was cut off' });
      const now = await account(web2, 'bob');
      const undone = !(await status(web2)).undos.some((undo) => undo.id === newest?.id);
      expect(now, point).toEqual(undone ? before : after);
      count[undone ? 'new' : 'old'] += 1;
    }
    console.log(`kill -9 in an undo: ${String(undoPoints.length)} of ${String(undoPoints.length)} whole, ${String(count.old)} as before, ${String(count.new)} taken back`);
    expect(Math.min(count.old, count.new)).toBeGreaterThan(0);
    await startCoordinator();
    expect(await web2.run(['/usr/lib/reeve-agent/reeve-privd', '--verify-audit'])).toMatch(/^intact\t/);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  });
});

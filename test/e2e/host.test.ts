import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

interface Listed {
  readonly hosts: readonly { readonly id: string; readonly name: string; readonly state: string; readonly labels: readonly string[]; readonly parent: string; readonly lostReason: string }[];
}

describe.skipIf(!hosts.ok)('hosts of a real fleet', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let web2: LabHost;
  const list = async (...args: string[]): Promise<Listed['hosts']> => (await fleet.json<Listed>(['host', 'list', ...args])).hosts;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'host', hosts: ['web1', 'web2'], join: false });
    await fleet.join('web1', { labels: ['role=web', 'site=ams'] });
    await fleet.join('web2', { policy: 'observe', labels: ['role=web'] });
    web1 = fleet.host('web1');
    web2 = fleet.host('web2');
  });
  afterAll(() => fleet.close());

  test('facts are what the host itself shows', async () => {
    const facts = await until(async () => (await fleet.json<{ facts: Record<string, unknown> | null }>(['host', 'show', 'web1'])).facts ?? undefined, { timeoutMs: 20_000, what: 'facts' });
    expect(facts['kernel']).toBe((await web1.run(['uname', '-r'])).trim());
    expect(facts['osId']).toBe('debian 12');
    expect(facts['hostname']).toBe('web1');
    const memory = Number(/MemTotal:\s+(\d+)/.exec(await web1.run(['cat', '/proc/meminfo']))?.[1]) * 1024;
    expect(facts['memoryTotalBytes']).toBe(memory);
    expect(facts['addresses']).toEqual(expect.arrayContaining([expect.objectContaining({ address: web1.address })]));
    expect(facts['cpuCount']).toBe(Number((await web1.run(['nproc', '--all'])).trim()));
    expect((facts['disks'] as { mount: string }[]).map((disk) => disk.mount)).toContain('/');
  });

  test('a host with the observing policy shows facts, and refuses every change', async () => {
    expect((await fleet.json<{ facts: unknown }>(['host', 'show', 'web2'])).facts).not.toBeNull();
    const refused = await fleet.reeve(['user', 'add', 'ada', '--on', 'web2', '--yes']);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/policy of host "web2" does not allow user\.add/);
    expect((await web2.exec(['getent', 'passwd', 'ada'])).code).toBe(2);
  });

  test('labels, parents and selectors', async () => {
    await fleet.json(['host', 'set', 'web2', '--label', 'site=fra', '--parent', 'web1']);
    expect((await list('--on', 'site=fra')).map((host) => [host.name, host.parent, host.labels])).toEqual([['web2', 'web1', ['role=web', 'site=fra']]]);
    expect((await list('--on', 'role=web')).map((host) => host.name)).toEqual(['web1', 'web2']);
    const loop = await fleet.reeve(['host', 'set', 'web1', '--parent', 'web2']);
    expect(loop).toMatchObject({ code: 2 });
    expect(loop.stderr).toMatch(/"web1" cannot be its own ancestor/);
    const held = await fleet.reeve(['host', 'retire', 'web1', '--yes']);
    expect(held.stderr).toMatch(/"web1" is the parent of web2/);
    await fleet.json(['host', 'set', 'web2', '--no-parent', '--unlabel', 'site']);
    expect((await list('--on', 'web2'))[0]).toMatchObject({ parent: '', labels: ['role=web'] });
  });

  test('the coordinator may be restarted or killed at any time', async () => {
    await fleet.hub.run(['systemctl', 'restart', 'reeved']);
    await fleet.waitState('web1', 'connected');
    const pid = (await fleet.hub.run(['systemctl', 'show', '--property=MainPID', '--value', 'reeved'])).trim();
    await fleet.hub.run(['kill', '-9', pid]);
    await fleet.waitCoordinator();
    await fleet.waitState('web1', 'connected');
    await fleet.json(['user', 'add', 'after', '--on', 'web1', '--yes']);
    expect((await web1.exec(['getent', 'passwd', 'after'])).code).toBe(0);
  });

  test('a host gets another address without joining again', async () => {
    const [before] = await list('--on', 'web1');
    await web1.setAddress('198.18.7.7');
    await fleet.waitState('web1', 'lost');
    await fleet.json(['host', 'set', 'web1', '--address', '198.18.7.7']);
    await fleet.waitState('web1', 'connected');
    expect((await list('--on', 'web1'))[0]?.id).toBe(before?.id);
    await fleet.json(['user', 'add', 'moved', '--on', 'web1', '--yes']);
    expect((await web1.exec(['getent', 'passwd', 'moved'])).code).toBe(0);
  });

  test('a host that dies is shown as lost within 30 s, in one line, and slows nobody', async () => {
    const timed = async (): Promise<number> => {
      const started = performance.now();
      await fleet.json(['apply', '--on', 'web1', '--yes']);
      return performance.now() - started;
    };
    await timed();
    await web2.kill();
    const killed = performance.now();
    await fleet.waitState('web2', 'lost', 30_000);
    process.stdout.write(`lost after ${((performance.now() - killed) / 1000).toFixed(1)} s\n`);
    const status = await fleet.json<{ health: { code: string; hostName: string }[] }>(['status']);
    expect(status.health.filter((item) => item.hostName === 'web2').map((item) => item.code)).toEqual(['HOST_LOST']);
    expect(await timed()).toBeLessThan(10_000);
    await web2.powerOn();
    await fleet.waitState('web2', 'connected', 60_000);
  });

  test('a host that reboots comes back by itself', async () => {
    await web1.reboot();
    await fleet.waitState('web1', 'connected', 60_000);
    expect((await fleet.json<{ health: unknown[] }>(['status'])).health).toEqual([]);
  });

  test('revoked: the next call is refused, nothing is connected within 15 s, and only a new invitation lets it back', async () => {
    await fleet.json(['host', 'revoke', 'web2', '--yes']);
    const started = performance.now();
    expect((await list('--on', 'web2'))[0]?.state).toBe('revoked');
    const refused = await fleet.reeve(['user', 'add', 'ada', '--on', 'web2', '--yes']);
    expect(refused.stderr).toMatch(/Host "web2" is revoked/);
    await until(async () => (await web2.run(['ss', '-Htn', 'state', 'established', '( sport = :7420 )'])).trim() === '', { timeoutMs: 15_000, what: 'the connection to be gone' });
    process.stdout.write(`revoked connection gone after ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
    await web2.run(['systemctl', 'restart', 'reeve-agent']);
    expect((await list('--on', 'web2'))[0]?.state).toBe('revoked');
    const invited = await fleet.reeve(['host', 'invite', 'web2', '--rejoin']);
    expect(invited.code).toBe(0);
    await web2.run(['sh', '-c', invited.stdout.trim()]);
    await fleet.waitState('web2', 'connected');
  });

  test('a retired host is out for ever, and its name is free', async () => {
    const [before] = await list('--on', 'web2');
    await fleet.json(['host', 'retire', 'web2', '--yes']);
    expect((await list()).map((host) => host.name)).toEqual(['web1']);
    expect((await list('--retired')).find((host) => host.id === before?.id)?.state).toBe('retired');
    expect((await fleet.reeve(['host', 'show', before?.id ?? '?'])).stderr).toMatch(/is retired/);
    await fleet.join('web2', { policy: 'observe' });
    expect((await list('--on', 'web2'))[0]?.id).not.toBe(before?.id);
  });

  test('a used token, a wrong token and a mistyped name are refused in one clear message', async () => {
    const spent = await fleet.reeve(['host', 'invite', 'web3']);
    const token = /'(reeve1_[A-Za-z0-9_-]+)'/.exec(spent.stdout)?.[1] ?? '';
    const wrong = `${token.slice(0, 20)}${token[20] === 'A' ? 'B' : 'A'}${token.slice(21)}`;
    const refused = await web1.exec(['reeve-agent', 'join', '--state', '/root/other'], { input: `${wrong}\n` });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/The coordinator refused this join/);
    const nonsense = await web1.exec(['reeve-agent', 'join', '--state', '/root/other'], { input: 'hello\n' });
    expect(nonsense.code).toBe(2);
    expect((await fleet.reeve(['host', 'invite', 'Web_3'])).stderr).toMatch(/host name "Web_3" is not allowed/);
    expect((await fleet.reeve(['host', 'invite', 'web1'])).stderr).toMatch(/A host "web1" already exists/);
  });
});

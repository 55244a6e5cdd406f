import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { prepareClock, setClock } from '../support/chaos-identity.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';

/** Runs the line of an invitation on a host. */
async function joinBy(fleet: TestFleet, host: LabHost, name: string, ...more: string[]): Promise<void> {
  const { command } = await fleet.json<{ command: string }>(['host', 'invite', name, ...more]);
  await host.run(['/bin/sh', '-c', command], { timeoutMs: 60_000 });
}

describe.skipIf(!hosts.ok)('a machine and its clone', () => {
  let fleet: TestFleet;
  let web1: LabHost;
  let twin: LabHost;
  const states = async (): Promise<string[]> => (await fleet.json<{ hosts: { name: string; state: string }[] }>(['host', 'list'])).hosts.map((host) => `${host.name} ${host.state}`);

  beforeAll(async () => {
    fleet = await startFleet({ name: 'clone', hosts: ['web1'] });
    twin = await fleet.addHost('twin');
    web1 = fleet.host('web1');
    await prepareClock(twin, 'reeve-agent');
  });
  afterAll(() => fleet.close());

  test('are both quarantined and named as soon as the clone renews its certificate', async () => {
    const state = await web1.run(['/bin/sh', '-c', 'tar -C /var/lib -c reeve-agent | base64']);
    await twin.run(['/bin/sh', '-c', 'base64 -d | tar -C /var/lib -x && chown -R reeve-agent: /var/lib/reeve-agent'], { input: state });
    // Past half of the life of its certificate, so that it renews when it is started.
    await setClock(twin, 5);
    await twin.run(['systemctl', 'start', 'reeve-agent']);
    await fleet.waitState('web1', 'quarantined');
    const { health } = await fleet.json<{ health: { code: string; hostName: string; text: string }[] }>(['status']);
    const [item] = health;
    expect(item).toMatchObject({ code: 'HOST_QUARANTINED', hostName: 'web1' });
    expect(item?.text).toContain(`one answers at ${web1.address}:7420`);
    expect(item?.text).toContain(`one renews from ${twin.address}`);
    expect(item?.text).toMatch(/machine [0-9a-f]{12}.*machine [0-9a-f]{12}/);
    expect((await fleet.reeve(['host', 'show', 'web1'])).stdout).toMatch(/quarantined +two live agents have its identity.*since 20/);
    const audit = await fleet.json<{ records: { action: string }[] }>(['audit', 'list']);
    expect(audit.records.map((record) => record.action)).toContain('host quarantine web1');
    expect(await twin.run(['journalctl', '--unit=reeve-agent', '--output=cat', '--no-pager'])).toMatch(/not the machine that joined[^]*HOST_QUARANTINED/);
    expect(await twin.run(['reeve-agent', 'status'])).toMatch(/^machine +not the one that joined/m);
  });

  test('get nothing: what is asked of the host is stored and pending, with the reason', async () => {
    const added = await fleet.json<{ outcome: string; stored: boolean }>(['user', 'add', 'ada', '--on', 'web1', '--yes'], 3);
    expect(added).toMatchObject({ outcome: 'pending', stored: true });
    const { pending } = await fleet.json<{ pending: { reason: string }[] }>(['pending']);
    expect(pending[0]?.reason).toMatch(/"web1" is quarantined: two live agents/);
    for (const host of [web1, twin]) expect((await host.exec(['getent', 'passwd', 'ada'])).code).toBe(2);
  });

  test('are healed: the clone is reset and joins as a host of its own, the original joins again with a new key', async () => {
    const policy = await twin.read('/etc/reeve/policy');
    expect((await twin.exec(['reeve-agent', 'reset'], { input: '' })).stderr, 'nobody can be asked').toMatch(/--yes/);
    expect((await twin.exec(['runuser', '-u', 'nobody', '--', 'reeve-agent', 'reset', '--yes'])).stderr).toMatch(/only root of this host/);
    await twin.run(['reeve-agent', 'reset', '--yes']);
    expect(await twin.run(['find', '/var/lib/reeve-agent', '-mindepth', '1'])).toBe('');
    expect((await twin.exec(['systemctl', 'is-active', 'reeve-agent'])).stdout.trim()).toBe('inactive');
    expect(await twin.read('/etc/reeve/policy')).toBe(policy);
    await twin.run(['rm', '-f', '/run/reeve-chaos/clock']);

    await joinBy(fleet, twin, 'twin', '--policy', 'standard');
    await joinBy(fleet, web1, 'web1', '--rejoin');
    await fleet.waitState('web1', 'connected');
    await fleet.waitState('twin', 'connected');
    expect(await states()).toEqual(['twin connected', 'web1 connected']);
    const now = await fleet.json<{ health: { code: string }[] }>(['apply', '--on', 'web1', '--yes']).then(() => fleet.json<{ health: { code: string }[] }>(['status']));
    expect(now.health).toEqual([]);
    expect((await web1.exec(['getent', 'passwd', 'ada'])).code, 'what was pending').toBe(0);
    expect((await twin.exec(['getent', 'passwd', 'ada'])).code).toBe(2);
  });

  test('and a template that was reset before it was cloned makes hosts that join each with a token of its own', async () => {
    await twin.run(['reeve-agent', 'reset', '--yes']);
    await fleet.json(['host', 'retire', 'twin', '--yes']);
    await joinBy(fleet, twin, 'guest1', '--policy', 'observe');
    await fleet.waitState('guest1', 'connected');
    expect(await states()).toEqual(['guest1 connected', 'web1 connected']);
  });
});

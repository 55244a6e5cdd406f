import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecResult } from '../lab/lab.js';
import { identityFolder, obeyedKeys, prepareClock, setClock } from '../support/chaos-identity.js';
import { joinPoints, renewPoints } from '../support/chaos-points.js';
import { arm, waitReachable, waitRestarted } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('kill -9 while a host joins or renews', () => {
  let fleet: TestFleet;
  let survived = 0;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosjoin', hosts: ['web1'], packages: 'test', resident: true });
    await prepareClock(fleet.hub, 'reeved');
    await prepareClock(fleet.host('web1'), 'reeve-agent');
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of joining and renewing: ${String(survived)} survived`);
    fleet.close();
  });

  /** The line that an operator gives to the host's administrator. */
  async function invite(): Promise<string> {
    const { command } = await fleet.json<{ command: string }>(['host', 'invite', 'web1', '--policy', 'standard', '--rejoin']);
    return command;
  }

  function runJoin(line: string, failpoint?: string): Promise<ExecResult> {
    const prefix = failpoint === undefined ? [] : ['env', `REEVE_FAILPOINT=${failpoint}`];
    return fleet.host('web1').exec([...prefix, '/bin/sh', '-c', line], { timeoutMs: 90_000 });
  }

  /** A machine that was installed anew: it knows nothing, the coordinator knows it. */
  async function wipe(): Promise<void> {
    await fleet.host('web1').run(['/bin/sh', '-c', 'systemctl stop reeve-agent && rm -rf /var/lib/reeve-agent/identity'], { timeoutMs: 60_000 });
  }

  /** Exactly one identity that both sides mean. */
  async function checkOne(): Promise<void> {
    await waitReachable(fleet, 'web1');
    expect(await obeyedKeys(fleet.hub, 'web1')).toMatchObject({ current: 1 });
    expect((await fleet.json<{ hosts: { name: string }[] }>(['host', 'list'])).hosts.map((row) => row.name)).toEqual(['web1']);
    // The coordinator dials anew two seconds after a renewal.
    await fleet.waitState('web1', 'connected');
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  }

  /** After a join that was killed: in, or not in and the token good, or not in and told so; a fresh invitation always works. */
  async function checkJoin(line: string, expected: 'joined' | 'token good' | 'token spent', point: string): Promise<void> {
    const host = fleet.host('web1');
    const left = await identityFolder(host);
    expect(left.current !== '', `${point}: ${JSON.stringify(left)}`).toBe(expected === 'joined');
    const keys = await obeyedKeys(fleet.hub, 'web1');
    expect(keys.current + keys.staged, 'never two identities').toBeLessThanOrEqual(1);
    if (expected === 'joined') {
      await host.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
      await checkOne();
    } else {
      const again = await runJoin(line);
      expect(again.code === 0, `${point}: ${again.stderr}`).toBe(expected === 'token good');
      if (expected === 'token spent') {
        expect(again.stderr).toMatch(/token is unknown, used or expired/);
        expect(again.stderr).toMatch(/reeve host invite/);
        expect((await identityFolder(host)).current).toBe('');
      } else await checkOne();
    }
    const fresh = await runJoin(await invite());
    expect(fresh.code, `${point}: ${fresh.stderr}`).toBe(0);
    await checkOne();
    const { current, whole, staged } = await identityFolder(host);
    expect([whole, staged], `${point}: joining leaves nothing else`).toEqual([[current], []]);
    survived += 1;
  }

  const joinOutcome = {
    'agent.identity.key': 'token good',
    'agent.enrol.sent': 'token spent',
    'agent.identity.staged': 'token spent',
    'agent.identity.swapped': 'joined',
    'coordinator.enrol.decided': 'token good',
    'coordinator.enrol.stored': 'token spent',
  } as const satisfies Record<(typeof joinPoints.agent | typeof joinPoints.coordinator)[number], string>;

  test('joining, at each failpoint of both programs: one identity or none, and the way in stays open', async () => {
    for (const point of joinPoints.agent) {
      await wipe();
      // Joins are limited to a few a minute from one address; the limit is in memory.
      await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
      const line = await until(invite, { timeoutMs: 30_000, what: 'the coordinator to answer' });
      const killed = await runJoin(line, point);
      expect([killed.code, killed.stdout], point).toEqual([137, expect.not.stringContaining('Joined')]);
      await checkJoin(line, joinOutcome[point], point);
    }
    for (const point of joinPoints.coordinator) {
      await wipe();
      await arm(fleet.hub, 'reeved', point);
      const line = await until(invite, { timeoutMs: 30_000, what: 'the coordinator to answer' });
      const broken = await runJoin(line);
      expect(broken.code, point).not.toBe(0);
      expect(broken.stderr, 'the host’s administrator is told that the token may be spent').toMatch(/may be spent/);
      await waitRestarted(fleet.hub, 'reeved');
      await fleet.waitCoordinator();
      await checkJoin(line, joinOutcome[point], point);
    }
  });

  test('renewing, at each failpoint of both programs: the old or the new certificate works, and renewing goes on', async () => {
    const host = fleet.host('web1');
    let days = 0;
    /** Past half of the certificate's life, on both machines; the agent renews as soon as it is started. */
    const pastHalfLife = async (armed: { unit: 'reeve-agent' | 'reeved'; point: string }): Promise<string> => {
      const before = (await identityFolder(host)).certificate;
      await host.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
      days += 5;
      await setClock(fleet.hub, days);
      await setClock(host, days);
      if (armed.unit === 'reeved') await arm(fleet.hub, 'reeved', armed.point);
      else await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
      if (armed.unit === 'reeve-agent') await arm(host, 'reeve-agent', armed.point);
      else await host.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
      return before;
    };
    const renewed = async (before: string, timeoutMs = 60_000): Promise<void> => {
      try {
        await until(async () => (await identityFolder(host)).certificate !== before, { timeoutMs, everyMs: 200, what: 'the certificate to be renewed' });
      } catch (error) {
        throw new Error(`It was not renewed; the agent said:\n${await host.run(['journalctl', '--no-pager', '--output=cat', '--lines=20', '--unit=reeve-agent'])}`, { cause: error });
      }
    };

    for (const point of [...renewPoints.agent, ...renewPoints.agent]) {
      const before = await pastHalfLife({ unit: 'reeve-agent', point });
      await waitRestarted(host, 'reeve-agent');
      await renewed(before);
      await checkOne();
      survived += 1;
    }
    for (const point of [...renewPoints.coordinator, ...renewPoints.coordinator]) {
      const before = await pastHalfLife({ unit: 'reeved', point });
      await waitRestarted(fleet.hub, 'reeved');
      // The answer was lost: both keys are good until one of them is used, and the agent tries again by itself within seconds, not minutes.
      await renewed(before, 30_000);
      await checkOne();
      survived += 1;
    }
    expect((await identityFolder(host)).current).not.toBe('');
  });

  test('coming back after expiry, at each failpoint of both programs: the last key stays good until the new one is used', async () => {
    const host = fleet.host('web1');
    let days = 100;
    // From whatever clock the tests before have left: an operator says yes.
    await host.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    for (const machine of [fleet.hub, host]) await setClock(machine, days);
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await until(async () => (await fleet.reeve(['host', 'readmit', 'web1'])).code === 0, { timeoutMs: 30_000, what: 'the coordinator to take the yes' });
    await host.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    await checkOne();
    /** Ten days past the end of the certificate, on both machines; the agent comes back as soon as it is started. */
    const expire = async (armed: { unit: 'reeve-agent' | 'reeved'; point: string }): Promise<string> => {
      await host.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
      const before = (await identityFolder(host)).certificate;
      days += 17;
      await setClock(fleet.hub, days);
      await setClock(host, days);
      if (armed.unit === 'reeved') await arm(fleet.hub, 'reeved', armed.point);
      else await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
      if (armed.unit === 'reeve-agent') await arm(host, 'reeve-agent', armed.point);
      else await host.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
      return before;
    };
    const back = async (before: string, point: string): Promise<void> => {
      try {
        await until(async () => (await identityFolder(host)).certificate !== before, { timeoutMs: 60_000, everyMs: 200, what: `the host to come back after ${point}` });
      } catch (error) {
        throw new Error(`It did not come back; the agent said:\n${await host.run(['journalctl', '--no-pager', '--output=cat', '--lines=20', '--unit=reeve-agent'])}`, { cause: error });
      }
      await checkOne();
      survived += 1;
    };
    for (const point of joinPoints.agent) {
      const before = await expire({ unit: 'reeve-agent', point });
      await waitRestarted(host, 'reeve-agent');
      await back(before, point);
    }
    for (const point of joinPoints.coordinator) {
      const before = await expire({ unit: 'reeved', point });
      await waitRestarted(fleet.hub, 'reeved');
      expect((await identityFolder(host)).certificate).toBe(before);
      // It tries again within minutes by itself; started anew, at once.
      await host.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
      await back(before, point);
    }
  });
});

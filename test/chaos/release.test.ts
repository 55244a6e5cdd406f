import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identityFolder } from '../support/chaos-identity.js';
import { agentUserPoints, coordinatorChangePoints, helperPoints, releasePoints } from '../support/chaos-points.js';
import { accountState, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, type ChaosUnit } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const managed = ['web1', 'web2'] as const;

/** Points that both parts of a release pass, the users' and the host's: the second pass of a point is the host's. */
const both = (points: readonly string[]): string[] => points.flatMap((point) => [point, `${point}:2`]);

const agentPoints = [...both(agentUserPoints.filter((point) => point !== 'agent.user.step')), 'agent.user.step', 'agent.user.step:2', ...releasePoints.agent];
const coordinatorPoints = ['coordinator.change.stored', ...both(coordinatorChangePoints.filter((point) => point !== 'coordinator.change.stored'))];

describe.skipIf(!hosts.ok)('kill -9 while a host is released or reset', () => {
  let fleet: TestFleet;
  let survived = 0;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosrelease', hosts: managed, packages: 'test', join: false, resident: true });
    await prepareUnit(fleet.hub, 'reeved');
    await Promise.all(managed.map((name) => prepareUnit(fleet.host(name), 'reeve-agent')));
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of release and reset: ${String(survived)} survived`);
    fleet.close();
  });

  /** A host that has just joined, with an account that is open and one that is locked. */
  async function prepare(name: string, round: string): Promise<void> {
    await fleet.join(name);
    await fleet.json(['user', 'add', `o${round}`, '--on', name, '--groups', 'www-data', '--yes']);
    await fleet.json(['user', 'add', `l${round}`, '--on', name, '--yes']);
    await fleet.json(['user', 'lock', `l${round}`, '--on', name, '--yes']);
  }

  const listed = async (name: string): Promise<string | undefined> =>
    (await fleet.json<{ hosts: { name: string; state: string }[] }>(['host', 'list'])).hosts.find((row) => row.name === name)?.state;

  /** Whatever was killed, the release comes to its end: by itself, or by the command given again. Accounts are as they were, and nothing is managed. */
  async function checkReleased(name: string, round: string, unit: ChaosUnit): Promise<void> {
    const host = fleet.host(name);
    await until(async () => {
      const state = await listed(name);
      if (state === undefined) return true;
      // Killed before anything was stored: nothing is pending, and only a repeat goes on.
      if (state === 'connected') await fleet.reeve(['host', 'release', name, '--yes']);
      return false;
    }, { timeoutMs: 90_000, everyMs: 500, what: `${name} to be released after ${unit} was killed (${round})` });
    await until(async () => {
      const { operations } = await fleet.json<{ operations: { summary: string; outcome: string }[] }>(['operation', 'list', '--limit', '20']);
      return !operations.some((row) => row.summary.includes(name) && (row.outcome === 'running' || row.outcome === 'unknown'));
    }, { timeoutMs: 20_000, everyMs: 200, what: `the operations of ${name} to be settled (${round})` });
    for (const [user, locked] of [[`o${round}`, false], [`l${round}`, true]] as const) {
      expect(await accountState(host, user), `${user} on ${name}`).toMatchObject({ marker: '', entries: 3, home: true, locked, member: !locked, made: 1, deleted: 0 });
    }
    expect(await host.run(['reeve-agent', 'status'])).toMatch(/^released +on /m);
    expect(await host.run(['find', '/var/lib/reeve-privd/owned/user', '/var/lib/reeve-privd/undo', '/var/lib/reeve-privd/pending', '-type', 'f'])).toBe('');
    const records = await helperRecords(host);
    expect(records.filter((record) => record.verb === 'user.release' && new RegExp(`name=o${round}(?: |$)`).test(record.args) && record.phase === 'intent').length).toBeGreaterThan(0);
    expect(await leftovers(host)).toEqual([]);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
    survived += 1;
  }

  test('the agent, at each of its failpoints', async () => {
    const queue = agentPoints.map((point, index) => ({ point, round: `a${String(index)}` }));
    const work = async (name: string): Promise<void> => {
      const host = fleet.host(name);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await prepare(name, next.round);
        await arm(host, 'reeve-agent', next.point);
        await waitReachable(fleet, name);
        const killed = await fleet.reeve(['host', 'release', name, '--yes']);
        expect(killed.code, `${next.point}: ${killed.stdout}${killed.stderr}`).toBe(3);
        await waitRestarted(host, 'reeve-agent');
        await checkReleased(name, next.round, 'reeve-agent');
      }
    };
    await Promise.all(managed.map(work));
  });

  test('the coordinator, at each of its failpoints', async () => {
    for (const [index, point] of coordinatorPoints.entries()) {
      const name = managed[index % 2] ?? 'web1';
      const round = `c${String(index)}`;
      await prepare(name, round);
      await arm(fleet.hub, 'reeved', point);
      await waitReachable(fleet, name);
      expect((await fleet.reeve(['host', 'release', name, '--yes'])).code, point).not.toBe(0);
      await waitRestarted(fleet.hub, 'reeved');
      await fleet.waitCoordinator();
      await checkReleased(name, round, 'reeved');
    }
  });

  test('the helper’s child, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    const host = fleet.host('web1');
    for (const [index, point] of ['audit.intent', 'audit.result', ...helperPoints.release].entries()) {
      const round = `h${String(index)}`;
      await prepare('web1', round);
      await host.write(`/var/lib/reeve-privd/failpoint.${point}`, '');
      await fleet.json(['host', 'release', 'web1', '--yes']);
      expect((await host.exec(['test', '-e', `/var/lib/reeve-privd/failpoint.${point}`])).code, `${point} was passed`).toBe(1);
      await checkReleased('web1', round, 'reeve-agent');
    }
  });

  test('reeve-agent reset, at each of its failpoints: a repeat finishes it, and the host joins anew', async () => {
    const host = fleet.host('web2');
    for (const point of releasePoints.reset) {
      await fleet.join('web2');
      const policy = await host.read('/etc/reeve/policy');
      const killed = await host.exec(['env', `REEVE_FAILPOINT=${point}`, 'reeve-agent', 'reset', '--yes']);
      expect(killed.code, point).not.toBe(0);
      expect((await identityFolder(host)).current, 'the identity goes first').toBe('');
      await host.run(['systemctl', 'start', 'reeve-agent']);
      expect((await host.exec(['systemctl', 'is-active', 'reeve-agent'])).stdout.trim(), 'there is nothing to run as').toBe('inactive');
      await host.run(['reeve-agent', 'reset', '--yes']);
      expect(await host.run(['find', '/var/lib/reeve-agent', '-mindepth', '1'])).toBe('');
      expect(await host.read('/etc/reeve/policy')).toBe(policy);
      await fleet.json(['host', 'retire', 'web2', '--yes']);
      survived += 1;
    }
    await fleet.join('web2');
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { mainPid } from '../support/abuse-host.js';
import { agentNatPoints, agentUserPoints, coordinatorChangePoints, natPoints } from '../support/chaos-points.js';
import { answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, type CommandAnswer } from '../support/chaos.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { insideOf, reeveTable, waitNothingPends } from '../support/nat-fleet.js';
import { confirmS, cut, graceS, inTime, sideBySide, startFronts, tell, type Cut, type Front } from '../support/nat-fronts.js';
import { ask } from '../support/nat-probe.js';
import { errorsOf } from '../support/nat-setting.js';
import { until } from '../support/until.js';

const FRONTS = 6;
/** How often a guest's agent is cut off, and how often each thing happens while it is. */
const CUTS = Number(process.env['REEVE_NAT_CUTS'] ?? 50);
const DEATHS = Number(process.env['REEVE_NAT_DEATHS'] ?? 20);

/** Less than systemd waits for a service that does not stop, s: nothing of Reeve holds a machine up that goes down. */
const rebootS = 25;

async function rebootSoon(host: LabHost): Promise<void> {
  const began = performance.now();
  await host.reboot();
  expect((performance.now() - began) / 1000, `${host.name}: the reboot`).toBeLessThan(rebootS);
}

/** What may happen to the front while the change waits, and to how many fronts at once: machines that start side by side start too slowly. */
const deaths: readonly (readonly [what: string, atOnce: number, happen: (host: LabHost) => Promise<unknown>])[] = [
  ['the agent is killed', FRONTS, async (host) => host.exec(['kill', '-9', String(await mainPid(host, 'reeve-agent'))])],
  ['the helper is killed', FRONTS, (host) => host.exec(['pkill', '-9', '-x', 'reeve-privd'])],
  ['the host is rebooted', 2, rebootSoon],
];

describe.skipIf(!hosts.ok)('a forward that is changed so that a guest’s agent is cut off', () => {
  let fleet: TestFleet;
  let fronts: readonly Front[] = [];
  const survived: string[] = [];

  beforeAll(async () => {
    ({ fleet, fronts } = await startFronts('chaosnat', FRONTS));
    await prepareUnit(fleet.hub, 'reeved');
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of nat: ${String(survived.length)} survived`);
    for (const front of fronts) front.watch.close();
    fleet.close();
  });

  function expectAllBack(cuts: readonly Cut[], what: string): void {
    process.stdout.write(`${what}: ${tell(cuts)}\n`);
    expect(cuts.filter((each) => !inTime(each))).toEqual([]);
  }

  test(`is taken back, ${String(CUTS)} of ${String(CUTS)} times, and who gave the command is told which agent was missing`, async () => {
    const cuts = await sideBySide(fronts, CUTS, async (front) => {
      const each = await cut(fleet, front);
      expect(each.code, each.said).toBe(1);
      expect(errorsOf(each.said)).toMatchObject([{ code: 'CONFIRM_REVERTED', message: expect.stringContaining(`agent ${front.guest.name} unreachable`) as string }]);
      return each;
    });
    expectAllBack(cuts, 'cut off by a change');
  }, 900_000);

  test.each(deaths)(`is taken back when meanwhile %s, ${String(DEATHS)} of ${String(DEATHS)} times`, async (what, atOnce, happen) => {
    const chosen = fronts.slice(0, atOnce);
    expectAllBack(await sideBySide(chosen, DEATHS, (front) => cut(fleet, front, () => happen(front.host))), what);
    for (const { host } of chosen) {
      await waitNothingPends(host);
      expect(await leftovers(host), host.name).toEqual([]);
    }
  }, 900_000);

  /** A forward more, and without it. */
  const add = (front: Front, port: number): string[] => ['nat', 'add', front.host.name, '--proto', 'tcp', '--port', String(port), '--to', `${insideOf(fronts.indexOf(front) + 1).guest(1).address}:80`, '--confirm-timeout', `${String(confirmS)}s`];
  const remove = (front: Front, port: number): string[] => ['nat', 'remove', front.host.name, `tcp/${String(port)}`];
  const works = async (front: Front, port: number): Promise<boolean> => /saw/.test((await ask(fleet.host('desk'), 'tcp', front.host.address, [port])).join());

  /** What is wanted is there, nothing waits, nothing is left, and a repeat has nothing to do. */
  async function expectWhole(front: Front, port: number, point: string): Promise<void> {
    await waitNothingPends(front.host);
    const again = await fleet.json<CommandAnswer>(['apply', '--on', front.host.name, '--noun', 'nat', '--yes']);
    expect(again.hosts.flatMap((host) => host.changes), point).toEqual([]);
    expect(await works(front, port), point).toBe(true);
    expect(await leftovers(front.host), point).toEqual([]);
    survived.push(point);
  }

  test('kill -9 of the helper’s child, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    const points = [...natPoints.apply, ...natPoints.confirm];
    await sideBySide(fronts, points.length, async (front, number) => {
      const point = points[number]!;
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await front.host.write(file, '');
      const answer = await fleet.json<CommandAnswer>([...add(front, 8200 + number), '--yes']);
      expect(answer.outcome, point).toBe('ok');
      expect((await front.host.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
      await expectWhole(front, 8200 + number, point);
      await fleet.json([...remove(front, 8200 + number), '--yes']);
    });
    for (const { host } of fronts) await helperRecords(host);
  });

  test('kill -9 of the helper’s child, and the plug is pulled: what was before, or what was wanted, and never a part of it', async () => {
    const points = [...natPoints.apply, ...natPoints.confirm];
    await sideBySide(fronts, points.length, async (front, number) => {
      const point = points[number]!;
      const before = await reeveTable(front.host);
      await front.host.write(`/var/lib/reeve-privd/failpoint.${point}`, '');
      const command = fleet.reeve([...add(front, 8300 + number), '--yes', '--json']);
      await until(async () => (await front.host.exec(['test', '-e', `/var/lib/reeve-privd/failpoint.${point}`])).code === 1, { timeoutMs: 30_000, everyMs: 10, what: `${point} to be passed` });
      await front.host.kill();
      await front.host.powerOn();
      await command;
      const after = await reeveTable(front.host);
      expect([before, expect.stringContaining(`dport ${String(8300 + number)} `)], point).toContainEqual(after);
      await fleet.waitState(front.host.name, 'connected', 90_000);
      await until(() => fleet.json(['apply', '--on', front.host.name, '--noun', 'nat', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `${front.host.name} to be as wanted` });
      // A command that never reached the inventory is given again.
      if (!(await works(front, 8300 + number))) await fleet.json([...add(front, 8300 + number), '--yes']);
      await expectWhole(front, 8300 + number, `${point} and a power cut`);
      await fleet.json([...remove(front, 8300 + number), '--yes']);
    });
  });

  test('kill -9 of the agent, at each of its failpoints', async () => {
    const points = [...agentUserPoints.filter((name) => name !== 'agent.user.step'), ...agentNatPoints];
    await Promise.all(fronts.map(({ host }) => prepareUnit(host, 'reeve-agent')));
    await sideBySide(fronts, points.length, async (front, number) => {
      const point = points[number]!;
      await arm(front.host, 'reeve-agent', point);
      await waitReachable(fleet, front.host.name);
      const result = await fleet.reeve([...add(front, 8400 + number), '--yes', '--json']);
      expect([1, 3], `${point}: ${result.stdout}${result.stderr}`).toContain(result.code);
      expect(answerOf(result)?.stored, point).toBe(true);
      await waitRestarted(front.host, 'reeve-agent');
      await waitReachable(fleet, front.host.name);
      await until(() => fleet.json(['apply', '--on', front.host.name, '--noun', 'nat', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `${front.host.name} to be as wanted after ${point}` });
      await expectWhole(front, 8400 + number, point);
      await fleet.json([...remove(front, 8400 + number), '--yes']);
    });
  });

  test('kill -9 of the helper’s child while it lets go: everything goes on, without Reeve and with it again', async () => {
    await sideBySide(fronts, natPoints.release.length, async (front, number) => {
      const { host } = front;
      const [point, inside] = [natPoints.release[number]!, insideOf(fronts.indexOf(front) + 1)];
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await host.write(file, '');
      const before = await reeveTable(host);
      expect((await fleet.json<CommandAnswer>(['host', 'release', host.name, '--noun', 'nat', '--yes'])).outcome, point).toBe('ok');
      expect((await host.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
      expect(await reeveTable(host), point).toBe(before);
      await host.reboot();
      await until(async () => (await reeveTable(host)) === before && front.watch.open, { timeoutMs: 20_000, what: `the forwards of ${host.name} to be there` });
      await fleet.waitState(host.name, 'connected', 90_000);
      // In one change: the guest's agent is reached by one of them all the time.
      await fleet.json(['nat', 'masquerade', host.name, '--source', inside.network, '--stage']);
      await fleet.json(['nat', 'add', host.name, '--proto', 'tcp', '--port', '17420-17421', '--to', `${inside.guest(1).address}:7420-7421`, '--stage']);
      await fleet.json(['apply', '--on', host.name, '--noun', 'nat', '--yes']);
      await fleet.json([...add(front, 8600 + number), '--yes']);
      await expectWhole(front, 8600 + number, point);
    });
  });

  test('kill -9 of the coordinator, at each of its failpoints: the host takes it back in time, or keeps it', async () => {
    for (const [number, point] of coordinatorChangePoints.entries()) {
      const front = fronts[number % fronts.length]!;
      await arm(fleet.hub, 'reeved', point);
      await until(async () => (await fleet.reeve(['nat', 'list', front.host.name])).code === 0, { timeoutMs: 30_000, everyMs: 200, what: 'reeved to answer' });
      await fleet.waitState(front.host.name, 'connected', 90_000);
      await fleet.reeve([...add(front, 8500 + number), '--yes']);
      await waitRestarted(fleet.hub, 'reeved');
      await waitNothingPends(front.host, (confirmS + graceS) * 1000);
      await fleet.waitState(front.host.name, 'connected', 90_000);
      await fleet.waitState('desk', 'connected', 90_000);
      await until(() => fleet.json(['apply', '--on', front.host.name, '--noun', 'nat', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `${front.host.name} to be as wanted after ${point}` });
      await expectWhole(front, 8500 + number, point);
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { agentCertPoints, agentUserPoints, certPoints, coordinatorChangePoints } from '../support/chaos-points.js';
import { certFolder, handOver, inPlace, startCertFleet } from '../support/cert-fleet.js';
import { answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, type CommandAnswer } from '../support/chaos.js';
import { hosts, type TestFleet } from '../support/fleet.js';
import { makeTestAuthority } from '../support/test-cert.js';
import { until } from '../support/until.js';

describe.skipIf(!hosts.ok)('kill -9 while a certificate is changed', () => {
  const authority = makeTestAuthority();
  let fleet: TestFleet;
  let web1: LabHost;
  let round = 0;
  const survived: string[] = [];

  beforeAll(async () => {
    fleet = await startCertFleet('chaoscert', 'test');
    web1 = fleet.host('web1');
    await prepareUnit(fleet.hub, 'reeved');
    await fleet.json(['cert', 'add', 'web1', 'own', '--self-signed', '--name', 'own.example.org', '--yes']);
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of cert: ${String(survived.length)} survived`);
    fleet.close();
  });

  const nameOf = (number: number): string => `DNS:n${String(number)}.example.org`;
  /** The next certificate, and the command that puts it in place. */
  async function next(verb: 'add' | 'set'): Promise<string[]> {
    round += 1;
    return ['cert', verb, 'web1', 'shop', ...(await handOver(fleet, authority.issue([`n${String(round)}.example.org`]))), '--reload', 'demo.service', '--yes', '--json'];
  }

  /** What is wanted is in place and fits, nothing is left behind, and a repeat has nothing to do. */
  async function expectWhole(point: string): Promise<void> {
    await until(() => fleet.json(['apply', '--on', 'web1', '--noun', 'cert', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `web1 to be as wanted after ${point}` });
    const again = await fleet.json<CommandAnswer>(['apply', '--on', 'web1', '--noun', 'cert', '--yes']);
    expect(again.hosts.flatMap((host) => host.changes), point).toEqual([]);
    expect(await inPlace(web1, 'shop'), point).toBe(nameOf(round));
    expect(await leftovers(web1), point).toEqual([]);
    expect((await web1.run(['ls', '-A', certFolder])).split('\n').filter((name) => name.startsWith('.shop.')), point).toHaveLength(1);
    survived.push(point);
  }

  test('the child of the helper, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    await web1.run(['rm', '-rf', certFolder]);
    for (const [index, point] of [...certPoints.put, ...certPoints.key].entries()) {
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      const command = await next(index === 0 ? 'add' : 'set');
      await web1.write(file, '');
      const result = await fleet.reeve(command);
      expect((await web1.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
      // A key whose keeping died was not kept, and nothing was stored.
      if (result.code !== 0) await fleet.reeve(command);
      await expectWhole(point);
    }
    await helperRecords(web1);
  });

  test('the child of the helper, and the plug is pulled: the one before or the next, whole', async () => {
    for (const point of certPoints.put) {
      const command = await next('set');
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await web1.write(file, '');
      const running = fleet.reeve(command);
      await until(async () => (await web1.exec(['test', '-e', file])).code === 1, { timeoutMs: 30_000, everyMs: 10, what: `${point} to be passed` });
      await web1.kill();
      await web1.powerOn();
      await running;
      expect([nameOf(round - 1), nameOf(round)], point).toContain(await inPlace(web1, 'shop'));
      await fleet.waitState('web1', 'connected', 90_000);
      await until(() => fleet.json(['apply', '--on', 'web1', '--noun', 'cert', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `web1 to be as wanted after ${point}` });
      // A command that never reached the inventory is given again.
      if ((await inPlace(web1, 'shop')) !== nameOf(round)) expect((await fleet.reeve(command)).code, point).toBe(0);
      await expectWhole(`${point} and a power cut`);
    }
  });

  test('the agent, at each of its failpoints', async () => {
    // No boot outlives it.
    await prepareUnit(web1, 'reeve-agent');
    for (const point of [...agentUserPoints.filter((name) => name !== 'agent.user.step'), ...agentCertPoints]) {
      const command = await next('set');
      await arm(web1, 'reeve-agent', point);
      await waitReachable(fleet, 'web1');
      const result = await fleet.reeve(command);
      expect([1, 3], `${point}: ${result.stdout}${result.stderr}`).toContain(result.code);
      expect(answerOf(result)?.stored, point).toBe(true);
      await waitRestarted(web1, 'reeve-agent');
      await waitReachable(fleet, 'web1');
      await expectWhole(point);
    }
  });

  test('the coordinator, at each of its failpoints', async () => {
    for (const point of coordinatorChangePoints) {
      const command = await next('set');
      await arm(fleet.hub, 'reeved', point);
      await until(async () => (await fleet.reeve(['cert', 'list', 'web1'])).code === 0, { timeoutMs: 30_000, everyMs: 200, what: 'reeved to answer' });
      await fleet.waitState('web1', 'connected', 90_000);
      await fleet.reeve(command);
      await waitRestarted(fleet.hub, 'reeved');
      await fleet.waitState('web1', 'connected', 90_000);
      await expectWhole(point);
    }
  });

  test('the child of the helper while one is taken away, and while all are let go of', async () => {
    for (const point of certPoints.remove) {
      await web1.write(`/var/lib/reeve-privd/failpoint.${point}`, '');
      expect((await fleet.json<CommandAnswer>(['cert', 'remove', 'web1', 'shop', '--yes'])).outcome, point).toBe('ok');
      expect((await web1.run(['ls', '-A', certFolder])).includes('shop'), point).toBe(false);
      survived.push(point);
      expect((await fleet.reeve(await next('add'))).code, point).toBe(0);
    }
    for (const point of certPoints.release) {
      await web1.write(`/var/lib/reeve-privd/failpoint.${point}`, '');
      expect((await fleet.json<CommandAnswer>(['host', 'release', 'web1', '--noun', 'cert', '--yes'])).outcome, point).toBe('ok');
      expect(await inPlace(web1, 'shop'), point).toBe(nameOf(round));
      expect(await web1.run(['find', '/var/lib/reeve-privd/owned/cert', '/var/lib/reeve-privd/cert', certFolder, '-name', '.reeve', '-o', '-type', 'f', '-path', '/var/lib/*']), point).toBe('');
      survived.push(point);
    }
  });
});

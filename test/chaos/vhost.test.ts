import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentUserPoints, agentVhostPoints, vhostPoints } from '../support/chaos-points.js';
import { answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, type CommandAnswer } from '../support/chaos.js';
import { hosts } from '../support/fleet.js';
import { until } from '../support/until.js';
import { startWebFleet, type WebFleet } from '../support/web-fleet.js';

const site = 'changed.example.org';
const helperFailpoints = [...vhostPoints.check, ...vhostPoints.apply, ...vhostPoints.settle];

describe.skipIf(!hosts.ok)('kill -9 while a site is changed', () => {
  let fleet: WebFleet;
  let round = 0;
  const survived: string[] = [];

  beforeAll(async () => {
    fleet = await startWebFleet('chaosvhost', 'test');
    await prepareUnit(fleet.web, 'reeve-agent');
    for (const name of [site, 'other.example.org']) await fleet.change(['vhost', 'add', 'web1', name, '--no-tls', '--status', '200', '--text', name === site ? 'text 0' : 'always']);
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of vhost: ${String(survived.length)} survived`);
    fleet.close();
  });

  const set = (): string[] => {
    round += 1;
    return ['vhost', 'set', 'web1', site, '--status', '200', '--text', `text ${String(round)}`];
  };

  /** What is wanted is served, nothing is left behind, and a repeat has nothing to do. */
  async function expectWhole(point: string): Promise<void> {
    await until(() => fleet.json(['apply', '--on', 'web1', '--noun', 'vhost', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `web1 to be as wanted after ${point}` });
    const again = await fleet.json<CommandAnswer>(['apply', '--on', 'web1', '--noun', 'vhost', '--yes']);
    expect(again.hosts.flatMap((host) => host.changes), point).toEqual([]);
    expect((await fleet.plain(site)).body, point).toBe(`text ${String(round)}`);
    expect(await leftovers(fleet.web), point).toEqual([]);
    expect((await fleet.web.run(['sh', '-c', 'ls -d /etc/nginx/reeve/set-* | wc -l; ls -A /root /var/log/nginx'])).split('\n')[0], point).toBe('1');
    survived.push(point);
  }

  /** Both sites are asked all the time; whatever happens, one has its old text or its new, and the other its own. */
  async function watched(what: string, happen: () => Promise<void>): Promise<void> {
    const { address } = fleet.web;
    const before = `text ${String(round)}`;
    const polling = fleet.client.poll({ sites: ['other.example.org', site].map((host) => ({ host, address, port: 80, tls: false, body: host === site ? before : 'always' })), fresh: 2, kept: 2, perSecond: 60 });
    await happen();
    const { failed } = await polling.stop();
    const texts = new Set(Array.from({ length: round + 1 }, (_, n) => `200 text ${String(n)}`));
    expect(failed.filter(({ host, why }) => host !== site || !texts.has(why)), what).toEqual([]);
  }

  test('the child of the helper, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    await watched('helper', async () => {
      for (const point of helperFailpoints) {
        const file = `/var/lib/reeve-privd/failpoint.${point}`;
        await fleet.web.write(file, '');
        const answer = await fleet.json<CommandAnswer>([...set(), '--yes']);
        expect(answer.outcome, point).toBe('ok');
        expect((await fleet.web.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
        await expectWhole(point);
      }
    });
    await helperRecords(fleet.web);
  });

  test('the agent, at each of its failpoints', async () => {
    await watched('agent', async () => {
      for (const point of [...agentUserPoints.filter((name) => name !== 'agent.user.step'), ...agentVhostPoints]) {
        await arm(fleet.web, 'reeve-agent', point);
        await waitReachable(fleet, 'web1');
        const result = await fleet.reeve([...set(), '--yes', '--json']);
        expect([1, 3], `${point}: ${result.stdout}${result.stderr}`).toContain(result.code);
        expect(answerOf(result)?.stored, point).toBe(true);
        await waitRestarted(fleet.web, 'reeve-agent');
        await waitReachable(fleet, 'web1');
        await expectWhole(point);
      }
    });
  });

  test('the child of the helper, and the plug is pulled: the old set or the new one, whole, once the host runs again', async () => {
    for (const point of helperFailpoints) {
      const before = `text ${String(round)}`;
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await fleet.web.write(file, '');
      const command = fleet.reeve([...set(), '--yes', '--json']);
      await until(async () => (await fleet.web.exec(['test', '-e', file])).code === 1, { timeoutMs: 30_000, everyMs: 10, what: `${point} to be passed` });
      await fleet.web.kill();
      await fleet.web.powerOn();
      await command;
      await until(async () => [before, `text ${String(round)}`].includes((await fleet.plain(site)).body), { timeoutMs: 20_000, everyMs: 200, what: `the site to be served after ${point} and a power cut` });
      expect((await fleet.plain('other.example.org')).body, point).toBe('always');
      await fleet.waitState('web1', 'connected', 90_000);
      await until(() => fleet.json(['apply', '--on', 'web1', '--noun', 'vhost', '--yes']), { timeoutMs: 60_000, everyMs: 500, what: `web1 to be as wanted after ${point}` });
      // A command that never reached the inventory is given again.
      if ((await fleet.plain(site)).body === before) await fleet.json(['vhost', 'set', 'web1', site, '--status', '200', '--text', `text ${String(round)}`, '--yes']);
      await expectWhole(`${point} and a power cut`);
    }
  });

  test('the child of the helper while it lets go, at one point after the other: everything is served, without Reeve too', async () => {
    const files = vhostPoints.release.map((point) => `/var/lib/reeve-privd/failpoint.${point}`);
    for (const file of files) await fleet.web.write(file, '');
    expect((await fleet.json<CommandAnswer>(['host', 'release', 'web1', '--noun', 'vhost', '--yes'])).outcome).toBe('ok');
    for (const file of files) expect((await fleet.web.exec(['test', '-e', file])).code, `${file} was passed`).toBe(1);
    await fleet.web.run(['systemctl', 'reload', 'nginx']);
    expect((await fleet.plain('other.example.org')).body).toBe('always');
    expect((await fleet.plain(site)).body).toBe(`text ${String(round)}`);
    survived.push(...vhostPoints.release);
  });
});

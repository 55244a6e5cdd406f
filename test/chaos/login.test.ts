import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExecResult, LabHost } from '../lab/lab.js';
import { loginPoints, loginRenewPoints } from '../support/chaos-points.js';
import { arm, prepareUnit, waitRestarted } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const file = '/root/.config/reeve/login.json';

describe.skipIf(!hosts.ok)('kill -9 while an operator logs in or renews', () => {
  let fleet: TestFleet;
  let desk: LabHost;
  let survived = 0;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaoslogin', hosts: [], packages: 'test' });
    desk = await fleet.addDesk('desk');
    await prepareUnit(fleet.hub, 'reeved');
    await fleet.json(['operator', 'add', 'ada', '--role', 'viewer']);
  });
  afterAll(() => {
    console.log(`kill -9 at failpoints of logging in and renewing: ${String(survived)} survived`);
    fleet.close();
  });

  const reeve = (line: readonly string[], more: { input?: string; failpoint?: string } = {}): Promise<ExecResult> =>
    desk.exec(['/usr/bin/reeve', ...line], {
      timeoutMs: 90_000, input: more.input ?? '',
      env: { HOME: '/root', ...(more.failpoint === undefined ? {} : { REEVE_FAILPOINT: more.failpoint }) },
    });
  const invite = (): Promise<string> =>
    until(async () => {
      const invited = await fleet.reeve(['operator', 'invite', 'ada', '--json']);
      return invited.code === 0 && (JSON.parse(invited.stdout) as { token: string }).token;
    }, { timeoutMs: 30_000, what: 'the coordinator to answer' });
  /** What lies in the login's folder: nothing, or one whole file. */
  const stored = async (): Promise<{ names: string[]; text: string }> => {
    const names = (await desk.run(['/bin/sh', '-c', 'ls -A /root/.config/reeve 2>/dev/null || true'])).split('\n').filter((name) => name !== '');
    return { names, text: names.includes('login.json') ? await desk.read(file) : '' };
  };
  const restartHub = async (): Promise<void> => {
    // Logins are limited to a few a minute from one address; the limit is in memory.
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
  };
  const works = async (point: string): Promise<void> => {
    const who = await reeve(['whoami', '--json']);
    expect(who.code, `${point}: ${who.stderr}`).toBe(0);
    expect(JSON.parse(who.stdout), point).toMatchObject({ name: 'ada', role: 'viewer' });
  };

  const outcome = {
    'cli.login.answered': 'token spent',
    'cli.login.stored': 'logged in',
    'coordinator.login.decided': 'token good',
    'coordinator.login.stored': 'token spent',
  } as const satisfies Record<(typeof loginPoints.cli | typeof loginPoints.coordinator)[number], string>;

  test('logging in, at each failpoint of both programs: logged in or not, and the way in stays open', async () => {
    for (const point of [...loginPoints.cli, ...loginPoints.coordinator]) {
      await reeve(['logout']);
      const byCli = point.startsWith('cli.');
      if (byCli) await restartHub();
      else await arm(fleet.hub, 'reeved', point);
      const token = await invite();
      const killed = await reeve(['login'], { input: token, ...(byCli ? { failpoint: point } : {}) });
      if (byCli) expect([killed.code, killed.stdout], point).toEqual([137, '']);
      else {
        expect(killed.code, point).toBe(3);
        expect(killed.stderr, 'the operator is told that the token may be spent').toMatch(/may be spent/);
        await waitRestarted(fleet.hub, 'reeved');
      }
      expect((await stored()).names, point).toEqual(outcome[point] === 'logged in' ? ['login.json'] : []);
      if (outcome[point] === 'logged in') await works(point);
      else {
        const again = await until(async () => {
          const tried = await reeve(['login'], { input: token });
          return tried.code === 3 ? undefined : tried;
        }, { timeoutMs: 30_000, what: 'the coordinator to answer' });
        expect(again.code === 0, `${point}: ${again.stderr}`).toBe(outcome[point] === 'token good');
        if (outcome[point] === 'token spent') expect(again.stderr).toMatch(/token is unknown, used or expired/);
      }
      const fresh = await reeve(['login'], { input: await invite() });
      expect(fresh.code, `${point}: ${fresh.stderr}`).toBe(0);
      await works(point);
      expect((await stored()).names).toEqual(['login.json']);
      survived += 1;
    }
  });

  test('renewing, at each failpoint of both programs: the old or the new certificate works, and renewing goes on', async () => {
    for (const point of [...loginRenewPoints.cli, ...loginRenewPoints.coordinator]) {
      const before = await stored();
      const byCli = point.startsWith('cli.');
      if (!byCli) await arm(fleet.hub, 'reeved', point);
      await until(async () => (await reeve(['whoami'])).code === 0, { timeoutMs: 30_000, what: 'the coordinator to answer' });
      const killed = await reeve(['login'], byCli ? { failpoint: point } : {});
      expect(killed.code, point).toBe(byCli ? 137 : 3);
      if (!byCli) await waitRestarted(fleet.hub, 'reeved');
      const after = await stored();
      expect(after.names, point).toEqual(['login.json']);
      expect(after.text === before.text, point).toBe(point !== 'cli.login.stored');
      await until(async () => (await reeve(['whoami'])).code === 0, { timeoutMs: 30_000, what: 'the coordinator to answer' });
      const renewed = await reeve(['login']);
      expect(renewed.code, `${point}: ${renewed.stderr}`).toBe(0);
      await works(point);
      survived += 1;
    }
    expect(await desk.run(['stat', '-c', '%a %U', file])).toBe('600 root\n');
  });
});

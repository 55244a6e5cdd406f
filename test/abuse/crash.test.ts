import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { mainPid } from '../support/abuse-host.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const TIMES = 5;
/** From the signal to the next process that said it is ready: systemd waits 1 s, the rest is the program's start, which a busy machine draws out. */
const RESTART_MS = 15_000;
const SIGNALS = ['SEGV', 'KILL', 'ABRT', 'SEGV', 'KILL'] as const;

describe.skipIf(!hosts.ok)('a program that dies', () => {
  let fleet: TestFleet;
  beforeAll(async () => {
    fleet = await startFleet({ name: 'crash', hosts: ['web'] });
    expect(await fleet.json(['user', 'add', 'ada', '--on', 'web', '--yes'])).toBeTruthy();
  });
  afterAll(() => fleet.close());

  const restarts = async (host: LabHost, unit: string): Promise<number> => Number(await host.run(['systemctl', 'show', '--value', '--property=NRestarts', unit]));

  /** Milliseconds until the unit has another main process and is active, which is when it has said so itself. */
  async function killOnce(host: LabHost, unit: string, signal: string): Promise<number> {
    const before = await mainPid(host, unit);
    const started = performance.now();
    await host.run(['kill', `-${signal}`, String(before)]);
    await until(async () => {
      const shown = await host.run(['systemctl', 'show', '--property=MainPID,ActiveState', unit]);
      return shown.includes('ActiveState=active') && !shown.includes(`MainPID=${String(before)}\n`);
    }, { timeoutMs: 30_000, what: `${unit} to run again` });
    return Math.round(performance.now() - started);
  }

  test.each([['reeve-agent.service', 'web'], ['reeved.service', 'hub']])(`is started again and the fleet is whole, ${String(TIMES)} times: %s`, async (unit, name) => {
    const host = name === 'hub' ? fleet.hub : fleet.host(name);
    const [takes, whole]: [number[], number[]] = [[], []];
    const counted = await restarts(host, unit);
    for (const [round, signal] of SIGNALS.entries()) {
      const started = performance.now();
      takes.push(await killOnce(host, unit, signal));
      await fleet.waitCoordinator();
      await fleet.waitState('web', 'connected', 60_000);
      whole.push(Math.round(performance.now() - started));
      const comment = `round ${String(round)} of ${name}`;
      const changed = await until(async () => {
        const answer = await fleet.reeve(['user', 'add', 'ada', '--on', 'web', '--comment', comment, '--yes']);
        return answer.code === 0 ? answer : undefined;
      }, { timeoutMs: 30_000, what: 'a change to be done' });
      expect(changed.code).toBe(0);
      expect(await host.run(['systemctl', 'is-active', unit])).toBe('active\n');
      expect(await fleet.host('web').run(['getent', 'passwd', 'ada'])).toContain(`:${comment}:`);
    }
    console.info(`${unit}: running again after ${takes.join(', ')} ms, fleet whole after ${whole.join(', ')} ms`);
    expect(await restarts(host, unit)).toBe(counted + TIMES);
    expect(Math.max(...takes)).toBeLessThan(RESTART_MS);
  }, 300_000);

  test('keeps its helper: one killed in the middle of its life is started by the next request', async () => {
    const host = fleet.host('web');
    for (let round = 0; round < TIMES; round += 1) {
      await fleet.json(['user', 'observe', 'web']);
      const pid = await mainPid(host, 'reeve-privd.service');
      expect(pid).toBeGreaterThan(0);
      await host.run(['kill', '-SEGV', String(pid)]);
      await until(async () => (await fleet.reeve(['user', 'observe', 'web'])).code === 0, { timeoutMs: 20_000, what: 'the helper to answer again' });
      expect(await mainPid(host, 'reeve-privd.service')).not.toBe(pid);
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { identityFolder, prepareClock, setClock, stepClock } from '../support/chaos-identity.js';
import { answerOf } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const minute = 1 / (24 * 60);

describe.skipIf(!hosts.ok)('clocks of real hosts', () => {
  let fleet: TestFleet;
  let web1: LabHost;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'clock', hosts: ['web1'] });
    web1 = fleet.host('web1');
    await prepareClock(fleet.hub, 'reeved');
    await prepareClock(web1, 'reeve-agent');
    await fleet.json(['user', 'add', 'ada', '--on', 'web1', '--yes']);
  });
  afterAll(() => fleet.close());

  const exists = async (name: string): Promise<boolean> => (await web1.exec(['getent', 'passwd', name])).code === 0;
  const locked = async (name: string): Promise<boolean> => (await web1.run(['getent', 'shadow', name])).trim().split(':')[7] === '1';
  const offset = async (): Promise<number> => (await fleet.json<{ host: { clockOffsetMs: number; state: string } }>(['host', 'show', 'web1'])).host.clockOffsetMs;
  const warnings = async (): Promise<string[]> =>
    (await fleet.json<{ health: { code: string; hostName: string; text: string }[] }>(['status'])).health.filter((item) => item.code === 'CLOCK_SKEW').map((item) => item.text);

  const answers = async (): Promise<void> => {
    await fleet.waitCoordinator();
    await fleet.waitState('web1', 'connected');
  };
  /** Gives one of the two another clock, and waits until the coordinator knows the difference. */
  const turn = async (side: 'host' | 'coordinator', days: number): Promise<void> => {
    await setClock(web1, side === 'host' ? days : 0);
    await setClock(fleet.hub, side === 'coordinator' ? days : 0);
    await web1.run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await answers();
    const wantedMs = (side === 'host' ? days : -days) * 86_400_000;
    await until(async () => Math.abs((await offset()) - wantedMs) < 30_000, { timeoutMs: 30_000, what: `the coordinator to know that ${side} is ${String(days)} days off` });
  };

  test.each([
    ['host', 3],
    ['host', -3],
    ['coordinator', 3],
    ['coordinator', -3],
  ] as const)('the %s %i days off: status works, changes are refused with both times, access is still taken away', async (side, days) => {
    const name = `far${side === 'host' ? 'h' : 'c'}${days < 0 ? 'b' : 'a'}`;
    await turn('host', 0);
    await fleet.json(['user', 'add', name, '--on', 'web1', '--yes']);
    await turn(side, days);
    const ahead = (side === 'host') === (days > 0);
    expect(await warnings()).toEqual([expect.stringMatching(new RegExp(`^its clock is 259[12]\\d\\d s ${ahead ? 'ahead' : 'behind'}; from 600 s it refuses changes$`))]);
    const refused = await fleet.json<{ hosts: { errors: { code: string; fields: { value: string; wanted: string } }[] }[] }>(['user', 'add', `${name}x`, '--on', 'web1', '--yes'], 1);
    const error = refused.hosts[0]?.errors[0];
    expect(error?.code).toBe('CLOCK_SKEW');
    const named = Date.parse(error?.fields.value ?? '') - Date.parse(error?.fields.wanted ?? '');
    expect(Math.round(named / 86_400_000)).toBe(ahead ? 3 : -3);
    expect(await exists(`${name}x`)).toBe(false);
    await fleet.json(['user', 'lock', name, '--on', 'web1', '--yes']);
    expect(await locked(name)).toBe(true);
    expect((await fleet.reeve(['user', 'unlock', name, '--on', 'web1', '--yes'])).code).toBe(1);
    expect(await locked(name)).toBe(true);
    await fleet.json(['user', 'remove', name, '--on', 'web1', '--yes']);
    expect(await exists(name)).toBe(false);
  });

  test.each([
    ['host', 9],
    ['host', -9],
    ['coordinator', 9],
    ['coordinator', -9],
  ] as const)('the %s %i minutes off: warned of, and changes are made', async (side, minutes) => {
    const name = `near${side === 'host' ? 'h' : 'c'}${minutes < 0 ? 'b' : 'a'}`;
    await turn(side, minutes * minute);
    expect(await warnings()).toEqual([expect.stringMatching(/^its clock is 5[34]\d s (?:ahead|behind)/)]);
    await fleet.json(['user', 'add', name, '--on', 'web1', '--yes']);
    expect(await exists(name)).toBe(true);
  });

  test.each([
    ['host', 3],
    ['host', -3],
    ['coordinator', 3],
    ['coordinator', -3],
  ] as const)('the clock of the %s steps by %i days in the middle of an operation: it is done once and known, or refused', async (side, days) => {
    const name = `step${side === 'host' ? 'h' : 'c'}${days < 0 ? 'b' : 'a'}`;
    await turn('host', 0);
    const [host, unit] = side === 'host' ? [web1, 'reeve-agent' as const] : [fleet.hub, 'reeved' as const];
    await stepClock(host, 0);
    await host.run(['systemctl', 'restart', unit], { timeoutMs: 60_000 });
    await answers();
    // useradd waits for this lock: the operation is then in its middle.
    const lock = web1.spawn(['flock', '/etc/.pwd.lock', 'sleep', '600']);
    await until(async () => (await web1.exec(['flock', '--nonblock', '/etc/.pwd.lock', 'true'])).code !== 0, { timeoutMs: 10_000, what: 'the lock of the account files' });
    const adding = fleet.reeve(['user', 'add', name, '--on', 'web1', '--yes', '--json']);
    await until(async () => (await web1.exec(['pgrep', '-x', 'useradd'])).code === 0 || (await web1.run(['cat', '/var/lib/reeve-agent/journal/operations'])).split('\n').filter((line) => line.includes('"t":"started"')).length > 0, { timeoutMs: 30_000, what: 'the operation to have begun' });
    await stepClock(host, days);
    lock.kill('SIGKILL');
    await web1.exec(['pkill', '-f', 'sleep 600']);
    const answer = answerOf(await adding);
    await answers();
    const done = await exists(name);
    const outcome = answer?.hosts[0]?.outcome ?? 'unknown';
    if (outcome === 'ok') expect(done).toBe(true);
    if (outcome === 'failed') expect(done).toBe(false);
    expect((await web1.run(['/bin/sh', '-c', `grep -c '^${name}:' /etc/passwd || true`])).trim()).toBe(done ? '1' : '0');
    // The clock goes back: nothing that was spent is done again, and both sides come to agree.
    await stepClock(host, 0);
    await fleet.hub.run(['systemctl', 'restart', 'reeved'], { timeoutMs: 60_000 });
    await answers();
    await until(async () => (await fleet.json<{ pending: unknown[] }>(['pending'])).pending.length === 0, { timeoutMs: 60_000, what: 'nothing to be pending' });
    expect(await exists(name)).toBe(true);
    expect((await fleet.json<{ operations: { outcome: string }[] }>(['operation', 'list', '--limit', '5'])).operations.filter((row) => row.outcome === 'running')).toEqual([]);
    await host.run(['rm', '/run/reeve-chaos/step']);
  });

  test.each([
    [10, false],
    [40, true],
  ] as const)('certificates of both sides that expired %i days ago come back without a reinstall', async (days, asks) => {
    const before = await identityFolder(web1);
    const id = (await fleet.json<{ host: { id: string } }>(['host', 'show', 'web1'])).host.id;
    await web1.run(['systemctl', 'stop', 'reeve-agent'], { timeoutMs: 60_000 });
    await fleet.hub.run(['systemctl', 'stop', 'reeved'], { timeoutMs: 60_000 });
    // The second time comes on top of the first.
    const ahead = 7 + days + (days === 40 ? 17 : 0);
    await setClock(web1, ahead);
    await setClock(fleet.hub, ahead);
    await fleet.hub.run(['systemctl', 'start', 'reeved'], { timeoutMs: 60_000 });
    await web1.run(['systemctl', 'start', 'reeve-agent'], { timeoutMs: 60_000 });
    if (asks) {
      await until(async () => (await web1.run(['reeve-agent', 'status'])).includes('expired too long ago to come back without a question'), { timeoutMs: 30_000, what: 'the agent to be told that an operator has to say yes' });
      expect((await identityFolder(web1)).certificate).toBe(before.certificate);
      await until(async () => (await fleet.reeve(['host', 'readmit', 'web1'])).code === 0, { timeoutMs: 30_000, what: 'the coordinator to take the yes' });
    }
    // Without a word to the host: it tries again by itself within two minutes.
    await fleet.waitState('web1', 'connected', 150_000);
    expect((await fleet.json<{ host: { id: string } }>(['host', 'show', 'web1'])).host.id).toBe(id);
    expect((await identityFolder(web1)).certificate).not.toBe(before.certificate);
    // The connection over which the new certificate came is followed by one with it.
    await until(async () => (await fleet.reeve(['user', 'observe', 'web1'])).code === 0, { timeoutMs: 30_000, what: 'the host to answer' });
  });
});

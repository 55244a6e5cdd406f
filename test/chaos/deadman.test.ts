import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startLab, type Lab, type LabHost } from '../lab/lab.js';
import { callHelper, type HelperCaller } from '../support/abuse-helper.js';
import { bootAgentHost, mainPid } from '../support/abuse-host.js';
import { helperPoints } from '../support/chaos-points.js';
import { hosts } from '../support/fleet.js';
import { addAccount, bytesOf, login, makeLoginKey, putManaged, replyOf, type LoginKey } from '../support/sshd-host.js';
import { until } from '../support/until.js';

const DROP_IN = '/etc/ssh/sshd_config.d/00-reeve-keys.conf';
const STATE = '/var/lib/reeve-privd';
const DEADMAN = 'reeve-deadman.service';
const PROBE = 'ada';
/** How often a confirmation is aimed at the deadline. */
const RACES = Number(process.env['REEVE_CONFIRM_RACES'] ?? 60);

/** A change as the helper leaves it when all its checks are done, with a deadline some ms ahead: what it was is "# before", what it is now "# after". */
const ARM = `set -e
umask 077
cd ${STATE}
now=$(awk '{ print int($1 * 1000) }' /proc/uptime)
sum=$(printf '# after' | sha256sum | cut -d' ' -f1)
[ -e /run/reeve/boot-mark ] || printf 0123456789abcdef >/run/reeve/boot-mark
mark=$(cat /run/reeve/boot-mark)
printf '# before' >undo/key.conf
printf 'noun=key\\noperation=%s\\nmark=%s\\ndeadline_boot_ms=%s\\ndeadline_ms=%s\\narmed=yes\\nhad=yes\\nsha256=%s\\nat_ms=0\\nreason=\\n' "$1" "$mark" $((now + $2)) $(($(date +%s%3N) + $2)) "$sum" >pending/.new
printf '# after' >${DROP_IN}
mv pending/.new pending/key
echo $(($(date +%s%3N) + $now + $2 - $(awk '{ print int($1 * 1000) }' /proc/uptime)))`;

describe.skipIf(!hosts.ok)('a change that could lock everybody out', () => {
  let lab: Lab;
  let host: LabHost;
  let helper: HelperCaller;
  let own: LoginKey;
  let managed: LoginKey;

  const set = (more: { exclusive?: string; confirmS?: number } = {}, operation = randomUUID()) => helper.call('key.sshd', { action: 'set', probe: PROBE, confirmS: 12, ...more }, operation);
  const confirm = (operation: string) => helper.call('pending.confirm', { noun: 'key', operation: bytesOf(operation) }, randomUUID());
  const shell = (script: string, ...args: string[]) => host.run(['/bin/sh', '-c', script, 'sh', ...args]);
  const fresh = (): Promise<string> => shell(`rm -f ${DROP_IN} ${STATE}/pending/* ${STATE}/owned/sshd ${STATE}/undo/*; systemctl reload ssh.service`);
  const dropIn = async (): Promise<string> => (await host.exec(['cat', DROP_IN])).stdout;
  const lets = async (): Promise<boolean[]> => [(await login(lab, host, PROBE, own)).code === 0, (await login(lab, host, PROBE, managed)).code === 0];
  const reverted = async () => replyOf('pending.get', await helper.call('pending.get', {})).reverted;

  beforeAll(async () => {
    lab = await startLab({ name: 'deadman' });
    host = await bootAgentHost(lab, 'host', 'test');
    own = await makeLoginKey('own');
    managed = await makeLoginKey('managed');
    await addAccount(host, PROBE, own);
    await putManaged(host, PROBE, [managed]);
    helper = await callHelper(host);
  });
  afterAll(() => {
    helper.close();
    own.remove();
    managed.remove();
    lab.close();
  });
  beforeEach(async () => {
    await fresh();
  });
  afterEach(async () => {
    await shell('systemctl unmask --runtime reeve-privd.service reeve-privd.socket; systemctl start reeve-privd.socket || ! dpkg --status reeve-agent');
  });

  test('goes back at its deadline with agent and helper gone and the dead-man service killed over and over, and not before', async () => {
    const started = performance.now();
    expect(replyOf('key.sshd', await set({ exclusive: PROBE })).pending).toBe(true);
    const armed = performance.now();
    expect(await lets()).toEqual([false, true]);
    await shell('systemctl mask --runtime --now reeve-privd.service reeve-privd.socket; systemctl stop reeve-agent.service');
    let kills = 0;
    await until(async () => {
      const pid = await mainPid(host, DEADMAN);
      if (pid > 0 && (await host.exec(['kill', '-KILL', String(pid)])).code === 0) kills += 1;
      return (await dropIn()) === '';
    }, { timeoutMs: 30_000, everyMs: 300, what: 'the change to be taken back' });
    const after = performance.now();
    expect(kills).toBeGreaterThan(5);
    expect(after - started).toBeGreaterThan(12_000);
    expect(after - armed).toBeLessThan(20_000);
    await until(async () => (await lets()).join() === 'true,false', { timeoutMs: 10_000, what: 'sshd to be as before' });
    expect(await host.run(['ls', '-A', `${STATE}/pending`])).toBe('');
    expect(await host.read(`${STATE}/undo/reverted.key`)).toContain('reason=it was not confirmed in time');
  });

  test('goes back at the next boot, before the network and before sshd', async () => {
    expect(replyOf('key.sshd', await set({ exclusive: PROBE, confirmS: 600 })).pending).toBe(true);
    expect(await lets()).toEqual([false, true]);
    helper.close();
    await host.reboot();
    helper = await callHelper(host);
    expect(await dropIn()).toBe('');
    await until(async () => (await lets()).join() === 'true,false', { timeoutMs: 15_000, what: 'the logins of before' });
    expect(await reverted()).toMatchObject([{ noun: 'key', reason: 'the host was started again before it was confirmed' }]);
    const at = async (unit: string, property: string): Promise<number> => Number(await host.run(['systemctl', 'show', '--value', `--property=${property}`, unit]));
    const done = await at('reeve-deadman-boot.service', 'ExecMainExitTimestampMonotonic');
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(await at('network-pre.target', 'ActiveEnterTimestampMonotonic'));
    expect(done).toBeLessThan(await at('ssh.service', 'ExecMainStartTimestampMonotonic'));
  });

  test('stays over a reboot once it is confirmed', async () => {
    const operation = randomUUID();
    expect(replyOf('key.sshd', await set({ exclusive: PROBE }, operation)).pending).toBe(true);
    expect((await confirm(operation)).code).toBe('OK');
    helper.close();
    await host.reboot();
    helper = await callHelper(host);
    expect(await lets()).toEqual([false, true]);
    expect(await reverted()).toEqual([]);
  });

  test.each(helperPoints.sshd)('a helper that is killed at %s leaves everybody a way in, and a repeat finishes', async (point) => {
    const operation = randomUUID();
    const isConfirm = point.startsWith('confirm.');
    const isRelease = point === 'sshd.left';
    if (isConfirm || isRelease) expect(replyOf('key.sshd', await set({ exclusive: PROBE }, operation)).pending).toBe(true);
    if (isRelease) expect((await confirm(operation)).code).toBe('OK');
    const attempt = () => (isConfirm ? confirm(operation) : isRelease ? helper.call('key.sshd', { action: 'release' }) : set({ exclusive: PROBE }, operation));
    await host.write(`${STATE}/failpoint.${point}`, '');
    expect((await attempt()).code).toBe('HELPER_UNREACHABLE');
    expect((await host.exec(['test', '-e', `${STATE}/failpoint.${point}`])).code).toBe(1);
    expect((await lets()).some((good) => good)).toBe(true);
    expect((await attempt()).code).toBe('OK');
    if (!isConfirm && !isRelease) expect((await confirm(operation)).code).toBe('OK');
    expect(await lets()).toEqual([false, true]);
    expect(await host.run(['ls', '-A', `${STATE}/pending`])).toBe('');
    expect(await dropIn()).toMatch(isRelease ? /^# Left by Reeve/ : /^# Managed by Reeve/);
  });

  test('an attempt that was cut off and never repeated goes back by itself', async () => {
    await host.write(`${STATE}/failpoint.sshd.written`, '');
    expect((await set()).code).toBe('HELPER_UNREACHABLE');
    expect(await dropIn()).not.toBe('');
    // The three minutes that the checks may take, cut short: as a deadline that has passed.
    await shell(`sed -i 's/^deadline_boot_ms=.*/deadline_boot_ms=1/' ${STATE}/pending/key`);
    await until(async () => (await dropIn()) === '', { timeoutMs: 10_000, what: 'the change to be taken back' });
    await until(async () => (await reverted()).some(({ reason }) => reason === 'it was interrupted before it was complete'), { timeoutMs: 30_000, what: 'it to be told' });
    expect(await lets()).toEqual([true, false]);
  });

  test(`confirmed at the deadline, ${String(RACES)} times, it is never both confirmed and taken back`, async () => {
    const outcomes = { confirmed: 0, reverted: 0 };
    await helper.call('status.get', {});
    // Sent a little earlier after a revert and a little later after a confirmation, so that it stays where the two meet.
    let leadMs = 60;
    for (let n = 0; n < RACES; n++) {
      const operation = randomUUID();
      const hex = operation.replaceAll('-', '');
      const deadline = Number(await shell(ARM, hex, '700'));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, deadline - leadMs - Date.now())));
      const answer = await confirm(operation);
      await until(async () => (await host.run(['ls', '-A', `${STATE}/pending`])) === '', { timeoutMs: 20_000, everyMs: 20, what: 'the race to be decided' });
      const isConfirmed = (await host.exec(['grep', '-qs', `operation=${hex}`, `${STATE}/owned/sshd`])).code === 0;
      const last = (await host.exec(['cat', `${STATE}/undo/reverted.key`])).stdout;
      const reason = last.includes(`operation=${hex}`) ? /^reason=(.*)$/m.exec(last)?.[1] : undefined;
      expect([isConfirmed, reason, await dropIn(), answer.code], `race ${String(n)}`).toEqual(isConfirmed ? [true, undefined, '# after', 'OK'] : [false, 'it was not confirmed in time', '# before', 'CONFIRM_UNKNOWN']);
      outcomes[isConfirmed ? 'confirmed' : 'reverted'] += 1;
      leadMs += isConfirmed ? -7 : 7;
    }
    expect(outcomes.confirmed, JSON.stringify(outcomes)).toBeGreaterThan(0);
    expect(outcomes.reverted, JSON.stringify(outcomes)).toBeGreaterThan(0);
  }, 600_000);

  test('goes back when the agent is taken off the host, which leaves nothing running', async () => {
    expect(replyOf('key.sshd', await set({ exclusive: PROBE, confirmS: 600 })).pending).toBe(true);
    helper.close();
    await host.run(['dpkg', '--purge', 'reeve-agent'], { timeoutMs: 120_000 });
    expect(await dropIn()).toBe('');
    await until(async () => (await lets()).join() === 'true,false', { timeoutMs: 10_000, what: 'the logins of before' });
    expect(await host.run(['systemctl', 'list-units', '--all', '--no-legend', '--plain', '--state=active', 'reeve-*'])).toBe('');
    expect((await host.exec(['pgrep', '-f', '/usr/lib/reeve-agent'])).stdout).toBe('');
  });
});

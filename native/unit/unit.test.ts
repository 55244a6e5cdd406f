/** What reeve-unit asks of systemd and the journal, and what it makes of the answers. Root only. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../test/support/until.js';
import { isRoot, makeHost, showing, type TestHost } from './testing/host.js';

const web = ['unit', 'web.service'] as const;
const restart = [web, ['plan', '0']] as const;

describe.skipIf(!isRoot)('work on units', () => {
  let host: TestHost;
  beforeEach(() => { host = makeHost(); }, 120_000);
  afterEach(() => { host.close(); });

  /** Before `systemctl restart`, and after it. */
  const restarting = (before: Parameters<typeof showing>[0], after: Parameters<typeof showing>[0], code = 0): void => {
    host.systemctl.is(`case "$*" in *restart*) touch done; echo 'Job failed.' >&2; exit ${String(code)};; esac\nif [ -e done ]; then\n${showing(after)}\nelse\n${showing(before)}\nfi`);
  };
  const restarts = (): number => host.systemctl.runs().filter((args) => args.includes('restart')).length;

  test('a ticket is good once, and only for its caller', async () => {
    host.systemctl.is(showing());
    expect(await host.work('status', [web])).toMatchObject({ exit: 0, result: { ok: '1' } });
    expect(readdirSync(host.tickets)).toEqual([]);
    expect(await host.work('status', [web], { callerUid: 4711 })).toMatchObject({ exit: 2, result: {} });
    expect(await host.work('start', [web])).toMatchObject({ exit: 2, result: {} });
  });

  test('status tells what systemd says', async () => {
    host.systemctl.is(showing({ MemoryCurrent: '[not set]', NRestarts: 3 }));
    const { result } = await host.work('status', [web]);
    expect(result).toMatchObject({ ok: '1', unit: 'web.service', load: 'loaded', active: 'active', sub: 'running', result: 'success', pid: '42', restarts: '3', memory: '0' });
    // A second after the boot of this machine.
    const bootMs = Date.now() - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
    expect(Math.abs(Number(result['since-ms']) - bootMs - 1000)).toBeLessThan(5000);
    expect(host.systemctl.runs()).toEqual([['--no-pager', '--no-ask-password', 'show', expect.stringMatching(/^--property=Id,/), '--', 'web.service']]);
  });

  test.each([
    ['memory that is not counted', { MemoryCurrent: '18446744073709551615' }, { memory: '0' }], ['a unit that is not there', { LoadState: 'not-found', ActiveState: 'inactive', SubState: 'dead', MainPID: 0 }, { load: 'not-found', 'since-ms': '0', pid: '0' }],
    ['a word with control characters', { SubState: '\u001b[2J' }, { sub: '\\x1b[2J' }], ['a word that is too long', { SubState: 'x'.repeat(5000) }, { sub: 'x'.repeat(18) }],
  ])('status of %s', async (_, values, wanted) => {
    host.systemctl.is(showing(values));
    const { result } = await host.work('status', [web]);
    expect(result).toMatchObject(Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, expect.stringContaining(value) as unknown])));
  });

  test('that systemd does not answer is told', async () => {
    host.systemctl.is('echo "Failed to connect to bus: \u001b[31mNo such file" >&2; exit 1');
    expect(await host.work('status', [web])).toMatchObject({ exit: 1, result: { ok: '0', reason: 'systemd does not say how it is: Failed to connect to bus: \\x1b[31mNo such file' } });
    host.systemctl.is('true');
    expect(await host.work('status', [web])).toMatchObject({ exit: 1, result: { reason: 'systemd does not say how it is' } });
  });

  test.each(['', '-x.service', '../web.service', 'web', 'web.service\n', 'a*.service', 'x@.service'])('name %j is none of a unit', async (unit) => {
    for (const work of ['status', 'restart', 'log']) expect([work, (await host.work(work, [['unit', unit], ['plan', '0'], ['lines', '1'], ['follow', '0']])).result['ok']]).toEqual([work, '0']);
    expect([host.systemctl.runs(), host.journalctl.runs()]).toEqual([[], []]);
  });

  test('a restart that stays up is told with the new process', async () => {
    restarting({}, { MainPID: 77, InvocationID: 'b'.repeat(32) });
    expect(await host.work('restart', restart)).toMatchObject({ exit: 0, result: { ok: '1', active: 'active', pid: '77' } });
    expect(host.systemctl.runs().find((args) => args.includes('restart'))).toEqual(['--quiet', '--no-pager', '--no-ask-password', 'restart', '--', 'web.service']);
  });

  test('one that does a thing and ends is done when it went well', async () => {
    restarting({}, { Type: 'oneshot', ActiveState: 'inactive', SubState: 'dead', MainPID: 0 });
    expect(await host.work('restart', restart)).toMatchObject({ exit: 0, result: { ok: '1', active: 'inactive' } });
  });

  test.each([
    ['an exit code', { ActiveState: 'failed', SubState: 'failed', Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 3 }, 1, 'exit-code: its process ended with exit code 3'],
    ['a signal', { ActiveState: 'failed', SubState: 'failed', Result: 'signal', ExecMainCode: 2, ExecMainStatus: 9 }, 1, 'signal: its process was ended by signal 9'],
    ['an end right after the start', { ActiveState: 'activating', SubState: 'auto-restart', Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 203 }, 0, 'exit-code: its process ended with exit code 203; systemd starts it again'],
    ['an end without an error', { ActiveState: 'inactive', SubState: 'dead', ExecMainCode: 0 }, 0, 'it is inactive (dead)'],
    ['a timeout', { ActiveState: 'failed', SubState: 'failed', Result: 'timeout' }, 1, 'timeout: it did not start, or stop, in the time that its unit gives it'],
    ['a limit', { ActiveState: 'failed', SubState: 'failed', Result: 'start-limit-hit' }, 1, 'start-limit-hit: it was started too often in a short time; on the host: systemctl reset-failed'],
    ['a refusal of systemd', {}, 1, 'systemctl: Job failed.'],
  ] as const)('a restart fails with its reason: %s', async (_, after, code, reason) => {
    restarting({}, after, code);
    expect(await host.work('restart', restart)).toMatchObject({ exit: 1, result: { ok: '0', reason } });
  });

  test.each([
    ['there is no such unit', { LoadState: 'not-found', ActiveState: 'inactive' }, 'there is no such unit'], ['an alias of sshd', { Names: 'web.service sshd.service' }, 'it is "sshd.service", which Reeve never restarts: it lets people in when all else fails'],
    ['an alias of logind', { Names: 'dbus-org.freedesktop.login1.service web.service' }, 'it is "dbus-org.freedesktop.login1.service", which Reeve never restarts: it is the bus that services of this host talk over'],
  ])('nothing is restarted where %s', async (_, values, reason) => {
    host.systemctl.is(showing(values));
    for (const plan of ['0', '1']) expect(await host.work('restart', [web, ['plan', plan]])).toMatchObject({ exit: 1, result: { ok: '0', reason } });
    expect(restarts()).toBe(0);
  });

  test('what is kept is kept by the program as well', async () => {
    host.systemctl.is(showing({ Id: 'reeve-agent.service', Names: 'reeve-agent.service' }));
    expect((await host.work('restart', [['unit', 'reeve-agent.service'], ['plan', '0']])).result['reason']).toMatch(/^it is "reeve-agent.service", which Reeve never restarts/);
    expect(restarts()).toBe(0);
  });

  test('a plan restarts nothing', async () => {
    host.systemctl.is(showing());
    expect(await host.work('restart', [web, ['plan', '1']])).toMatchObject({ exit: 0, result: { ok: '1', pid: '42' } });
    expect(restarts()).toBe(0);
  });

  test('a log is what journalctl prints, with fixed arguments', async () => {
    host.journalctl.is("printf 'MESSAGE=a\\n\\nMESSAGE=b\\n\\n'");
    expect(await host.work('log', [['unit', 'a.service'], ['unit', 'b.timer'], ['lines', '7'], ['follow', '1']])).toMatchObject({ exit: 0, output: 'MESSAGE=a\n\nMESSAGE=b\n\n', result: { ok: '1' } });
    expect(host.journalctl.runs()).toEqual([['--quiet', '--no-pager', '--merge', '--output=export', expect.stringMatching(/^--output-fields=MESSAGE,/), '--lines=7', '--follow', '--unit=a.service', '--unit=b.timer', expect.stringMatching(/^_MACHINE_ID=[0-9a-f]{32}$/)]]);
    host.journalctl.is('echo "no journal" >&2; exit 1');
    expect(await host.work('log', [web, ['lines', '1'], ['follow', '0']])).toMatchObject({ exit: 1, result: { ok: '0', reason: 'the journal cannot be read: no journal' } });
    expect((await host.work('log', [web, ['lines', '100001'], ['follow', '0']])).result['ok']).toBe('0');
    expect((await host.work('log', [...Array.from({ length: 9 }, (): [string, string] => ['unit', 'a.service']), ['lines', '1'], ['follow', '0']])).result['ok']).toBe('0');
  });

  test('a log that is followed ends with its reader, with all its programs', async () => {
    host.journalctl.is('echo $$ >pid; echo MESSAGE=a; sleep 1000 & echo $! >child; wait');
    const said = await host.work('log', [web, ['lines', '1'], ['follow', '1']], { begun: (connection) => { connection.once('data', () => connection.destroy()); } });
    expect(said.exit).toBe(1);
    // Ended before it had written a number, the file is empty.
    const pidOf = (file: string): number => Number(readFileSync(join(host.dir, file), 'utf8'));
    const gone = (file: string): boolean => { try { return pidOf(file) === 0 || !process.kill(pidOf(file), 0); } catch { return true; } };
    await until(() => gone('pid') && gone('child'), { timeoutMs: 10_000, what: 'its programs have ended' });
  });

  test('a reader that does not read is waited for: journalctl stops writing', async () => {
    host.journalctl.is('i=0; while [ $i -lt 200 ]; do head -c 65536 /dev/zero | tr "\\0" x; i=$((i + 1)); echo $i >count; done');
    let begin = (): void => undefined;
    const held = host.work('log', [web, ['lines', '1'], ['follow', '1']], {
      begun: (connection) => {
        connection.pause();
        begin = () => { connection.resume(); };
      },
    });
    const count = (): number => { try { return Number(readFileSync(join(host.dir, 'count'), 'utf8')); } catch { return 0; } };
    await until(() => count() > 0, { timeoutMs: 10_000, what: 'it has begun' });
    let before = -1;
    await until(() => { const same = count() === before; before = count(); return same; }, { timeoutMs: 10_000, everyMs: 500, what: 'it waits' });
    expect(before).toBeLessThan(100);
    begin();
    const said = await held;
    expect([said.exit, said.output.length]).toEqual([0, 200 * 65_536]);
  });
});

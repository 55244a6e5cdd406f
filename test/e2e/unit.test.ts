import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

/** What it reads from a pipe it writes to the journal; it runs until it is ended. */
const demo = `[Service]
ExecStartPre=/bin/sh -c 'rm -f /run/demo; mkfifo /run/demo'
ExecStart=/bin/sh -c 'while :; do cat /run/demo; done'
`;

interface HostJson {
  readonly hostName: string;
  readonly state: { readonly active: string; readonly sub: string; readonly mainPid: number; readonly restarts: number; readonly memoryBytes: number; readonly result: string } | null;
  readonly errors: readonly { readonly code: string; readonly message: string; readonly remedy: string }[];
}

describe.skipIf(!hosts.ok)('units of a host', () => {
  let fleet: TestFleet;
  let box: LabHost;

  const pidOf = async (unit: string): Promise<number> => Number((await box.run(['systemctl', 'show', '--property=MainPID', '--value', unit])).trim());
  const say = (script: string): Promise<string> => box.run(['/bin/sh', '-c', `{ ${script}; } >/run/demo`]);
  const restart = async (unit: string, code = 0): Promise<{ operationId: string; host: HostJson }> => {
    const { operationId, hosts: [host] } = await fleet.json<{ operationId: string; hosts: HostJson[] }>(['unit', 'restart', '--on', 'box', unit, '--yes'], code);
    if (host === undefined) throw new Error('no host answered');
    return { operationId, host };
  };
  const leftOver = async (): Promise<string> => (await box.exec(['/bin/sh', '-c', "pgrep -a journalctl; systemctl list-units --all --no-legend --plain 'reeve-unit@*'"])).stdout;

  /** A log that is followed, as a person does it on the coordinator. */
  const follow = async (...args: string[]): Promise<{ child: ChildProcess; pid: string; lines: () => string[] }> => {
    const child = fleet.hub.spawn(['/bin/sh', '-c', 'echo $$; exec /usr/bin/reeve "$@"', 'sh', 'log', 'box', '--follow', ...args]);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const pid = await until(() => /^(\d+)\n/.exec(text)?.[1], { timeoutMs: 20_000, what: 'the command to begin' });
    return { child, pid, lines: () => text.split('\n').slice(1) };
  };
  const stop = async ({ child, pid }: { child: ChildProcess; pid: string }): Promise<number | null> => {
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await fleet.hub.run(['kill', '-INT', pid]);
    return ended;
  };

  beforeAll(async () => {
    fleet = await startFleet({ name: 'unit', hosts: ['box'] });
    box = fleet.host('box');
    await box.write('/etc/systemd/system/demo.service', demo);
    await box.write('/etc/systemd/system/broken.service', "[Service]\nExecStart=/bin/sh -c 'exit 7'\n");
    await box.write('/etc/systemd/system/once.service', '[Service]\nType=oneshot\nExecStart=/bin/true\n');
    await box.write('/etc/systemd/system/other.service', demo.replaceAll('/run/demo', '/run/other'));
    await box.run(['ln', '-s', '/lib/systemd/system/ssh.service', '/etc/systemd/system/mine.service']);
    await box.run(['systemctl', 'daemon-reload']);
    await box.run(['systemctl', 'start', 'demo.service', 'other.service', 'ssh.service']);
    const units = 'demo.service,broken.service,once.service,gone.service,sshd.service,ssh.service,mine.service,reeve-agent.service,systemd-journald.service';
    await box.run(['/bin/sh', '-c', `printf 'allow unit.restart unit=${units}\\nallow unit.log unit=demo.service\\nallow unit.status unit=demo.service\\n' >>/etc/reeve/policy`]);
  });
  afterAll(() => fleet.close());

  test('the log of the agent shows what comes, and nothing is left on the host when its reader ends it', async () => {
    const log = await follow('--lines', '5');
    await until(async () => (await leftOver()).includes('--unit=reeve-agent.service') && (await leftOver()).includes('--unit=reeve-privd.service'), { timeoutMs: 20_000, what: 'the log to be followed' });
    const { operationId } = await restart('demo.service');
    const line = await until(() => log.lines().find((text) => text.includes(operationId) && text.includes('a unit is restarted')), { timeoutMs: 5000, what: 'the new line' });
    expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d reeve-agent\.service info {4}\{/);
    expect(await stop(log)).toBe(0);
    await until(async () => (await leftOver()) === '', { timeoutMs: 10_000, what: 'everything on the host to have ended' });
  });

  test('nor when the coordinator goes', async () => {
    const log = await follow('--unit', 'demo.service');
    await until(async () => (await leftOver()).includes('--unit=demo.service'), { timeoutMs: 20_000, what: 'the log to be followed' });
    await fleet.hub.run(['systemctl', 'kill', '--signal=KILL', 'reeved.service']);
    await until(async () => (await leftOver()) === '', { timeoutMs: 60_000, what: 'everything on the host to have ended' });
    await until(() => log.child.exitCode !== null, { timeoutMs: 20_000, what: 'the command to end' });
    await fleet.waitCoordinator();
    await fleet.waitState('box', 'connected');
  });

  test('lines that would obey are shown as text, and long ones are cut', async () => {
    await say("printf '\\033[2J\\033]0;title\\007hidden\\n'");
    await say("printf 'zero\\342\\200\\213width \\342\\200\\256turned \\377\\n'");
    await say("head -c 20000 /dev/zero | tr '\\0' x; echo");
    await say('echo the end');
    await until(async () => (await fleet.reeve(['log', 'box', '--unit', 'demo.service', '-n', '1'])).stdout.includes('the end'), { timeoutMs: 10_000, what: 'the journal to have it' });
    const { stdout, code } = await fleet.reeve(['log', 'box', '--unit', 'demo.service', '-n', '4']);
    expect(code).toBe(0);
    const messages = stdout.split('\n').map((line) => line.replace(/^\S+ \S+ demo\.service info {4}/, ''));
    expect(messages.slice(0, 2)).toEqual(['\\u{1b}[2J\\u{1b}]0;title\\u{7}hidden', 'zero\\u{200b}width \\u{202e}turned \ufffd']);
    expect(messages.slice(2)).toEqual([`${'x'.repeat(4096)}…`, 'the end', '']);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e]/u);
    const json = (await fleet.reeve(['log', 'box', '--unit', 'demo.service', '-n', '4', '--json'])).stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { message: string; unit: string; cut: boolean });
    expect(json.map(({ unit, cut }) => [unit, cut])).toEqual([['demo.service', false], ['demo.service', false], ['demo.service', true], ['demo.service', false]]);
    expect(json[0]?.message).toBe('\u001b[2J\u001b]0;title\u0007hidden');
  });

  test('the log of a unit that the policy does not name is refused, with the line that would allow it', async () => {
    const { code, stderr } = await fleet.reeve(['log', 'box', '--unit', 'other.service']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('allow unit.log unit=other.service')]);
    expect((await fleet.reeve(['log', 'box', '--unit', 'reeve-agent.service', '-n', '1'])).code).toBe(0);
  });

  test('status tells what systemd says', async () => {
    const { hosts: [seen] } = await fleet.json<{ hosts: HostJson[] }>(['unit', 'status', '--on', 'all', 'demo.service']);
    expect(seen).toMatchObject({ hostName: 'box', state: { active: 'active', sub: 'running', mainPid: await pidOf('demo.service'), restarts: 0, result: 'success' }, errors: [] });
    const table = (await fleet.reeve(['unit', 'status', '--on', 'box', 'demo.service'])).stdout.split('\n');
    expect(table[0]).toMatch(/^HOST +UNIT +STATE +SUB-STATE +SINCE +MAIN PID +RESTARTS +MEMORY +RESULT$/);
    expect(table[1]).toMatch(new RegExp(`^box +demo\\.service +active +running +\\d+[smh] +${String(await pidOf('demo.service'))} +0 .*success$`));
    expect((await fleet.json<{ hosts: HostJson[] }>(['unit', 'status', '--on', 'box', 'reeve-agent.service'])).hosts[0]?.state).toMatchObject({ active: 'active' });
    const refused = await fleet.reeve(['unit', 'status', '--on', 'box', 'other.service']);
    expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining('allow unit.status unit=other.service')]);
  });

  test('a unit that the policy names is restarted, and its operation is found in the logs of coordinator, agent and helper', async () => {
    const before = await pidOf('demo.service');
    const plan = await fleet.reeve(['unit', 'restart', '--on', 'box', 'demo.service', '--plan']);
    expect([plan.code, await pidOf('demo.service')]).toEqual([0, before]);
    const { operationId, host } = await restart('demo.service');
    const after = await pidOf('demo.service');
    expect(after).not.toBe(before);
    expect(host).toMatchObject({ state: { active: 'active', mainPid: after }, errors: [] });
    const linesWith = async (on: LabHost, unit: string): Promise<number> => (await on.run(['journalctl', '--no-pager', '--output=cat', `--unit=${unit}`])).split('\n').filter((line) => line.includes(operationId)).length;
    expect(await linesWith(fleet.hub, 'reeved.service')).toBeGreaterThan(0);
    expect(await linesWith(box, 'reeve-agent.service')).toBeGreaterThan(0);
    await until(async () => (await linesWith(box, 'reeve-unit@*')) === 1, { timeoutMs: 10_000, what: 'the journal to have it' });
    expect(await linesWith(box, 'reeve-privd.service')).toBe(1);
    expect((await box.read('/var/lib/reeve-privd/audit/audit.log')).split('\n').filter((line) => line.includes(operationId.replaceAll('-', '')) && line.includes('unit=demo.service plan=0'))).toHaveLength(2);
    const { records } = await fleet.json<{ records: { operationId: string; phase: string; action: string }[] }>(['audit', 'list']);
    expect(records.filter((record) => record.operationId === operationId).map(({ phase, action }) => `${phase} ${action}`).sort()).toEqual(['intent unit restart box', 'ok unit restart box']);
  });

  test('a change is found by its operation in the logs of coordinator, agent and helper as well', async () => {
    const { operationId } = await fleet.json<{ operationId: string }>(['user', 'add', 'ada', '--on', 'box', '--yes']);
    const messages = async (on: LabHost, unit: string): Promise<string[]> =>
      (await on.run(['journalctl', '--no-pager', '--output=cat', `--unit=${unit}`])).split('\n').filter((line) => line.includes(operationId)).map((line) => (line.startsWith('{') ? (JSON.parse(line) as { msg: string }).msg : line));
    expect(await messages(fleet.hub, 'reeved.service')).toEqual(['an operation was stored', 'an operation ended']);
    expect(await messages(box, 'reeve-agent.service')).toEqual(['an operation begins', 'an operation is done']);
    expect(await messages(box, 'reeve-privd.service')).toEqual([`reeve-privd: operation ${operationId}: user.add done`]);
  });

  test('one that does a thing and ends is restarted as well, and one that is not there is told', async () => {
    expect((await restart('once.service')).host).toMatchObject({ state: { active: 'inactive' }, errors: [] });
    expect((await restart('gone.service', 1)).host.errors).toMatchObject([{ code: 'UNIT_FAILED', message: 'The restart of unit "gone.service" on host "box" failed: there is no such unit' }]);
  });

  test('one that does not start is told with the reason of systemd', async () => {
    const { host } = await restart('broken.service', 1);
    expect(host.errors).toMatchObject([{ code: 'UNIT_FAILED', message: 'The restart of unit "broken.service" on host "box" failed: exit-code: its process ended with exit code 7' }]);
  });

  test('one that the policy does not name is refused, with the line that would allow it', async () => {
    const before = await pidOf('other.service');
    const { code, stdout } = await fleet.reeve(['unit', 'restart', '--on', 'box', 'other.service', '--yes']);
    expect([code, stdout]).toEqual([1, expect.stringContaining('allow unit.restart unit=other.service')]);
    expect(await pidOf('other.service')).toBe(before);
  });

  test.each(['sshd.service', 'ssh.service', 'mine.service', 'reeve-agent.service', 'systemd-journald.service'])('%s is not restarted, although the policy names it', async (unit) => {
    const before = await Promise.all(['ssh.service', 'reeve-agent.service', 'systemd-journald.service'].map(pidOf));
    expect(Math.min(...before)).toBeGreaterThan(0);
    const { host } = await restart(unit, 1);
    expect(host.errors[0]?.message).toMatch(/never restart/);
    expect(await Promise.all(['ssh.service', 'reeve-agent.service', 'systemd-journald.service'].map(pidOf))).toEqual(before);
  });
});

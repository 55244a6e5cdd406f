import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { agentUserPoints, coordinatorChangePoints, helperPoints, type UserCommand } from '../support/chaos-points.js';
import {
  accountState, answerOf, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, waitSettled, type AccountState, type CommandAnswer,
} from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';

const commands = ['add', 'lock', 'remove'] as const satisfies readonly UserCommand[];
const managed = ['web1', 'web2', 'web3'] as const;

/** What the host shows of an account of `user add NAME --groups www-data` that was then changed by a command. */
function wanted(command: UserCommand, name: string, state: AccountState): AccountState {
  const uid = state.passwd.split(':')[2] ?? '';
  if (command === 'remove') {
    return { passwd: '', group: '', member: false, locked: false, home: false, marker: '', entries: 0, trash: 1, made: 1, deleted: 1 };
  }
  return {
    passwd: `${name}:x:${uid}:${uid}::/home/${name}:/bin/bash`,
    group: `${name}:x:${uid}:`,
    member: true,
    locked: command === 'lock',
    home: true,
    marker: 'owned',
    entries: 3,
    trash: 0,
    made: 1,
    deleted: 0,
  };
}

const presence = { add: 'present', lock: 'locked', remove: undefined } as const;

function argsOf(command: UserCommand, name: string, on: string): string[] {
  return ['user', command, name, '--on', on, ...(command === 'add' ? ['--groups', 'www-data'] : []), '--yes', '--json'];
}

describe.skipIf(!hosts.ok)('kill -9 while users are changed', () => {
  let fleet: TestFleet;
  const survived: string[] = [];

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosuser', hosts: managed, packages: 'test', resident: true });
    await prepareUnit(fleet.hub, 'reeved');
    await Promise.all(managed.map((name) => prepareUnit(fleet.host(name), 'reeve-agent')));
  });
  afterAll(() => {
    if (survived.length > 0) console.log(`kill -9 at failpoints of changes: ${String(survived.length)} survived`);
    fleet.close();
  });

  /** The coordinator says what the host is, and the command, given again, ends well, and given again changes nothing. */
  async function checkTruth(command: UserCommand, name: string, on: readonly string[]): Promise<void> {
    const selector = on.length === managed.length ? 'all' : (on[0] ?? '');
    for (const host of on) {
      const state = await accountState(fleet.host(host), name);
      expect(state, `${command} ${name} on ${host}`).toEqual(wanted(command, name, state));
    }
    const { users } = await fleet.json<{ users: { hostName: string; pending: boolean; observedUid: number; user: { presence: string } }[] }>(['user', 'list', '--name', name]);
    const listed = users.filter((row) => on.includes(row.hostName));
    expect(listed.map((row) => [row.user.presence, row.pending])).toEqual(on.flatMap(() => (presence[command] === undefined ? [] : [[presence[command], false]])));
    const again = await fleet.json<CommandAnswer>(argsOf(command, name, selector));
    expect(again.outcome).toBe('ok');
    const further = await fleet.json<CommandAnswer>(argsOf(command, name, selector));
    expect(further.hosts.map((row) => [row.outcome, row.changes])).toEqual(on.map(() => ['ok', []]));
  }

  /** Both audit chains are whole, each operation reached the account tools once, and nothing half-written is left. */
  async function checkTraces(host: LabHost, killed: 'helper' | 'other'): Promise<void> {
    const records = await helperRecords(host);
    const keyOf = (record: { op_id: string; verb: string; args: string }): string => `${record.op_id} ${record.verb} ${record.args}`;
    const intents = records.filter((record) => record.phase === 'intent').map(keyOf);
    const results = records.filter((record) => record.phase === 'result').map(keyOf);
    const recovered = records.filter((record) => record.phase === 'recovered').length;
    expect(new Set(results).size, 'one result for each operation').toBe(results.length);
    expect(intents.length, 'every intent is closed').toBe(results.length + recovered);
    if (killed === 'other') expect(new Set(intents).size, 'one intent for each operation').toBe(intents.length);
    expect(await leftovers(host)).toEqual([]);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  }

  test('the agent, at each of its failpoints: one host each', async () => {
    const queue = [...agentUserPoints, 'agent.user.step:2'].map((point, index) => ({ point, name: `ag${String(index)}` }));
    const work = async (hostName: string): Promise<void> => {
      const host = fleet.host(hostName);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        // Only `add` with its group has two steps.
        for (const command of next.point.endsWith(':2') ? (['add'] as const) : commands) {
          await arm(host, 'reeve-agent', next.point);
          await waitReachable(fleet, hostName);
          const result = await fleet.reeve(argsOf(command, next.name, hostName));
          // The answer was lost: nobody claims to know how it ended.
          expect([result.code, answerOf(result)?.hosts[0]?.outcome], `${next.point} in ${command}: ${result.stdout}${result.stderr}`).toEqual([3, 'unknown']);
          await waitRestarted(host, 'reeve-agent');
          await waitReachable(fleet, hostName);
          await waitSettled(fleet);
          const operation = await fleet.json<{ operation: { outcome: string } }>(['operation', 'show', answerOf(result)?.operationId ?? '']);
          survived.push(`${next.point} ${command}`);
          expect(['ok', 'failed', 'pending'], 'it is no longer unknown').toContain(operation.operation.outcome);
          await checkTruth(command, next.name, [hostName]);
        }
      }
    };
    await Promise.all(managed.map(work));
    for (const name of managed) await checkTraces(fleet.host(name), 'other');
  });

  test('the coordinator, at each of its failpoints: three hosts are being changed', async () => {
    for (const [index, point] of coordinatorChangePoints.entries()) {
      const name = `co${String(index)}`;
      for (const command of commands) {
        await arm(fleet.hub, 'reeved', point);
        await Promise.all(managed.map((host) => waitReachable(fleet, host)));
        const result = await fleet.reeve(argsOf(command, name, 'all'));
        expect(result.code, `${point} in ${command}: ${result.stdout}${result.stderr}`).not.toBe(0);
        await waitRestarted(fleet.hub, 'reeved');
        await Promise.all(managed.map((host) => waitReachable(fleet, host)));
        await waitSettled(fleet);
        survived.push(`${point} ${command}`);
        await checkTruth(command, name, managed);
      }
    }
    for (const name of managed) await checkTraces(fleet.host(name), 'other');
  });

  test('the helper’s child, at each of its failpoints: the agent asks again and the command succeeds', async () => {
    const hostName = 'web1';
    const host = fleet.host(hostName);
    const kill = async (point: string, args: readonly string[]): Promise<void> => {
      const file = `/var/lib/reeve-privd/failpoint.${point}`;
      await host.write(file, '');
      const answer = await fleet.json<CommandAnswer>([...args, '--yes', '--json']);
      expect(answer.outcome, point).toBe('ok');
      expect((await host.exec(['test', '-e', file])).code, `${point} was passed`).toBe(1);
      survived.push(`${point} ${args.join(' ')}`);
    };
    for (const [index, point] of helperPoints.add.entries()) {
      const name = `he${String(index)}`;
      await kill(point, argsOf('add', name, hostName).slice(0, -2));
      const state = await accountState(host, name);
      // An account that was made and not yet marked as ours is taken down and made again; a home is never deleted, also this one is in the trash.
      const twice = point === 'add.made' ? 1 : 0;
      expect(state, point).toEqual({ ...wanted('add', name, state), made: 1 + twice, deleted: twice, trash: twice });
    }
    for (const [index, point] of helperPoints.lock.entries()) {
      await kill(point, ['user', 'lock', `he${String(index)}`, '--on', hostName]);
      expect((await accountState(host, `he${String(index)}`)).locked, point).toBe(true);
    }
    await kill('unlock.done', ['user', 'unlock', 'he0', '--on', hostName]);
    expect((await accountState(host, 'he0')).locked).toBe(false);
    await kill('set.done', ['user', 'add', 'he0', '--on', hostName, '--groups', 'www-data', '--shell', '/bin/sh']);
    expect((await accountState(host, 'he0')).passwd).toMatch(/:\/bin\/sh$/);
    for (const [index, point] of helperPoints.remove.entries()) {
      const name = `he${String(index)}`;
      const before = await accountState(host, name);
      await kill(point, ['user', 'remove', name, '--on', hostName]);
      const after = { passwd: '', group: '', member: false, locked: false, home: false, marker: '', entries: 0, trash: before.trash + 1, deleted: before.deleted + 1 };
      expect(await accountState(host, name), point).toEqual({ ...after, made: before.made });
    }
    // userdel writes one file after the other: these are two that were killed in between.
    await fleet.json(argsOf('add', 'he9', hostName));
    for (const [name, files] of [['he8', ['passwd', 'shadow']], ['he9', ['passwd']]] as const) {
      await host.run(['sed', '-i', `/^${name}:/d`, ...files.map((file) => `/etc/${file}`)]);
      await host.run(['sed', '-i', 's/^state=.*/state=removing/', `/var/lib/reeve-privd/owned/user/${name}`]);
      await fleet.json(['user', 'remove', name, '--on', hostName, '--yes']);
      expect(await accountState(host, name), 'whoever gets this name is in none of its groups').toMatchObject({ entries: 0, member: false, marker: '', trash: 1 });
    }
    await host.run(['useradd', '--create-home', 'byhand']);
    await kill('adopt.marked', ['user', 'adopt', hostName, 'byhand']);
    expect((await accountState(host, 'byhand')).marker).toMatch(/^adopted/);
    await kill('release.forgotten', ['user', 'remove', 'byhand', '--on', hostName]);
    expect(await accountState(host, 'byhand')).toMatchObject({ marker: '', home: true, made: 1, deleted: 0 });
    await checkTraces(host, 'helper');
  });

  test('the helper’s children at random moments: the account is whole, and the command, given again, ends well', async () => {
    // Waits for a child of the helper, and kills all there are a random moment later; says when one was alive then.
    const script = `
      systemctl start reeve-privd
      main=$(systemctl show --property=MainPID --value reeve-privd)
      for try in $(seq 1500); do
        all=$(cat "/proc/$main/task/$main/children") || exit
        [ -n "$all" ] && break
        sleep 0.01
      done
      sleep "$1"
      all=$(cat "/proc/$main/task/$main/children")
      [ -n "$all" ] && kill -9 $all && echo killed`;
    let [rounds, hits] = [0, 0];
    const round = async (hostName: string, command: UserCommand, name: string): Promise<void> => {
      const host = fleet.host(hostName);
      const delay = `0.${String(randomInt(80)).padStart(3, '0')}`;
      const killer = host.exec(['/bin/sh', '-c', script, 'killer', delay], { timeoutMs: 60_000 });
      const first = await fleet.reeve(argsOf(command, name, hostName));
      if ((await killer).stdout.includes('killed')) hits += 1;
      rounds += 1;
      if (first.code !== 0) await fleet.json(argsOf(command, name, hostName));
      const state = await accountState(host, name);
      // A tool that was killed has said that it makes an account and has not made it, and the home of such a one is in the trash.
      const { made, deleted, trash } = state;
      expect(state, `${command} ${name} killed after ${delay} s`).toEqual({ ...wanted(command, name, state), made, deleted, trash });
      expect(trash).toBeGreaterThanOrEqual(command === 'remove' ? 1 : 0);
      const further = await fleet.json<CommandAnswer>(argsOf(command, name, hostName));
      expect(further.hosts.map((row) => [row.outcome, row.changes])).toEqual([['ok', []]]);
    };
    await Promise.all(managed.map(async (hostName) => {
      for (let n = 0; n < 4; n += 1) for (const command of commands) await round(hostName, command, `rk${String(n)}`);
    }));
    console.log(`kill -9 of helper children at random moments: ${String(hits)} hit, ${String(rounds)}/${String(rounds)} whole`);
    expect(hits).toBeGreaterThan(rounds / 4);
    for (const name of managed) {
      // A killed account tool may leave its lock file, which names a dead process: the next tool that needs the lock takes it over and clears it away.
      await fleet.json(['user', 'add', 'sweeper', '--on', name, '--yes']);
      await fleet.json(['user', 'remove', 'sweeper', '--on', name, '--yes']);
      await helperRecords(fleet.host(name));
      expect(await leftovers(fleet.host(name))).toEqual([]);
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putOnSmallDisk } from '../support/chaos-disk.js';
import { accountState, answerOf, helperRecords, leftovers, waitReachable, type CommandAnswer } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const reserve = '/var/lib/reeve-privd/audit/reserve';

/** Process of a unit: the same one before and after means that nothing had to be started again. */
async function mainPid(fleet: TestFleet, hostName: string, unit: string): Promise<string> {
  const host = hostName === 'hub' ? fleet.hub : fleet.host(hostName);
  return host.run(['systemctl', 'show', '--property=MainPID', '--value', unit]);
}

describe.skipIf(!hosts.ok)('a full disk', () => {
  let fleet: TestFleet;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaosdisk', hosts: ['web1', 'web2', 'web3'], packages: 'test' });
    for (const name of ['early', 'gone']) await fleet.json(['user', 'add', name, '--on', 'all', '--yes']);
  });
  afterAll(() => fleet.close());

  const add = (name: string, on: string): ReturnType<TestFleet['reeve']> => fleet.reeve(['user', 'add', name, '--on', on, '--yes', '--json']);

  async function readsWork(host: string): Promise<void> {
    for (const args of [['user', 'list'], ['user', 'observe', host], ['host', 'list'], ['pending'], ['operation', 'list'], ['audit', 'verify']]) {
      expect((await fleet.reeve([...args, '--json'])).code, args.join(' ')).toBe(0);
    }
  }

  test('of the helper: changes are refused, reads and the removal of access go on, and all is well when there is room again', async () => {
    const host = fleet.host('web1');
    const units = ['reeve-agent.service', 'reeve-privd.service', 'reeve-privd.socket'];
    const disk = await putOnSmallDisk(host, { folder: '/var/lib/reeve-privd', size: '640k', units: units });
    await waitReachable(fleet, 'web1');
    await disk.fill();
    const codes: string[] = [];
    // The last block of the log may have room for a few records; without room for anything else nothing is made of them.
    for (let n = 0; codes.at(-1) !== 'AUDIT_UNWRITABLE' && n < 12; n += 1) {
      const result = await add(`full${String(n)}`, 'web1');
      expect(result.code, result.stdout + result.stderr).toBe(1);
      codes.push(answerOf(result)?.hosts[0]?.errors[0]?.code ?? 'none');
      expect(await accountState(host, `full${String(n)}`)).toMatchObject({ passwd: '', home: false, marker: '' });
    }
    expect(codes.at(-1), codes.join(', ')).toBe('AUDIT_UNWRITABLE');
    await readsWork('web1');
    expect((await fleet.json<CommandAnswer>(['user', 'lock', 'early', '--on', 'web1', '--yes'])).outcome).toBe('ok');
    expect((await accountState(host, 'early')).locked).toBe(true);
    expect((await fleet.json<CommandAnswer>(['user', 'remove', 'gone', '--on', 'web1', '--yes'])).outcome).toBe('ok');
    expect(await accountState(host, 'gone')).toMatchObject({ passwd: '', home: false, trash: 1 });
    const agent = await mainPid(fleet, 'web1', 'reeve-agent');
    await disk.free();
    expect((await fleet.json<CommandAnswer>(['user', 'add', 'late', '--on', 'web1', '--yes'])).outcome).toBe('ok');
    expect(await accountState(host, 'late')).toMatchObject({ home: true, marker: 'owned', made: 1 });
    expect(await mainPid(fleet, 'web1', 'reeve-agent')).toBe(agent);
    expect(await host.run(['stat', '--format=%s', reserve]), 'the reserve is there for the next time').toBe('65536\n');
    await helperRecords(host);
    expect(await leftovers(host)).toEqual([]);
  });

  test('of the agent’s journal: changes are refused before anything is done, reads go on, and all is well when there is room again', async () => {
    const host = fleet.host('web2');
    const disk = await putOnSmallDisk(host, { folder: '/var/lib/reeve-agent', size: '256k', units: ['reeve-agent.service'] });
    await waitReachable(fleet, 'web2');
    await disk.fill();
    const codes: string[] = [];
    for (let n = 0; codes.at(-1) !== 'AUDIT_UNWRITABLE' && n < 12; n += 1) {
      const result = await add(`full${String(n)}`, 'web2');
      codes.push(result.code === 0 ? 'ok' : (answerOf(result)?.hosts[0]?.errors[0]?.code ?? 'none'));
      const made = await accountState(host, `full${String(n)}`);
      // Wholly made while the last block had room for the journal's lines, else not at all.
      expect([result.code === 0, made.passwd !== '', made.home, made.marker === 'owned'], codes.join(', ')).toEqual(new Array(4).fill(result.code === 0));
    }
    expect(codes.at(-1), codes.join(', ')).toBe('AUDIT_UNWRITABLE');
    await readsWork('web2');
    const agent = await mainPid(fleet, 'web2', 'reeve-agent');
    await disk.free();
    expect((await fleet.json<CommandAnswer>(['user', 'add', 'late', '--on', 'web2', '--yes'])).outcome).toBe('ok');
    expect(await accountState(host, 'late')).toMatchObject({ home: true, marker: 'owned', made: 1 });
    expect(await mainPid(fleet, 'web2', 'reeve-agent')).toBe(agent);
    await helperRecords(host);
  });

  test('of the coordinator: commands are refused before a host is asked, reads go on, and all is well when there is room again', async () => {
    const disk = await putOnSmallDisk(fleet.hub, { folder: '/var/lib/reeved', size: '24m', units: ['reeved.service'] });
    await waitReachable(fleet, 'web3');
    const reeved = await mainPid(fleet, 'hub', 'reeved');
    await disk.fill();
    // The write-ahead log may have room for a few commands, which then are wholly done.
    let refused: string | undefined;
    for (let n = 0; refused === undefined && n < 12; n += 1) {
      const result = await add(`co${String(n)}`, 'web3');
      const made = await accountState(fleet.host('web3'), `co${String(n)}`);
      expect([made.passwd !== '', made.marker === 'owned'], result.stdout + result.stderr).toEqual([result.code === 0, result.code === 0]);
      if (result.code !== 0) refused = result.stdout + result.stderr;
    }
    expect(refused).toContain('AUDIT_UNWRITABLE');
    // What hosts say meanwhile is lost, and nothing else: a host that comes back says all of it anew.
    await fleet.host('web2').run(['systemctl', 'restart', 'reeve-agent'], { timeoutMs: 60_000 });
    const notes = async (): Promise<string> => fleet.hub.run(['journalctl', '--unit=reeved', '--grep=what was noted could not be stored', '--output=cat']);
    await until(async () => (await notes().catch(() => '')) !== '', { timeoutMs: 60_000, what: 'what a host said not to be stored' });
    await waitReachable(fleet, 'web2');
    await readsWork('web3');
    expect(await mainPid(fleet, 'hub', 'reeved'), 'the coordinator lived through it').toBe(reeved);
    await disk.free();
    await until(async () => (await add('late', 'web3')).code === 0, { timeoutMs: 20_000, what: 'commands to be taken again' });
    expect(await accountState(fleet.host('web3'), 'late')).toMatchObject({ home: true, marker: 'owned', made: 1 });
    expect(await mainPid(fleet, 'hub', 'reeved')).toBe(reeved);
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  });
});

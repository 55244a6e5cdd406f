import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hosts } from '../support/fleet.js';
import { reeveTable, startNatFleet, type NatFleet } from '../support/nat-fleet.js';
import { ask, serve, watch } from '../support/nat-probe.js';
import { natCommands } from '../support/nat-setting.js';
import { until } from '../support/until.js';
import { testCommands } from './nat-command.js';
import { testPackets } from './nat-packet.js';

describe.skipIf(!hosts.ok)('port forwards and masquerades on a real host', () => {
  let fleet: NatFleet;
  const { change, rows } = natCommands(() => fleet);

  beforeAll(async () => {
    fleet = await startNatFleet({ name: 'nat' });
    await serve(fleet.desk, ['5000']);
  });
  afterAll(() => fleet.close());

  testPackets(() => fleet);
  testCommands(() => fleet);

  /** What worked before, works. Hosts that have just booted may still look whether somebody else has their IPv6 addresses. */
  async function works(): Promise<void> {
    const { desk, front, front6, desk6 } = fleet;
    await until(async () => (await ask(desk, 'tcp', front6, [8080]))[0] !== 'silent', { timeoutMs: 20_000, what: 'an answer over IPv6' });
    expect(await ask(desk, 'tcp', front.address, [8080])).toEqual([`web1 saw ${desk.address} at 80`]);
    expect(await ask(desk, 'tcp', front6, [8080])).toEqual([`web1 saw ${desk6} at 80`]);
    expect(await ask(fleet.host('web2'), 'tcp', desk.address, [5000])).toEqual([`desk saw ${front.address} at 5000`]);
  }

  test('nftables.service flushes everything, and the forwards are still there; when it is started for the first time, once they are applied again', async () => {
    const { front } = fleet;
    const before = await reeveTable(front);
    await front.run(['systemctl', 'enable', '--quiet', 'nftables.service']);
    await front.run(['systemctl', 'start', 'nftables.service']);
    expect((await fleet.reeve(['apply', '--on', 'front', '--noun', 'nat', '--yes'])).code).toBe(0);
    expect(await reeveTable(front)).toBe(before);
    for (const verb of ['reload', 'restart']) {
      await front.run(['systemctl', verb, 'nftables.service']);
      await until(async () => (await reeveTable(front)) === before, { timeoutMs: 10_000, what: `the table to be there after ${verb}` });
    }
    await works();
  });

  test('after a reboot everything works before anybody can log in, without agent and coordinator', async () => {
    const { front, desk, hub } = fleet;
    await hub.run(['systemctl', 'stop', 'reeved']);
    await front.run(['systemctl', 'disable', '--quiet', 'reeve-agent.service']);
    const before = await reeveTable(front);
    const watched = watch(desk, front.address, 8080);
    await until(() => watched.open, { timeoutMs: 10_000, what: 'the port to answer before' });
    await Promise.all([front.reboot(), fleet.host('web1').reboot()]);
    expect(await reeveTable(front)).toBe(before);
    await until(() => watched.open, { timeoutMs: 10_000, what: 'the port to answer again' });
    watched.close();
    const at = async (unit: string, property: string): Promise<number> => Number(await front.run(['systemctl', 'show', '--value', `--property=${property}`, unit]));
    const loaded = await at('reeve-nat.service', 'ExecMainExitTimestampMonotonic');
    expect(loaded).toBeGreaterThan(0);
    expect(loaded).toBeLessThan(await at('network-pre.target', 'ActiveEnterTimestampMonotonic'));
    expect(loaded).toBeLessThan(await at('systemd-user-sessions.service', 'ExecMainStartTimestampMonotonic'));
    await works();
    await front.run(['systemctl', 'enable', '--quiet', '--now', 'reeve-agent.service']);
    await hub.run(['systemctl', 'start', 'reeved']);
    for (const name of ['front', 'desk', 'web1']) await fleet.waitState(name, 'connected', 120_000);
    expect((await fleet.json<{ hosts: { changes: unknown[] }[] }>(['apply', '--on', 'front', '--noun', 'nat', '--yes'])).hosts.flatMap((row) => row.changes)).toEqual([]);
  });

  test('when the last is removed the table is gone, and forwarding is as it was before Reeve', async () => {
    const { front } = fleet;
    for (const row of await rows()) await change(['remove', 'front', String(row.forward?.id ?? row.masquerade?.id)]);
    expect(await rows()).toEqual([]);
    expect(await reeveTable(front)).toBe('');
    expect((await front.exec(['ls', '/etc/sysctl.d/60-reeve-nat.conf'])).code).not.toBe(0);
    expect(await ask(fleet.desk, 'tcp', front.address, [8080])).toEqual(['refused']);
  });
});

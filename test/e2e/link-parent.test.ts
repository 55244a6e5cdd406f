import { expect, test } from 'vitest';
import type { TestFleet } from '../support/fleet.js';
import { inside, startGuests } from '../support/link-fleet.js';
import { until } from '../support/until.js';
import { testRenewal } from './renewal.js';
import { describeUsers } from './user-suite.js';

const reaches = async (fleet: TestFleet, from: string, to: string, port: number): Promise<boolean> =>
  (await (from === 'hub' ? fleet.hub : fleet.host(from)).exec(['timeout', '4', 'bash', '-c', `exec 3<>/dev/tcp/${to}/${String(port)}`])).code === 0;

describeUsers({
  title: ' behind a parent',
  start: () => startGuests('via'),
  on: 'guest=yes',
  more: (fleetOf) => {
    const both = async (state: string, timeoutMs?: number): Promise<void> => {
      for (const name of ['web1', 'web2']) await fleetOf().waitState(name, state, timeoutMs);
    };

    test('guests and coordinator have no way to each other but the parent', async () => {
      const fleet = fleetOf();
      expect(await reaches(fleet, 'web1', fleet.hub.address, 7421)).toBe(false);
      expect(await reaches(fleet, 'hub', fleet.host('web1').address, 7420)).toBe(false);
      expect(await reaches(fleet, 'vm1', fleet.host('web1').address, 7420)).toBe(true);
    });

    test('nobody but a child is passed on by the parent', async () => {
      const fleet = fleetOf();
      const relay = async (): Promise<{ refusals: number; streams: number }> => (await fleet.json<{ status: { relay: { refusals: number; streams: number } } }>(['host', 'show', 'vm1'])).status.relay;
      const before = await relay();
      // The parent's own connection to its address comes from no child's.
      await fleet.host('vm1').exec(['timeout', '4', 'bash', '-c', `exec 3<>/dev/tcp/${inside}/7421; cat <&3`]);
      await until(async () => (await relay()).refusals > before.refusals, { timeoutMs: 15_000, what: 'the refusal to be counted' });
      await fleet.json(['host', 'set', 'web2', '--link', 'direct']);
      await fleet.waitState('web2', 'lost');
      await until(async () => !(await fleet.host('vm1').read('/var/lib/reeve-agent/relay.json')).includes('"web2"'), { timeoutMs: 15_000, what: 'the guest to be off the list' });
      await fleet.json(['host', 'set', 'web2', '--link', 'parent']);
      await both('connected');
    });

    test('guests come back when the agent of their parent was killed, and when the coordinator was restarted', async () => {
      const fleet = fleetOf();
      const pid = (await fleet.host('vm1').run(['systemctl', 'show', '--property=MainPID', '--value', 'reeve-agent'])).trim();
      await fleet.host('vm1').run(['kill', '-9', pid]);
      await both('lost');
      await both('connected');
      await fleet.hub.run(['systemctl', 'restart', 'reeved']);
      await fleet.waitCoordinator();
      await both('connected');
      await fleet.json(['user', 'add', 'again', '--on', 'guest=yes', '--yes']);
    });

    testRenewal(fleetOf, ['vm1', 'web1', 'web2']);

    test('a revoked guest is cut off within 15 s', async () => {
      const fleet = fleetOf();
      await fleet.json(['host', 'revoke', 'web2', '--yes']);
      await until(async () => (await fleet.host('web2').run(['ss', '-Htn', 'state', 'established', '( sport = :7420 )'])).trim() === '', { timeoutMs: 15_000, what: 'the connection to be gone' });
      await fleet.waitState('web1', 'connected');
    });
  },
});

import { expect, test } from 'vitest';
import { startOutward } from '../support/link-fleet.js';
import { until } from '../support/until.js';
import { testRenewal } from './renewal.js';
import { describeUsers } from './user-suite.js';

describeUsers({
  title: ' that only dial out',
  start: () => startOutward('out'),
  on: 'all',
  more: (fleetOf) => {
    const both = async (state: string): Promise<void> => {
      for (const name of ['web1', 'web2']) await fleetOf().waitState(name, state);
    };

    test('nobody gets in, and nothing listens', async () => {
      const fleet = fleetOf();
      expect((await fleet.hub.exec(['timeout', '4', 'bash', '-c', `exec 3<>/dev/tcp/${fleet.host('web1').address}/22`])).code).not.toBe(0);
      expect((await fleet.host('web1').run(['ss', '-Htln', '( sport = :7420 )'])).trim()).toBe('');
      expect((await fleet.host('web1').run(['ss', '-Htn', 'state', 'established', '( dport = :7421 )'])).trim()).not.toBe('');
    });

    test('hosts come back when their agent was killed, and when the coordinator was restarted', async () => {
      const fleet = fleetOf();
      const pid = (await fleet.host('web1').run(['systemctl', 'show', '--property=MainPID', '--value', 'reeve-agent'])).trim();
      await fleet.host('web1').run(['kill', '-9', pid]);
      await fleet.waitState('web1', 'lost');
      await both('connected');
      await fleet.hub.run(['systemctl', 'restart', 'reeved']);
      await fleet.waitCoordinator();
      await both('connected');
      await fleet.json(['user', 'add', 'again', '--on', 'all', '--yes']);
    });

    testRenewal(fleetOf, ['web1', 'web2']);

    test('a revoked host is cut off within 15 s', async () => {
      const fleet = fleetOf();
      await fleet.json(['host', 'revoke', 'web2', '--yes']);
      const started = performance.now();
      await until(async () => (await fleet.host('web2').run(['ss', '-Htn', 'state', 'established', '( dport = :7421 )'])).trim() === '', { timeoutMs: 15_000, what: 'the connection to be gone' });
      process.stdout.write(`revoked connection gone after ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
      await fleet.waitState('web1', 'connected');
    });
  },
});

import { forEachLimited } from '../../shared/kit/queue.js';
import { openBareGrpc } from '../support/bench-bare-client.js';
import type { BenchCoordinator } from '../support/bench-coordinator.js';
import { fanOut } from './no-op.js';
import { summarise, type Figure } from './report.js';
import { inTurns, timesOf } from './round.js';

/** Connections from nothing: TCP, TLS, and the first event of Watch; a starting coordinator dials its hosts so. */
export async function benchConnect(coordinator: BenchCoordinator, barePorts: readonly number[]): Promise<Figure[]> {
  const tls = coordinator.bareClient();
  const all = await inTurns(
    [
      {
        name: 'reeve',
        run: async () => {
          const { fleet } = await coordinator.connect();
          fleet.close();
        },
      },
      {
        name: 'bare grpc-js',
        run: async () => {
          const channels = barePorts.map((port) => () => openBareGrpc(port, tls));
          await forEachLimited(channels, fanOut, async (open) => {
            const channel = open();
            await channel.noOp();
            channel.close();
          });
        },
      },
    ],
    // Closing ends in the background on both sides.
    { warmUp: 1, rounds: 9, restMs: 1_500 },
  );
  const reeve = timesOf(all, 'reeve');
  const bare = timesOf(all, 'bare grpc-js');
  const count = barePorts.length;
  const cpu = (values: readonly number[]): number[] => values.map((ms) => ms / count);
  return [
    {
      id: `connect/${String(count)}`,
      title: `cold connect to ${String(count)} simulated agents`,
      unit: 'ms',
      values: reeve.ms,
      peers: [{ name: 'bare grpc-js and first call', values: bare.ms }],
      note: `${((count / summarise(reeve.ms).median) * 1000).toFixed(0)} connects/s`,
    },
    { id: `connect-cpu/${String(count)}`, title: '  CPU of the coordinator per connection', unit: 'ms', values: cpu(reeve.cpuMs), peers: [{ name: 'bare grpc-js and first call', values: cpu(bare.cpuMs) }] },
  ];
}

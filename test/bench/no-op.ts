import type { Fleet } from '../../coordinator/fleet/fleet.js';
import type { HostRow } from '../../coordinator/inventory/host.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { BareChannel } from '../support/bench-bare-client.js';
import { summarise, type Figure } from './report.js';
import { inTurns, timesOf } from './round.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** Hosts that are spoken to at a time, as the change engine does. */
export const fanOut = 64;

/** One call that changes nothing to every host, over connections that stand. */
export async function benchNoOp(fleet: Fleet, hosts: readonly HostRow[], bare: { grpc: readonly BareChannel[]; http2: readonly BareChannel[] }): Promise<Figure[]> {
  const all = await inTurns(
    [
      {
        name: 'reeve',
        run: () =>
          forEachLimited(hosts, fanOut, async (host) => {
            await fleet.call(host, statusService, 'GetStatus', {}, { deadlineMs: 10_000 });
          }),
      },
      { name: 'bare grpc-js', run: () => forEachLimited(bare.grpc, fanOut, (channel) => channel.noOp()) },
      { name: 'node:http2', run: () => forEachLimited(bare.http2, fanOut, (channel) => channel.noOp()) },
    ],
    // An agent takes 40 calls of GetStatus at once and 10 a second.
    { warmUp: 20, rounds: 100, paceMs: 110 },
  );
  const reeve = timesOf(all, 'reeve');
  const peers = ['bare grpc-js', 'node:http2'].map((name) => timesOf(all, name));
  const cpu = (timed: { readonly cpuMs: readonly number[] }): number[] => timed.cpuMs.map((ms) => (ms * 1000) / hosts.length);
  return [
    {
      id: `no-op/${String(hosts.length)}`,
      title: `warm no-op to ${String(hosts.length)} simulated agents`,
      unit: 'ms',
      values: reeve.ms,
      peers: peers.map(({ name, ms }) => ({ name, values: ms })),
      bar: { most: 1.3, peer: 'bare grpc-js' },
      note: `${(hosts.length / summarise(reeve.ms).median * 1000).toFixed(0)} calls/s`,
    },
    {
      id: `no-op-cpu/${String(hosts.length)}`,
      title: `  CPU of the coordinator per call`,
      unit: 'us',
      values: cpu(reeve),
      peers: peers.map((timed) => ({ name: timed.name, values: cpu(timed) })),
    },
  ];
}

import type { AddressInfo } from 'node:net';
import { listenForAgents } from '../../coordinator/agents.js';
import type { Fleet } from '../../coordinator/fleet/fleet.js';
import { noNotify } from '../../coordinator/notify/config.js';
import { createSend } from '../../coordinator/notify/send.js';
import { keepAlerts } from '../../coordinator/reconcile/alert.js';
import { keepBackups } from '../../coordinator/reconcile/backup-due.js';
import { createBackupEngine } from '../../coordinator/reconcile/backup-engine.js';
import { createChangeEngine } from '../../coordinator/reconcile/change.js';
import { keepCerts } from '../../coordinator/reconcile/cert-due.js';
import { keepExpiries } from '../../coordinator/reconcile/expiry.js';
import { keepHistory } from '../../coordinator/reconcile/history.js';
import { keepHolds } from '../../coordinator/reconcile/hold.js';
import { openBareGrpc } from '../support/bench-bare-client.js';
import type { BenchCoordinator } from '../support/bench-coordinator.js';
import type { BenchProcess } from '../support/bench-process.js';
import type { Figure } from './report.js';
import { inTurns, timesOf } from './round.js';

const rounds = { warmUp: 3, rounds: 20 };

/** Joining without a machine: key, proof of the coordinator, enrolment, identity on disk; the joining host is a process of its own. */
export async function benchEnrol(coordinator: BenchCoordinator, fleet: Fleet, joiner: BenchProcess, barePorts: readonly number[]): Promise<Figure[]> {
  const { world, perHost } = coordinator;
  const engine = createBackupEngine(world, fleet, () => undefined);
  const office = { ...world, fleet, changes: createChangeEngine(world, fleet, perHost), holds: keepHolds(world, () => undefined), expiries: keepExpiries(world, () => undefined), histories: keepHistory(world, fleet), certs: keepCerts(world, () => undefined), backups: { engine, keeper: keepBackups(world, fleet, engine) }, alerts: keepAlerts(world, fleet, { send: createSend(noNotify), link: undefined, onBug: () => undefined }), notify: noNotify, converge: () => undefined, operatorsOpen: false, metricsAt: '', renewCertificate: () => '', startedAtMs: world.clock.now() };
  const ports = await listenForAgents(office, {
    host: '127.0.0.1',
    agentsPort: 0,
    enrolmentPort: 0,
    enrolLimits: { perAddress: 1_000, total: 1_000 },
    onBug: (error) => {
      throw error;
    },
  });
  const { port } = ports.enrolment.address as AddressInfo;
  const inner: number[] = [];
  const tls = coordinator.bareClient();
  try {
    const all = await inTurns(
      [
        {
          name: 'reeve',
          run: async (round) => {
            const token = coordinator.invite(`joining${String(round)}`);
            const ms = await joiner.ask<number>({ token, pin: world.authority.pin, endpoints: [{ address: '127.0.0.1', port }] });
            if (round >= rounds.warmUp) inner.push(ms);
          },
        },
        {
          name: 'bare',
          run: async (round) => {
            // Joining makes two connections: one that only proves the coordinator, one that enrols.
            for (const bare of [barePorts[round % barePorts.length], barePorts[(round + 1) % barePorts.length]]) {
              const channel = openBareGrpc(bare ?? 0, tls);
              await channel.noOp();
              channel.close();
            }
          },
        },
      ],
      { ...rounds, restMs: 50 },
    );
    return [
      {
        id: 'join/simulated',
        title: 'join without a machine (key, two TLS connections, enrolment, identity fsynced)',
        unit: 'ms',
        values: inner,
        peers: [{ name: 'bare grpc-js, two cold connects', values: timesOf(all, 'bare').ms }],
      },
    ];
  } finally {
    await ports.close(0);
  }
}

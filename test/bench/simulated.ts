/** The coordinator's process of the benches with simulated agents. Takes one message, answers the figures. */
import { join } from 'node:path';
import { createBenchCoordinator } from '../support/bench-coordinator.js';
import { openBareGrpc, openBareHttp2, type BareChannel } from '../support/bench-bare-client.js';
import { answerParent, startProgram, type BenchProcess } from '../support/bench-process.js';
import { benchApply } from './apply.js';
import { benchConnect } from './connect.js';
import { benchEnrol } from './enrol.js';
import { benchNoOp } from './no-op.js';
import type { Figure } from './report.js';

/** What to run. */
export interface SimulatedRequest {
  /** Folder for databases, journals and keys. */
  readonly stateDir: string;
  readonly agents: number;
  /** Names of benches: no-op, apply, connect, enrol. */
  readonly benches: readonly string[];
}

async function run(request: SimulatedRequest): Promise<Figure[]> {
  const { stateDir, agents, benches } = request;
  const children: BenchProcess[] = [];
  const start = (...args: Parameters<typeof startProgram> extends [string, ...infer Rest] ? Rest : never): BenchProcess => {
    const child = startProgram(import.meta.dirname, ...args);
    children.push(child);
    return child;
  };
  const channels: BareChannel[] = [];
  const coordinator = createBenchCoordinator(stateDir);
  try {
    const identities = coordinator.addJoined(agents);
    const servers = coordinator.bareServers(agents);
    const tls = coordinator.bareClient();
    const ports = await start('test/support/bench-agents.ts', [join(stateDir, 'agents')]).ask<number[]>(identities);
    const grpcPorts = await start('test/support/bench-bare.ts', ['grpc', join(stateDir, 'bare')]).ask<number[]>(servers);
    const http2Ports = await start('test/support/bench-bare.ts', ['http2', join(stateDir, 'bare-http2')]).ask<number[]>(servers);
    const hosts = coordinator.place(identities, ports);

    const grpc = grpcPorts.map((port) => openBareGrpc(port, tls));
    const http2 = http2Ports.map((port) => openBareHttp2(port, tls));
    channels.push(...grpc, ...http2);
    const { fleet } = await coordinator.connect();
    await Promise.all(channels.map((channel) => channel.noOp()));

    const figures: Figure[] = [];
    if (benches.includes('no-op')) figures.push(...(await benchNoOp(fleet, hosts, { grpc, http2 })));
    if (benches.includes('apply')) figures.push(...(await benchApply(coordinator, fleet, hosts, grpc)));
    if (benches.includes('enrol')) figures.push(...(await benchEnrol(coordinator, fleet, start('test/support/bench-join.ts', [join(stateDir, 'joining')]), grpcPorts)));
    fleet.close();
    if (benches.includes('connect')) figures.push(...(await benchConnect(coordinator, grpcPorts)));
    return figures;
  } finally {
    for (const channel of channels) channel.close();
    await Promise.all(children.map((child) => child.close()));
    coordinator.close();
  }
}

answerParent<SimulatedRequest>(run);

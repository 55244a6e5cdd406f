/** A process of simulated agents that join a real coordinator, serve, and say what was done to their hosts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { joinFleet } from '../../agent/identity/enrol.js';
import { openIdentityStore } from '../../agent/identity/store.js';
import { createAgentServer } from '../../agent/server.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { answerRequests } from './process-message.js';
import { createSimulatedHost, type SimulatedHost } from './simulated-host.js';

/** One agent to run: it joins with the token when it has not joined yet. */
export interface AgentToRun {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly token: string;
}

/** What was done to one host. */
export interface HostRecord {
  readonly name: string;
  /** Verbs of the helper that changed something, oldest first, each with its account. */
  readonly changes: readonly string[];
  readonly users: readonly string[];
}

export type AgentsRequest = { readonly kind: 'run'; readonly agents: readonly AgentToRun[] } | { readonly kind: 'record' };

const [stateDir = '', helperMs = '0'] = process.argv.slice(2);
const hosts = new Map<string, SimulatedHost>();
const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });

async function run(agent: AgentToRun): Promise<void> {
  const folder = join(stateDir, agent.name);
  mkdirSync(folder, { recursive: true });
  const store = openIdentityStore(folder);
  const identity = store.load() ?? (await joinFleet({ store, machineHint: Buffer.alloc(32, 0xab), now: Date.now }, parseJoinToken(agent.token)));
  const host = createSimulatedHost({ hostname: agent.name, helperMs: Number(helperMs) });
  hosts.set(agent.name, host);
  await createAgentServer({
    host, identity, stateDir: folder, listen: { host: agent.address, port: agent.port }, log,
    onBug: (error) => {
      process.stderr.write(`${agent.name}: ${String(error)}\n`);
      process.exit(70);
    },
  });
}

answerRequests(async (request: AgentsRequest) => {
  if (request.kind === 'run') return forEachLimited(request.agents, 8, run);
  return [...hosts].map(([name, host]): HostRecord => ({
    name,
    changes: host.calls.filter((call) => /^(?:user|group)\./.test(call)),
    users: [...host.users.values()].map((user) => `${user.name}${user.locked ? ' locked' : ''}`).sort(),
  }));
});

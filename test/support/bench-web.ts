/** The coordinator's process of the bench of the status page: an inventory of many hosts, nearly all connected, and the operators' API on a socket. Answers the socket's path. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { createOperatorServer } from '../../coordinator/api/server.js';
import { createFleet } from '../../coordinator/fleet/fleet.js';
import type { Live } from '../../coordinator/fleet/live.js';
import { setFacts } from '../../coordinator/inventory/fact.js';
import { raiseGeneration } from '../../coordinator/inventory/generation.js';
import { setLabels, updateHost, getHost } from '../../coordinator/inventory/host.js';
import { addOperator } from '../../coordinator/inventory/operator.js';
import { writing } from '../../coordinator/inventory/write.js';
import type { Office } from '../../coordinator/office.js';
import { reeveError } from '../../shared/errors/error.js';
import type { ParsedFacts } from '../../shared/model/fact.js';
import { createBenchCoordinator } from './bench-coordinator.js';
import { answerParent } from './bench-process.js';
import { createSimulatedHost } from './simulated-host.js';

/** What the process is asked. */
export interface WebStart {
  readonly stateDir: string;
  readonly hosts: number;
}

answerParent(async ({ stateDir, hosts }: WebStart) => {
  mkdirSync(stateDir, { recursive: true });
  const { world, addHosts } = createBenchCoordinator(stateDir);
  const { db, clock } = world;
  const ids = addHosts(hosts);
  const now = clock.now();
  const told = await createSimulatedHost().readFacts();
  const facts = new Map(ids.map((id, index): [string, ParsedFacts] => [id, { facts: { ...told, load: [0, 0.01 * (index % 300), 0] }, lossy: false }]));
  setFacts(db, facts, now);
  writing(db, () => {
    for (const [index, id] of ids.entries()) {
      setLabels(db, id, [{ key: 'site', value: index % 2 === 0 ? 'ams' : 'fra' }, { key: 'role', value: `role${String(index % 20)}` }, { key: 'customer', value: `c${String(index % 500)}` }], []);
      const host = getHost(db, id);
      const parent = ids[index - (index % 20)];
      if (host !== undefined && parent !== undefined && parent !== id) updateHost(db, host, { parentId: parent });
      if (index % 100 === 1) raiseGeneration(db, { hostId: id, noun: 'user', now, released: false });
    }
    addOperator(db, { name: 'bench', role: 'viewer', scope: undefined, certificateTtlMs: 86_400_000, now });
  });
  // One in a hundred is lost.
  const lives = new Map(ids.map((id, index): [string, Live] => [id, {
    state: index % 100 === 0 ? 'lost' : 'connected', sinceMs: now, reason: index % 100 === 0 ? 'no answer' : '', lastSeenMs: now, clockOffsetMs: 3, status: undefined, facts: facts.get(id), certificateNotAfterMs: now + 6 * 86_400_000,
  }]));
  const fleet = createFleet(world);
  // Pages read: of the office they meet no more than this.
  const office = { ...world, startedAtMs: now, fleet: { ...fleet, live: (id: string) => lives.get(id) ?? fleet.live(id) } } as unknown as Office;
  const { server } = createOperatorServer(
    { stateDir, packageDir: stateDir, log: world.log, clock, office: () => office, init: () => Promise.reject(reeveError('ALREADY_INITIALISED', {})), onBug: (error) => { throw error; } },
    { overNetwork: false, authenticate: () => ({ name: 'web:bench', account: 'bench', role: 'viewer', scope: undefined, session: { hash: Buffer.alloc(32), endsAtMs: now + 3_600_000, formToken: 'bench' } }) },
  );
  const path = join(stateDir, 'api.sock');
  await new Promise<void>((resolve, reject) => server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))));
  return path;
});

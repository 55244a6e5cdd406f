import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { createFleet, type Fleet } from '../../coordinator/fleet/fleet.js';
import { openDatabase } from '../../coordinator/inventory/database.js';
import { addFleet } from '../../coordinator/inventory/fleet.js';
import { openHistory } from '../../coordinator/inventory/history.js';
import { addHost, getHost, setJoined, updateHost, type HostRow } from '../../coordinator/inventory/host.js';
import { addHostKey, promoteKey } from '../../coordinator/inventory/key.js';
import { addToken } from '../../coordinator/inventory/token.js';
import { writing } from '../../coordinator/inventory/write.js';
import { createAuthority } from '../../coordinator/pki/authority.js';
import { settleHost } from '../../coordinator/reconcile/settle.js';
import { createWaits } from '../../coordinator/reconcile/wait.js';
import type { World } from '../../coordinator/world.js';
import { systemClock } from '../../shared/kit/clock.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { createLog } from '../../shared/kit/log.js';
import { createKeyedQueue, type KeyedQueue } from '../../shared/kit/queue.js';
import { keyFingerprint, type TlsIdentity } from '../../shared/rpc/tls.js';

/** The coordinator's parts on a database of their own, in this process: what `reeved serve` builds, without its listeners. */
export interface BenchCoordinator {
  readonly world: World;
  readonly perHost: KeyedQueue;
  /** Makes hosts that have joined, and what their agents need to serve. */
  addJoined(count: number): AgentIdentity[];
  /** Makes hosts that have joined and have no agents; answers their ids. */
  addHosts(count: number): string[];
  /** Notes where the agents listen; answers the hosts. */
  place(identities: readonly AgentIdentity[], ports: readonly number[]): HostRow[];
  /** Invites a host that has not joined; answers its token's secret. */
  invite(name: string): Buffer;
  /** Certificates for servers that are not Reeve's, from the same authority. */
  bareServers(count: number): TlsIdentity[];
  /** What clients that are not Reeve's show to them. */
  bareClient(): TlsIdentity;
  /** Connects to all hosts; resolves when the last one is up. */
  connect(): Promise<{ fleet: Fleet; ms: number }>;
  close(): void;
}

/** Where nobody listens: a host whose agent has no port yet. */
const endpointUnknown = { address: '127.0.0.1', port: 1 };

/** A coordinator in `stateDir`. */
export function createBenchCoordinator(stateDir: string): BenchCoordinator {
  const clock = systemClock;
  const id = randomUUID();
  const nativeBinding = fileURLToPath(new URL('better_sqlite3.node', import.meta.url));
  const db = openDatabase(join(stateDir, 'reeve.db'), { nativeBinding });
  const authority = createAuthority(join(stateDir, 'pki'), id, clock.now());
  addFleet(db, { id, addresses: ['127.0.0.1'], agentsPort: 7421, enrolmentPort: 7422, operatorsPort: 7423, epoch: 1, createdAtMs: clock.now() });
  const log = createLog('reeved');
  const history = openHistory(join(stateDir, 'metrics.db'), { nativeBinding, log });
  const world: World = { db, history, authority, clock, log, linkDir: join(stateDir, 'link'), epoch: 1, ownAddresses: () => [], waits: createWaits() };
  const perHost = createKeyedQueue();

  const issue = (hostId: string): { key: string; certificate: string; publicKey: Buffer; notAfterMs: number } => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
    return { key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey, ...authority.issueHost({ hostId, publicKey, now: clock.now() }) };
  };
  const joined = (name: string): AgentIdentity => {
    const hostId = newId(clock.now());
    const { key, certificate, publicKey, notAfterMs } = issue(hostId);
    addHost(db, { id: hostId, name, endpoint: endpointUnknown, parentId: undefined, now: clock.now() });
    const row = { fingerprint: keyFingerprint(publicKey), hostId, publicKey, state: 'staged', notAfterMs, issuedAtMs: clock.now() } as const;
    addHostKey(db, row);
    promoteKey(db, row);
    setJoined(db, hostId, { now: clock.now(), from: undefined, agentVersion: 'bench', machineHint: undefined });
    return { fleetId: id, hostId, hostName: name, key, certificate, controlRoot: authority.controlRoot, agentsRoot: authority.agentsRoot, agentsApi: ['127.0.0.1:1'], enrolment: ['127.0.0.1:1'], link: 'direct' };
  };

  return {
    world,
    perHost,
    addJoined: (count) => writing(db, () => Array.from({ length: count }, (_, index) => joined(`sim${String(index)}`))),
    addHosts: (count) =>
      writing(db, () =>
        Array.from({ length: count }, (_none, index) => {
          const hostId = newId(clock.now());
          addHost(db, { id: hostId, name: `app${String(index)}.example.org`, endpoint: endpointUnknown, parentId: undefined, now: clock.now() });
          setJoined(db, hostId, { now: clock.now(), from: undefined, agentVersion: 'bench', machineHint: undefined });
          return hostId;
        }),
      ),
    place: (identities, ports) =>
      writing(db, () =>
        identities.map(({ hostId }, index) => {
          const host = existing(getHost(db, hostId));
          updateHost(db, host, { endpoint: { address: '127.0.0.1', port: ports[index] ?? 0 } });
          return existing(getHost(db, hostId));
        }),
      ),
    invite(name) {
      const hostId = newId(clock.now());
      const token = randomBytes(32);
      writing(db, () => {
        addHost(db, { id: hostId, name, endpoint: endpointUnknown, parentId: undefined, now: clock.now() });
        addToken(db, { hash: sha256(token), hostId, now: clock.now(), expiresAtMs: clock.now() + 3_600_000 });
      });
      return token;
    },
    bareServers: (count) =>
      Array.from({ length: count }, () => {
        const { key, certificate } = issue(newId(clock.now()));
        return { key, certificate, trust: authority.controlRoot };
      }),
    bareClient: () => authority.coordinator(),
    connect: () => connect(world, perHost),
    close: () => {
      db.close();
      history.close();
    },
  };
}

/** Dials every joined host as a starting coordinator does. */
async function connect(world: World, perHost: KeyedQueue): Promise<{ fleet: Fleet; ms: number }> {
  const wanted = Number(world.db.prepare(`SELECT count(*) FROM host WHERE state = 'joined' AND port <> 1`).pluck().get());
  const up = new Set<string>();
  const fleet = createFleet(world);
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    fleet.start((hostId) => {
      settleHost(world, fleet, perHost, hostId, new AbortController().signal).catch(reject);
      up.add(hostId);
      if (up.size === wanted) resolve();
    });
  });
  return { fleet, ms: performance.now() - startedAt };
}

function existing(host: HostRow | undefined): HostRow {
  if (host === undefined) throw new Error('a host of the bench is gone');
  return host;
}

import { createPrivateKey } from 'node:crypto';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import { getHost } from '../../coordinator/inventory/host.js';
import { reeveError } from '../../shared/errors/error.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { keyPem, newKey, publicPart, stolenRoots } from '../support/certificate-forge.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';
import { show, type Place } from '../support/wrong-certificate.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');
const identityService = serviceName<IdentityServiceDefinition>('reeve.coordinator.v1.IdentityService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const options = { deadlineMs: 5_000 };
const hour = 3_600_000;

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let clock: TurnedClock;
let agentClock: TurnedClock;

beforeEach(async () => {
  clock = createTurnedClock();
  agentClock = createTurnedClock();
  fleet = await startLoopbackFleet({ clock });
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ clock: agentClock }) });
});

afterEach(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

function channel(port: number, shown: { key: string; certificate: string }): Channel {
  return openChannel({
    target: `ipv4:127.0.0.1:${String(port)}`,
    credentials: credentials.createFromSecureContext(createSecureContext({ key: shown.key, cert: shown.certificate }), { rejectUnauthorized: false, checkServerIdentity: () => undefined }),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: 'peer', reason }),
  });
}

const asCoordinator = (): Place => {
  const roots = stolenRoots(fleet.stateDir);
  return { uri: formatIdentity({ kind: 'coordinator', fleetId: agent.identity.fleetId }), root: roots.control, otherRoot: roots.agents, does: 'client', key: newKey() };
};

/** How long a stream lives on, ms, and what ended it. */
async function ended(stream: AsyncGenerator): Promise<{ afterMs: number; error: unknown }> {
  const startedAt = performance.now();
  try {
    for (;;) if ((await stream.next()).done === true) return { afterMs: performance.now() - startedAt, error: undefined };
  } catch (error) {
    return { afterMs: performance.now() - startedAt, error };
  }
}

describe('an open connection', () => {
  it('does not outlive its certificate at an agent: calls are refused at once, a stream is closed within 15 s', async () => {
    const open = channel(agent.port, show(asCoordinator()));
    await open.unary(statusService, 'GetStatus', {}, options);
    const watch = open.stream(statusService, 'Watch', { epoch: 1, heartbeatInterval: { seconds: 2, nanos: 0 } }, {});
    await watch.next();
    agentClock.turn(2 * hour);
    await expect(open.unary(statusService, 'GetStatus', {}, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: 'it has expired' } });
    const { afterMs, error } = await ended(watch);
    expect(error).toMatchObject({ code: 'IDENTITY_REFUSED' });
    expect(afterMs).toBeLessThan(15_000);
    open.close();
  });

  it('does not outlive its certificate at the coordinator: calls are refused at once, and no agent is followed beyond its end', async () => {
    const open = channel(fleet.agentsPort, { key: agent.identity.key, certificate: agent.identity.certificate });
    const ask = (): Promise<unknown> => {
      const key = makeKey();
      const own = publicPart(createPrivateKey(agent.identity.key));
      return open.unary(identityService, 'Renew', { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-renew-v1', own, key.publicKey)) }, options);
    };
    await ask();
    const startedAt = performance.now();
    clock.turn(8 * 24 * hour);
    await expect(ask()).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await fleet.waitState(agent.hostId, 'lost', 15_000);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    open.close();
  });

  it('is closed within 15 s when its host is revoked, and its calls are refused at once', async () => {
    const open = channel(fleet.agentsPort, { key: agent.identity.key, certificate: agent.identity.certificate });
    const refuse = open.unary(identityService, 'Renew', { publicKey: Buffer.alloc(0), signature: Buffer.alloc(0) }, options);
    await expect(refuse).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    const startedAt = performance.now();
    await fleet.api.unary(hostService, 'RevokeHost', { host: 'web1' }, options);
    await expect(open.unary(identityService, 'Renew', { publicKey: Buffer.alloc(0), signature: Buffer.alloc(0) }, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED' });
    await fleet.waitState(agent.hostId, 'lost', 15_000);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    const { db, fleet: connections } = fleet.office();
    const revoked = getHost(db, agent.hostId);
    expect(revoked?.state).toBe('revoked');
    await expect(revoked !== undefined && connections.call(revoked, statusService, 'GetStatus', {}, options)).rejects.toThrow(/revoked/);
    open.close();
  });
});

describe('every listener', () => {
  const doors = (): { name: string; port: number; shown: { key: string; cert: string } | undefined }[] => {
    const good = show(asCoordinator());
    return [
      { name: 'agent', port: agent.port, shown: { key: good.key, cert: good.certificate } },
      { name: 'agents’ API', port: fleet.agentsPort, shown: { key: agent.identity.key, cert: agent.identity.certificate } },
      { name: 'enrolment', port: fleet.enrolmentPort, shown: undefined },
      { name: 'operators’ API', port: fleet.operatorsPort, shown: { key: good.key, cert: good.certificate } },
    ];
  };
  const open = (door: ReturnType<typeof doors>[number], more: object): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: door.port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...door.shown, ...more });
      socket.once('error', reject);
      // The first bytes of HTTP/2 from the server say that it takes the connection; without them TLS 1.3 clients do not know that they were refused.
      socket.once('data', () => resolve(socket));
      socket.once('close', () => reject(new Error('closed')));
      socket.once('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
    });

  it('speaks TLS 1.3 and h2, and nothing older', async () => {
    for (const door of doors()) {
      const good = await open(door, {});
      expect([good.getProtocol(), good.alpnProtocol], door.name).toEqual(['TLSv1.3', 'h2']);
      good.destroy();
      await expect(open(door, { maxVersion: 'TLSv1.2' }), `${door.name}: TLS 1.2`).rejects.toThrow(/alert protocol version|closed|ECONNRESET/);
    }
  });

  it('takes no other protocol inside TLS', async () => {
    for (const door of doors()) {
      for (const protocols of [['http/1.1'], ['http/1.0', 'spdy/3']]) {
        await expect(open(door, { ALPNProtocols: protocols }), `${door.name}: ${protocols.join(' ')}`).rejects.toThrow(/alert|closed|ECONNRESET/);
      }
    }
  });

  it('gives out no tickets and resumes no session', async () => {
    for (const door of doors()) {
      const sessions: Buffer[] = [];
      const first = await open(door, {});
      first.on('session', (session) => sessions.push(session));
      const saved = first.getSession();
      // The answer to a ping comes after everything that the server would have sent before it.
      const answered = new Promise((resolve) => first.once('data', resolve));
      first.write(Buffer.from('0000080600000000000102030405060708', 'hex'));
      await answered;
      expect(sessions, `${door.name}: no ticket`).toEqual([]);
      first.destroy();
      const second = await open(door, { session: saved });
      expect(second.isSessionReused(), `${door.name}: resumed`).toBe(false);
      second.destroy();
    }
  });
});

describe('a key', () => {
  it('that opens a connection is the one of the certificate, not merely a certificate that was seen', async () => {
    const place = asCoordinator();
    const good = show(place);
    expect(() => createSecureContext({ key: keyPem(newKey()), cert: good.certificate })).toThrow(/key values mismatch/);
    const open = channel(agent.port, good);
    await open.unary(statusService, 'GetStatus', {}, options);
    await until(() => agent.firstCalls() > 1, { timeoutMs: 30_000, what: 'the call to be counted' });
    open.close();
  });
});

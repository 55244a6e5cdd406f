import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders, type ClientHttp2Stream, type Settings } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeKey, proofBytes, signProof } from '../../shared/rpc/key.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import { reeveError } from '../../shared/errors/error.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { clientCredentials } from '../../shared/rpc/tls.js';
import { newKey, stolenRoots } from '../support/certificate-forge.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { remoteOperator } from '../support/operator-login.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';
import { show } from '../support/wrong-certificate.js';

const userService = serviceName<UserServiceDefinition>('reeve.agent.v1.UserService');
const enrolService = serviceName<EnrolServiceDefinition>('reeve.coordinator.v1.EnrolService');
const options = { deadlineMs: 5_000 };

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let shown: { key: string; certificate: string };
const opened: { destroy(): unknown }[] = [];

beforeEach(async () => {
  fleet = await startLoopbackFleet({ enrolLimits: { perAddress: 5, total: 60 } });
  agent = await fleet.addAgent('web1', { host: createSimulatedHost() });
  const roots = stolenRoots(fleet.stateDir);
  shown = show({ uri: formatIdentity({ kind: 'coordinator', fleetId: agent.identity.fleetId }), root: roots.control, otherRoot: roots.agents, does: 'client', key: newKey() });
});

afterEach(async () => {
  for (const one of opened.splice(0)) one.destroy();
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

/** A socket that says nothing, from an address of loopback. */
interface Idle { readonly socket: Socket; closedAfterMs: number | undefined }

function idle(port: number, from: string): Idle {
  const startedAt = performance.now();
  const made: Idle = { socket: connectTcp({ host: '127.0.0.1', port, localAddress: from }), closedAfterMs: undefined };
  made.socket.on('error', () => undefined);
  made.socket.on('close', () => void (made.closedAfterMs = performance.now() - startedAt));
  made.socket.resume();
  opened.push(made.socket);
  return made;
}

/** `count` addresses in a row, `each` sockets from every one. */
const crowd = (port: number, count: number, each: number): Idle[] => Array.from({ length: count * each }, (_, index) => idle(port, `127.0.0.${String(2 + (index % count))}`));
const stillOpen = (sockets: readonly Idle[]): number => sockets.filter((one) => one.closedAfterMs === undefined && one.socket.readyState === 'open').length;
const settled = (sockets: readonly Idle[]): Promise<unknown> => until(() => sockets.every((one) => one.closedAfterMs !== undefined || one.socket.readyState === 'open'), { timeoutMs: 4_000, everyMs: 20, what: 'the sockets to be open or closed' });

function asCoordinator(from?: string): Channel {
  const trust = agent.identity.agentsRoot;
  return openChannel({
    target: `ipv4:127.0.0.1:${String(agent.port)}`,
    credentials: clientCredentials({ ...shown, trust }, () => undefined),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: from ?? 'web1', reason }),
  });
}

describe('before anybody has said who they are', () => {
  it('256 sockets are open at most', async () => {
    const sockets = crowd(agent.port, 15, 20);
    await settled(sockets);
    // The coordinator’s own connection has one of the places.
    await until(() => stillOpen(sockets) <= 255, { timeoutMs: 3_000, everyMs: 20, what: 'those beyond the cap to be closed' });
    expect(stillOpen(sockets)).toBe(255);
  });

  it('20 sockets are open at most from one address', async () => {
    const sockets = [...crowd(agent.port, 1, 30), idle(agent.port, '127.0.0.99')];
    await settled(sockets);
    await until(() => stillOpen(sockets) <= 21, { timeoutMs: 3_000, everyMs: 20, what: 'those beyond the cap to be closed' });
    expect(stillOpen(sockets.slice(0, 30))).toBe(20);
    expect(stillOpen(sockets.slice(30))).toBe(1);
  });

  it('a handshake that does not go on is closed within 6 s at every door, and so is one that is dripped', async () => {
    const ports = [agent.port, fleet.agentsPort, fleet.enrolmentPort, fleet.operatorsPort];
    const silent = ports.map((port) => idle(port, '127.0.0.2'));
    const dripping = ports.map((port) => idle(port, '127.0.0.3'));
    const drip = setInterval(() => dripping.forEach(({ socket }) => socket.writable && socket.write(Buffer.from([0x16]))), 500);
    const all = [...silent, ...dripping];
    await until(() => all.every((one) => one.closedAfterMs !== undefined), { timeoutMs: 8_000, everyMs: 20, what: 'all to be closed' });
    clearInterval(drip);
    expect(Math.max(...all.map((one) => one.closedAfterMs ?? Infinity))).toBeLessThan(6_000);
  });

  it('a connection that stands but makes no call is closed after 10 s', async () => {
    const startedAt = performance.now();
    const afterMs = await new Promise<number>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: agent.port, key: shown.key, cert: shown.certificate, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
      opened.push(socket);
      socket.once('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
      socket.on('error', reject);
      socket.resume().once('close', () => resolve(performance.now() - startedAt));
    });
    expect(afterMs).toBeGreaterThan(8_000);
    expect(afterMs).toBeLessThan(12_000);
  });

  it('a flood of 500 idle sockets keeps nobody out: the connected coordinator goes on, and a new one comes in', async () => {
    const sockets = crowd(agent.port, 25, 20);
    await settled(sockets);
    const waits: number[] = [];
    const observe = async (): Promise<void> => {
      const startedAt = performance.now();
      const fresh = asCoordinator();
      await fresh.unary(userService, 'ObserveUser', {}, options);
      fresh.close();
      waits.push(performance.now() - startedAt);
    };
    for (let round = 0; round < 5; round += 1) {
      sockets.push(...crowd(agent.port, 25, 4));
      await observe();
    }
    // Some tens of milliseconds on a machine of its own; without room being made it is the 5 s of a handshake.
    expect(Math.max(...waits)).toBeLessThan(2_500);
    expect(stillOpen(sockets)).toBeGreaterThan(200);
    expect(fleet.office().fleet.live(agent.hostId).state).toBe('connected');
  });
});

describe('a caller that is known', () => {
  let session: ClientHttp2Session;
  let settings: Settings;

  beforeEach(async () => {
    session = connectHttp2(`https://127.0.0.1:${String(agent.port)}`, { key: shown.key, cert: shown.certificate, rejectUnauthorized: false });
    session.on('error', () => undefined);
    opened.push(session);
    settings = await new Promise<Settings>((resolve) => session.once('remoteSettings', resolve));
  });

  /** One call by hand: headers, a message with its flag, and what the trailers said. */
  function call(method: string, message: Buffer, more: { headers?: Record<string, string>; flag?: number } = {}): Promise<{ status: string; text: string }> {
    const frame = Buffer.alloc(5);
    frame.writeUInt8(more.flag ?? 0, 0);
    frame.writeUInt32BE(message.length, 1);
    return new Promise((resolve, reject) => {
      const stream: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': `/${method}`, 'content-type': 'application/grpc', te: 'trailers', ...more.headers });
      const answer = (headers: IncomingHttpHeaders): void => {
        if (headers['grpc-status'] !== undefined) resolve({ status: [headers['grpc-status']].join(), text: [headers['grpc-message'] ?? ''].join() });
      };
      stream.on('response', answer);
      stream.on('trailers', answer);
      stream.on('error', reject);
      stream.on('close', () => resolve({ status: 'closed', text: '' }));
      stream.resume();
      stream.end(Buffer.concat([frame, message]));
    });
  }

  it('is told at every door that it may have 64 streams', async () => {
    const operator = (await remoteOperator(fleet, 'ada', { role: 'viewer' })).profile();
    const doors = [
      { port: fleet.agentsPort, tls: { key: agent.identity.key, cert: agent.identity.certificate } },
      { port: fleet.enrolmentPort, tls: {} },
      { port: fleet.operatorsPort, tls: { key: operator.key, cert: operator.certificate } },
    ];
    const told = await Promise.all(
      doors.map(({ port, tls }) => {
        const other = connectHttp2(`https://127.0.0.1:${String(port)}`, { ...tls, rejectUnauthorized: false });
        opened.push(other);
        return new Promise<Settings>((resolve, reject) => other.on('error', reject).once('remoteSettings', resolve));
      }),
    );
    expect([settings, ...told].map((each) => each.maxConcurrentStreams)).toEqual([64, 64, 64, 64]);
  });

  it('goes on after ten thousand streams that it opened and reset', async () => {
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 200; round += 1) {
      const streams = Array.from({ length: 50 }, () => session.request({ ':method': 'POST', ':path': '/reeve.agent.v1.StatusService/GetStatus', 'content-type': 'application/grpc', te: 'trailers' }));
      await Promise.all(streams.map((stream) => new Promise((resolve) => {
        stream.on('error', () => undefined).on('close', resolve);
        stream.close(8);
      })));
      if (session.destroyed) break;
    }
    const fresh = asCoordinator();
    await fresh.unary(userService, 'ObserveUser', {}, options);
    fresh.close();
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
  });

  it('may send as much as the row of the method says and not one byte more', async () => {
    // Field 2047 of no message: unknown fields are allowed, so only the size is wrong.
    const padding = (bytes: number): Buffer => {
      const head = Buffer.from([0xfa, 0x7f]);
      const length: number[] = [];
      for (let left = bytes - head.length - 2; ; left >>= 7) {
        length.push((left & 0x7f) | (length.length === 0 ? 0x80 : 0));
        if (length.length === 2) break;
      }
      return Buffer.concat([head, Buffer.from(length), Buffer.alloc(bytes - head.length - length.length)]);
    };
    expect(padding(1024)).toHaveLength(1024);
    expect(await call('reeve.agent.v1.StatusService/GetStatus', padding(1024))).toMatchObject({ status: '0' });
    expect(await call('reeve.agent.v1.StatusService/GetStatus', padding(1025))).toEqual({ status: '8', text: 'LIMIT_EXCEEDED' });
    expect(await call('reeve.agent.v1.UserService/ApplyUser', Buffer.alloc(1024 * 1024 + 1))).toMatchObject({ status: '8' });
  });

  it('may send 8 KiB of metadata and not more', async () => {
    expect(await call('reeve.agent.v1.StatusService/GetStatus', Buffer.alloc(0), { headers: { 'x-padding': 'x'.repeat(7_900) } })).toMatchObject({ status: '0' });
    expect(await call('reeve.agent.v1.StatusService/GetStatus', Buffer.alloc(0), { headers: { 'x-padding': 'x'.repeat(8_192) } })).toEqual({ status: '8', text: 'LIMIT_EXCEEDED' });
    expect(await call('reeve.agent.v1.StatusService/GetStatus', Buffer.alloc(0)), 'and the connection goes on').toMatchObject({ status: '0' });
  });

  it.each(['gzip', 'deflate', 'br', 'IDENTITY'])('may not compress: %s', async (encoding) => {
    const bomb = gzipSync(Buffer.alloc(1000));
    expect(await call('reeve.agent.v1.StatusService/GetStatus', bomb, { headers: { 'grpc-encoding': encoding }, flag: 1 })).toMatchObject({ status: '12' });
    expect(await call('reeve.agent.v1.StatusService/GetStatus', Buffer.alloc(0))).toMatchObject({ status: '0' });
  });

  it('may not call more often than the row of the method says', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => call('reeve.agent.v1.FactService/GetFact', Buffer.alloc(0))));
    const refused = answers.filter((answer) => answer.text === 'RATE_LIMITED');
    // 10 at once and 2 a second; the time that 30 calls take lets in a few more.
    expect(refused.length).toBeGreaterThan(10);
    expect(answers.filter((answer) => answer.status === '0').length).toBeGreaterThanOrEqual(10);
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set(['0', '8']));
    expect(await call('reeve.agent.v1.StatusService/GetStatus', Buffer.alloc(0)), 'other methods go on').toMatchObject({ status: '0' });
  });
});

describe('a stranger at the enrolment port', () => {
  it('may ask five times a minute from one address', async () => {
    const key = makeKey();
    const token = Buffer.alloc(32, 1);
    const request = { publicKey: key.publicKey, signature: signProof(key.key, proofBytes('reeve-enrol-v1', token, key.publicKey)), token };
    const channel = openChannel({
      target: `ipv4:127.0.0.1:${String(fleet.enrolmentPort)}`,
      credentials: clientCredentials({ key: '', certificate: '', trust: agent.identity.controlRoot }, () => undefined),
      unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: 'it', reason }),
    });
    const codes: string[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await channel.unary(enrolService, 'Enrol', request, options).catch((error: unknown) => codes.push((error as { code: string }).code));
    }
    channel.close();
    // One of the five was the join of the agent.
    expect(codes).toEqual([...Array.from({ length: 4 }, () => 'JOIN_REFUSED'), ...Array.from({ length: 4 }, () => 'RATE_LIMITED')]);
  });
});

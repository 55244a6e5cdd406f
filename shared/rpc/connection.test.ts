import { mkdtempSync, rmSync } from 'node:fs';
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reeveError } from '../errors/error.js';
import type { FactServiceDefinition } from '../gen/proto/reeve/agent/v1/FactService.js';
import { systemClock } from '../kit/clock.js';
import { openChannel, serviceName } from './client.js';
import { listen, type Listener } from './listener.js';
import { createRpcServer, defineService, networkConnections, type Caller, type ConnectionBounds } from './server.js';

const facts = serviceName<FactServiceDefinition>('reeve.agent.v1.FactService');
let folder: string;
let path: string;
let listener: Listener | undefined;
let answer: () => Promise<object>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-rpc-'));
  path = join(folder, 'socket');
});

afterEach(async () => {
  await listener?.close(0);
  rmSync(folder, { recursive: true, force: true });
});

async function serve(connections: ConnectionBounds): Promise<void> {
  const row = { roles: ['anybody'], risk: 'read', rate: { perSecond: 100, burst: 100 }, maxBytes: 1024, deadlineMs: 20_000 } as const;
  const server = createRpcServer<Caller>({
    services: [defineService<FactServiceDefinition, Caller>('reeve.agent.v1.FactService', { GetFact: { ...row, handle: () => answer() } })],
    log: pino({ level: 'silent' }), clock: systemClock, connections,
    authenticate: (call) => {
      listener?.authenticated(call.getPeer());
      return { name: 'test', role: 'anybody' };
    },
  });
  listener = await listen({ server, credentials: ServerCredentials.createInsecure(), listen: { path } });
}

function session(): { ended: Promise<number>; session: ClientHttp2Session } {
  const opened = connect('http://reeve', { createConnection: () => connectSocket(path) });
  return { session: opened, ended: new Promise((resolve) => opened.once('goaway', resolve)) };
}

test('a connection without calls is closed when it was idle for long enough', async () => {
  await serve({ maxAgeMs: 3_600_000, maxIdleMs: 300 });
  const { ended } = session();
  expect(await ended).toBe(constants.NGHTTP2_NO_ERROR);
});

test('an old connection takes no new call, and what runs on it ends as it would', async () => {
  await serve({ maxAgeMs: 300, maxIdleMs: 3_600_000 });
  const { ended } = session();
  // A call that lasts until a connection made after it was told to go.
  answer = async () => {
    await ended;
    return {};
  };
  const channel = openChannel({ target: `unix:${path}`, credentials: credentials.createInsecure(), unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: 'test', reason }) });
  await channel.unary(facts, 'GetFact', {}, { deadlineMs: 10_000 });
  answer = () => Promise.resolve({});
  await channel.unary(facts, 'GetFact', {}, { deadlineMs: 10_000 });
  channel.close();
});

test('the bounds of network listeners are an hour and a quarter of one', () => {
  expect(networkConnections).toEqual({ maxAgeMs: 3_600_000, maxIdleMs: 900_000 });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compressionAlgorithms, credentials, ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reeveError } from '../errors/error.js';
import type { FactServiceDefinition } from '../gen/proto/reeve/agent/v1/FactService.js';
import { systemClock } from '../kit/clock.js';
import { openChannel, serviceName, type Channel } from './client.js';
import { listen, type Listener } from './listener.js';
import { createRpcServer, defineService, type Caller } from './server.js';

const facts = serviceName<FactServiceDefinition>('reeve.agent.v1.FactService');
let folder: string;
let listener: Listener;
let handled: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-rpc-'));
  handled = 0;
  const server = createRpcServer<Caller>({
    services: [
      defineService<FactServiceDefinition, Caller>('reeve.agent.v1.FactService', {
        GetFact: {
          roles: ['anybody'], risk: 'read', rate: { perSecond: 100, burst: 100 }, maxBytes: 1024, deadlineMs: 5_000,
          handle: () => {
            handled += 1;
            return Promise.resolve({});
          },
        },
      }),
    ],
    log: pino({ level: 'silent' }),
    clock: systemClock,
    authenticate: () => ({ name: 'test', role: 'anybody' }),
  });
  listener = await listen({ server, credentials: ServerCredentials.createInsecure(), listen: { path: join(folder, 'socket') } });
});

afterEach(async () => {
  await listener.close(0);
  rmSync(folder, { recursive: true, force: true });
});

function open(algorithm: compressionAlgorithms): Channel {
  return openChannel({
    target: `unix:${join(folder, 'socket')}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: 'test', reason }),
    options: { 'grpc.default_compression_algorithm': algorithm },
  });
}

test('a call that does not compress is answered', async () => {
  const channel = open(compressionAlgorithms.identity);
  await channel.unary(facts, 'GetFact', {}, { deadlineMs: 5_000 });
  expect(handled).toBe(1);
  channel.close();
});

test.each(['gzip', 'deflate'] as const)('a call that compresses with %s is refused before anything is unfolded', async (name) => {
  const channel = open(compressionAlgorithms[name]);
  await expect(channel.unary(facts, 'GetFact', {}, { deadlineMs: 5_000 })).rejects.toMatchObject({ code: 'VERSION_UNSUPPORTED' });
  expect(handled).toBe(0);
  channel.close();
});

/** What stands before a container that sleeps waits until it takes connections. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { binary, compile } from './testing/host.js';

const servers: Server[] = [];
beforeAll(() => { compile(); }, 120_000);
afterEach(() => { for (const server of servers.splice(0)) server.close(); });

async function wait(...args: string[]): Promise<{ readonly exit: unknown; readonly error: string; readonly ms: number }> {
  const began = performance.now();
  const child = spawn(binary, ['wait', ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
  let error = '';
  child.stderr.on('data', (chunk: Buffer) => { error += chunk.toString(); });
  const [exit] = await once(child, 'close') as [unknown];
  return { exit, error, ms: performance.now() - began };
}

async function listen(host: string, port = 0): Promise<number> {
  const server = createServer();
  servers.push(server);
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test.each(['127.0.0.1', '::1'])('one that listens at %s is there at once', async (host) => {
  expect(await wait(host, String(await listen(host)), '5')).toMatchObject({ exit: 0, error: '' });
});

test('one that begins to listen later is waited for', async () => {
  const port = await listen('127.0.0.1');
  servers.pop()?.close();
  const waiting = wait('127.0.0.1', String(port), '20');
  const busy = spawn(binary, ['wait', '127.0.0.1', String(port), '1'], { stdio: 'ignore' });
  await once(busy, 'close');
  await listen('127.0.0.1', port);
  expect(await waiting).toMatchObject({ exit: 0 });
});

test('one that never does: the time is over, and says so', async () => {
  const port = await listen('127.0.0.1');
  servers.pop()?.close();
  const { exit, error, ms } = await wait('127.0.0.1', String(port), '1');
  expect([exit, error]).toEqual([1, `nothing took connections at 127.0.0.1 port ${String(port)} within 1 s\n`]);
  expect(ms).toBeGreaterThan(950);
});

test.each([['localhost', '80', '1'], ['127.1', '80', '1'], ['127.0.0.1', '0', '1'], ['127.0.0.1', '65536', '1'], ['127.0.0.1', '80', '-1'], ['127.0.0.1', '80', '3601'], ['127.0.0.1', '80'], ['[::1]', '80', '1']])('%s %s %s is refused', async (...args) => {
  expect(await wait(...args)).toMatchObject({ exit: 2, error: 'usage: reeve-container wait ADDRESS PORT SECONDS\n' });
});

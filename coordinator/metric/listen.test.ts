import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { sha256 } from '../../shared/kit/digest.js';
import { createLog } from '../../shared/kit/log.js';
import { systemClock } from '../../shared/kit/clock.js';
import { formatMetricToken } from '../../shared/model/metric-token.js';
import { makeTestAuthority, type TestPair } from '../../test/support/test-cert.js';
import { createFleet } from '../fleet/fleet.js';
import { openDatabase } from '../inventory/database.js';
import { openHistory } from '../inventory/history.js';
import { setMetricToken } from '../inventory/metric.js';
import { createAuthority } from '../pki/authority.js';
import { createWaits } from '../reconcile/wait.js';
import { listenForMetrics, type MetricPort } from './listen.js';
import type { MetricListen } from './config.js';

const folder = mkdtempSync(join(tmpdir(), 'reeve-metrics-'));
const secret = Buffer.alloc(32, 7);
const authorization = `Bearer ${formatMetricToken(secret)}`;
const issuer = makeTestAuthority();
const makePair = (name: string): TestPair => issuer.issue([name]);
let open: MetricPort | undefined;

afterEach(async () => {
  await open?.close();
  open = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function listen(options: MetricListen): Promise<MetricPort> {
  const db = openDatabase(':memory:');
  const log = createLog('test', 'silent');
  const authority = createAuthority(mkdtempSync(join(folder, 'pki-')), '3f0c1a52-7d0e-4b55-9a3c-5a8a3f2c9d10', Date.now());
  const world = { db, history: openHistory(':memory:', { log }), authority, clock: systemClock, log, linkDir: folder, epoch: 1, ownAddresses: () => [], waits: createWaits() };
  setMetricToken(db, { hash: sha256(secret), now: 1 });
  open = await listenForMetrics({ ...world, fleet: createFleet(world), startedAtMs: Date.now() }, options, (error) => {
    throw error;
  });
  return open;
}

const read = (request: typeof httpRequest, options: object): Promise<string> =>
  new Promise((resolve, reject) => {
    request({ path: '/metrics', headers: { authorization }, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(`${String(response.statusCode)} ${text}`));
    }).on('error', reject).end();
  });

test('an empty fleet is told over a unix socket, also where a killed coordinator left one', async () => {
  const path = join(folder, 'metrics.sock');
  await listen({ at: { kind: 'unix', path }, tls: undefined });
  expect(await read(httpRequest, { socketPath: path })).toMatch(/^200 .*\nreeve_hosts\{state="connected"\} 0\n/s);
  expect(statSync(path).mode & 0o777).toBe(0o666);
  await open?.close();
  const dead = createServer().listen(join(folder, 'dead.sock'));
  await once(dead, 'listening');
  const left = join(folder, 'left.sock');
  renameSync(join(folder, 'dead.sock'), left);
  dead.close();
  await listen({ at: { kind: 'unix', path: left }, tls: undefined });
  expect(await read(httpRequest, { socketPath: left })).toMatch(/^200 /);
});

test('other addresses are served over TLS', async () => {
  const pair = makePair('metrics.example.org');
  const tls = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(tls.certificate, `${pair.cert}${issuer.intermediate}`);
  writeFileSync(tls.key, pair.key);
  const { port } = await listen({ at: { kind: 'port', address: '127.0.0.1', port: 0 }, tls });
  expect(await read(httpsRequest, { host: '127.0.0.1', port, ca: issuer.root, servername: 'metrics.example.org' })).toMatch(/^200 /);
  await expect(read(httpsRequest, { host: '127.0.0.1', port, ca: makeTestAuthority().root, servername: 'metrics.example.org' })).rejects.toThrow();
  await expect(read(httpRequest, { host: '127.0.0.1', port })).rejects.toThrow();
});

test.each<[string, (tls: { certificate: string; key: string }) => void, RegExp]>([
  ['is not there', (tls) => rmSync(tls.certificate), /metrics-certificate.*ENOENT/],
  ['is none', (tls) => writeFileSync(tls.certificate, 'x'), /metrics-certificate/],
  ['has another key', (tls) => writeFileSync(tls.key, makePair('b.example.org').key), /metrics-certificate.*is the key of/],
])('a certificate that %s is refused in one sentence', async (_name, spoil, message) => {
  const pair = makePair('a.example.org');
  const tls = { certificate: join(folder, 'bad.pem'), key: join(folder, 'bad.key') };
  writeFileSync(tls.certificate, pair.cert);
  writeFileSync(tls.key, pair.key);
  spoil(tls);
  await expect(listen({ at: { kind: 'port', address: '127.0.0.1', port: 0 }, tls })).rejects.toThrow(message);
});

test('an address that is taken is refused in one sentence', async () => {
  const { port } = await listen({ at: { kind: 'port', address: '127.0.0.1', port: 0 }, tls: undefined });
  const before = open;
  await expect(listen({ at: { kind: 'port', address: '127.0.0.1', port }, tls: undefined })).rejects.toThrow(/metrics-bind "http:.*EADDRINUSE/);
  open = before;
});

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel, type Channel } from '../../shared/rpc/client.js';
import { makeTestAuthority, type TestPair } from '../../test/support/test-cert.js';
import { parseWebConfig } from './config.js';
import { serveWeb, type Web } from './server.js';

let folder: string;
let api: Channel;
let web: Web | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-web-'));
  api = openChannel({ target: 'unix:/nonexistent', credentials: credentials.createInsecure(), unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: '', reason }) });
});
afterEach(async () => {
  await web?.close();
  web = undefined;
  api.close();
  rmSync(folder, { recursive: true });
});

const serve = async (config: string, certificateEveryMs?: number): Promise<Web> => {
  web = await serveWeb({ config: parseWebConfig(config), api, pages: [], log: pino({ level: 'silent' }), now: () => Date.now(), monotonic: () => performance.now(), ...(certificateEveryMs === undefined ? {} : { certificateEveryMs }) });
  return web;
};

/** Answers the status, the header of strict transport, and the serial number of the certificate. */
function askTls(port: number, ca: string): Promise<{ status: number; hsts: string; serial: string }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: '127.0.0.1', port, path: '/login', ca, servername: 'localhost', agent: false, headers: { Host: `localhost:${String(port)}` } }, (response) => {
      const { serialNumber } = (response.socket as unknown as TLSSocket).getPeerCertificate();
      response.resume().once('end', () => resolve({ status: response.statusCode ?? 0, hsts: response.headers['strict-transport-security'] ?? '', serial: serialNumber }));
    });
    request.once('error', reject);
    request.end();
  });
}

it('has TLS of its own, tells browsers to insist on it, and takes a renewed certificate by itself', async () => {
  const authority = makeTestAuthority();
  const [certificate, key] = [join(folder, 'web.crt'), join(folder, 'web.key')];
  const put = (pair: TestPair): void => {
    for (const [file, text] of [[key, pair.key], [certificate, pair.cert]] as const) {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    }
  };
  // The authority below the root stands in the file, too.
  const issue = (): TestPair => {
    const pair = authority.issue(['localhost']);
    return { ...pair, cert: `${pair.cert}${authority.intermediate}` };
  };
  put(issue());
  const { port } = await serve(`listen 127.0.0.1:0\ncertificate ${certificate}\nkey ${key}`, 20);
  const first = await askTls(port, authority.root);
  expect([first.status, first.hsts]).toEqual([200, 'max-age=31536000']);
  put(issue());
  let next = await askTls(port, authority.root);
  for (const endsAt = Date.now() + 10_000; next.serial === first.serial && Date.now() < endsAt; ) next = await askTls(port, authority.root);
  expect(next.serial).not.toBe(first.serial);
  // One that cannot be used leaves the one before.
  put({ cert: 'nothing', key: 'nothing' });
  expect((await askTls(port, authority.root)).serial).toBe(next.serial);
});

it('listens on a unix socket, where the proxy says who asks', async () => {
  const socketPath = join(folder, 'web.sock');
  await serve(`unix ${socketPath}\nname status.example.org`);
  const status = await new Promise<number>((resolve, reject) => {
    const request = httpRequest({ socketPath, path: '/login', headers: { Host: 'status.example.org', 'X-Forwarded-For': '192.0.2.1' } }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('error', reject);
    request.end();
  });
  expect(status).toBe(200);
});

it('does not wait longer than some seconds for the rest of a request', { timeout: 30_000 }, async () => {
  const { port } = await serve('listen 127.0.0.1:0');
  const startedAt = performance.now();
  const said = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /login HTTP/1.1\r\nHost: '));
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).once('close', () => resolve(text));
  });
  expect(said).toMatch(/^HTTP\/1\.1 408 /);
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});

it('does not start where somebody else listens', async () => {
  const { port } = await serve('listen 127.0.0.1:0');
  await expect(serveWeb({ config: parseWebConfig(`listen 127.0.0.1:${String(port)}`), api, pages: [], log: pino({ level: 'silent' }), now: () => 0, monotonic: () => 0 })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

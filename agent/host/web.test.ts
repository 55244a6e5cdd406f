import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { makeSelfSigned } from '../cert/self-signed.js';
import { askSite, freePorts, type SiteAsk } from './web.js';

const closing: Server[] = [];
afterEach(() => {
  for (const server of closing.splice(0)) server.close();
});

async function serve(listener: RequestListener, over: { tls?: boolean; host?: string } = {}): Promise<number> {
  const { certPem, keyPem } = makeSelfSigned({ names: ['a.example.org'], days: 1, now: Date.now() });
  const server = over.tls === true ? createHttpsServer({ cert: certPem, key: keyPem }, listener) : createHttpServer(listener);
  closing.push(server);
  await new Promise<void>((resolve) => server.listen(0, over.host ?? '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const ask = (port: number, over: Partial<SiteAsk> = {}): ReturnType<typeof askSite> => askSite({ address: '127.0.0.1', port, tls: false, name: 'a.example.org', path: '/x', timeoutMs: 2000, bodyBytes: 100, ...over });

it('asks by the name in the Host header, from the loopback address', async () => {
  const port = await serve((request, response) => {
    response.setHeader('location', '/there');
    response.writeHead(302, { 'content-type': 'text/plain' }).end([request.method, request.url, request.headers.host, request.socket.remoteAddress, request.headers.connection].join(' '));
  });
  expect(await ask(port)).toEqual({ kind: 'answer', status: 302, location: '/there', contentType: 'text/plain', body: `GET /x a.example.org:${String(port)} 127.0.0.1 close`, cut: false });
});

it('asks by SNI, too, and takes any certificate', async () => {
  const port = await serve((request, response) => response.end((request.socket as unknown as { servername: string }).servername), { tls: true });
  expect(await ask(port, { tls: true })).toMatchObject({ status: 200, body: 'a.example.org' });
});

it('asks over IPv6 where there is any', async () => {
  const port = await serve((request, response) => response.end(request.socket.remoteAddress), { host: '::1' });
  expect(await ask(port, { address: '::1' })).toMatchObject({ status: 200, body: '::1' });
});

it('reads as much as it is told, and does not wait for a body that it does not want', async () => {
  const endless = await serve((_request, response) => {
    response.writeHead(200);
    response.write('x'.repeat(1000));
  });
  expect(await ask(endless, { bodyBytes: 10 })).toMatchObject({ body: 'x'.repeat(10), cut: true });
  expect(await ask(endless, { bodyBytes: 0 })).toMatchObject({ status: 200, body: '', cut: true });
});

it('says why there is no answer', async () => {
  const port = await serve(() => undefined);
  expect(await ask(port, { timeoutMs: 100 })).toEqual({ kind: 'none', reason: 'no answer in 100 ms', unavailable: false });
  const stalls = await serve((_request, response) => response.writeHead(200).write('x'));
  expect(await ask(stalls, { timeoutMs: 200 })).toMatchObject({ kind: 'none', reason: 'no answer in 200 ms' });
  const resets = await serve((request) => request.socket.destroy());
  expect(await ask(resets)).toMatchObject({ kind: 'none', unavailable: false });
  expect(await ask(1)).toEqual({ kind: 'none', reason: 'ECONNREFUSED', unavailable: false });
  expect(await ask(port, { tls: true })).toMatchObject({ kind: 'none', unavailable: false });
});

it('finds ports that are free, each another', async () => {
  const ports = await freePorts(5);
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) expect(await ask(port)).toMatchObject({ reason: 'ECONNREFUSED' });
});

/**
 * What is behind a web front in tests: tells what it was asked, as JSON. usage: web-backend PORT|SOCKET[:tls]... NAME
 * GET /slow?MS answers after that time, /break breaks off, /big sends 1 MiB, /stream two pieces a second apart; an upgrade echoes one websocket frame.
 */
import { createHash } from 'node:crypto';
import { rmSync, chmodSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';

const [name = '', ...places] = process.argv.slice(2);

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url = '', method, headers, httpVersion } = request;
  const slow = /\/slow\?([0-9]+)$/.exec(url);
  if (url.endsWith('/break')) return void request.socket.destroy();
  if (url.endsWith('/big')) return void response.end(Buffer.alloc(1 << 20, 'x'));
  if (url.endsWith('/stream')) {
    response.write('first\n');
    return void setTimeout(() => response.end('second\n'), 1000);
  }
  let received = 0;
  request.on('data', (part: Buffer) => (received += part.length));
  request.on('end', () => {
    const text = JSON.stringify({ name, url, method, headers, httpVersion, received });
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json', 'x-backend': name }).end(text), Number(slow?.[1] ?? 0));
  });
}

/** Accepts a websocket and echoes the first frame, unmasked (RFC 6455). */
function upgrade(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.on('error', () => socket.destroy());
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.once('data', (bytes: Buffer) => {
    const length = (bytes[1] ?? 0) & 0x7f;
    const mask = bytes.subarray(2, 6);
    const text = Buffer.from(bytes.subarray(6, 6 + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
  });
}

for (const place of places) {
  const [where = '', tls] = place.split(/:(?=tls=)/);
  const [cert = '', key = ''] = (tls ?? '').replace(/^tls=/, '').split(',');
  const server = tls === undefined ? createServer(answer) : createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
  server.on('upgrade', upgrade);
  if (where.startsWith('/')) {
    rmSync(where, { force: true });
    server.listen(where, () => chmodSync(where, 0o666));
  } else server.listen(Number(where), '0.0.0.0');
}
process.stdout.write('ready\n');

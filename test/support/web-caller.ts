/** A client of web sites in the lab's network: takes WebOrder lines on standard input, prints WebReply lines. */
import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage, type ClientRequest } from 'node:http';
import { Agent as TlsAgent, request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import type { TLSSocket } from 'node:tls';
import type { WebAnswer, WebAsk, WebOrder, WebPoll, WebPolled, WebReply } from './web-message.js';

const TIMEOUT_MS = 15_000;

function open(ask: WebAsk, agent?: Agent | TlsAgent): ClientRequest {
  const upgrade = ask.websocket === undefined ? {} : { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': randomBytes(16).toString('base64') };
  const options = {
    host: ask.address, port: ask.port, method: ask.method ?? 'GET', path: ask.path, agent: agent ?? false, timeout: TIMEOUT_MS,
    headers: { Host: ask.host, ...(agent === undefined && ask.websocket === undefined ? { Connection: 'close' } : {}), ...upgrade, ...ask.headers },
  };
  if (ask.tls === undefined) return httpRequest(options);
  const { name, cert, key } = ask.tls;
  return httpsRequest({ ...options, servername: name, rejectUnauthorized: false, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) });
}

function headersOf(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]));
}

function certificateOf(message: IncomingMessage): Pick<WebAnswer, 'certificate'> {
  const shown = (message.socket as Partial<TLSSocket>).getPeerX509Certificate?.();
  return shown === undefined ? {} : { certificate: { names: shown.subjectAltName ?? '', fingerprint: shown.fingerprint256 } };
}

/** One text frame as a client sends it (RFC 6455 5.2). */
function frameOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  const mask = randomBytes(4);
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length]), mask, bytes.map((byte, at) => byte ^ (mask[at % 4] ?? 0))]);
}

async function answerOf(ask: WebAsk, agent?: Agent | TlsAgent): Promise<WebAnswer & { reused: boolean }> {
  return new Promise((resolve) => {
    const request = open(ask, agent);
    const fail = (error: Error): void => resolve({ status: 0, headers: {}, body: '', error: error.message, reused: request.reusedSocket });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', fail);
    request.on('upgrade', (message, socket) => {
      socket.once('data', (bytes: Buffer) => {
        resolve({ status: message.statusCode ?? 0, headers: headersOf(message), body: '', error: '', reused: false, frame: bytes.subarray(2).toString() });
        socket.destroy();
      });
      socket.on('error', fail);
      socket.write(frameOf(ask.websocket ?? ''));
    });
    request.on('response', (message) => {
      const parts: Buffer[] = [];
      const certificate = certificateOf(message);
      message.on('data', (part: Buffer) => parts.push(part));
      message.on('error', fail);
      message.on('end', () => resolve({ status: message.statusCode ?? 0, headers: headersOf(message), body: Buffer.concat(parts).toString(), error: '', reused: request.reusedSocket, ...certificate }));
    });
    request.end(ask.body);
  });
}

/** Polls until `going` says no. A request that failed on a connection that was idle before is repeated once on a new one, as browsers do. */
async function poll(order: WebPoll, going: () => boolean): Promise<WebPolled> {
  const failed: { host: string; atMs: number; kept: boolean; why: string }[] = [];
  const clients = order.fresh + order.kept;
  let requests = 0;
  let repeated = 0;
  let next = 0;
  const work = async (kept: boolean): Promise<void> => {
    const agents = kept ? { plain: new Agent({ keepAlive: true, maxSockets: 1 }), tls: new TlsAgent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 }) } : undefined;
    while (going()) {
      const site = order.sites[next++ % order.sites.length];
      if (site === undefined) return;
      const ask: WebAsk = { address: site.address, port: site.port, host: site.host, path: '/', ...(site.tls ? { tls: { name: site.host } } : {}) };
      const agent = agents === undefined ? undefined : site.tls ? agents.tls : agents.plain;
      const began = performance.now();
      let answer = await answerOf(ask, agent);
      if (answer.status === 0 && answer.reused) {
        repeated += 1;
        answer = await answerOf(ask, agent);
      }
      requests += 1;
      if (answer.status !== 200 || answer.body !== site.body) failed.push({ host: site.host, atMs: Date.now(), kept, why: answer.error === '' ? `${String(answer.status)} ${answer.body.slice(0, 80)}` : answer.error });
      const restMs = (clients * 1000) / order.perSecond - (performance.now() - began);
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    agents?.plain.destroy();
    agents?.tls.destroy();
  };
  await Promise.all([...Array<boolean>(order.fresh).fill(false), ...Array<boolean>(order.kept).fill(true)].map(work));
  return { requests, repeated, failed: failed.slice(0, 1000) };
}

const say = (reply: WebReply): void => void process.stdout.write(`${JSON.stringify(reply)}\n`);
let polling = false;

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line) as WebOrder;
  if ('stop' in order) polling = false;
  else if ('poll' in order) {
    polling = true;
    void poll(order.poll, () => polling).then((polled) => say({ id: order.id, polled }));
  } else void answerOf(order.ask).then(({ reused: _reused, ...answer }) => say({ id: order.id, answer }));
});

import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { reeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { version } from '../../shared/kit/version.js';
import { parseMetricToken } from '../../shared/model/metric-token.js';
import { keepCertificate } from '../../shared/rpc/certificate-file.js';
import { createRateLimiter } from '../../shared/rpc/rate.js';
import { metricTokenHash } from '../inventory/metric.js';
import { formatMetricListen, type MetricListen } from './config.js';
import { collectMetrics, createOperationCounter, type Measured } from './fleet.js';
import { createProcessMetrics } from './process.js';
import { contentTypes, type TextFormat } from './text.js';

/** The metrics listener. */
export interface MetricPort {
  /** Port that it listens on; 0: a unix socket. */
  readonly port: number;
  close(): Promise<void>;
}

/** Longest times, ms: until the headers of a request are there, of a whole request, of a connection between two scrapes, and between two looks for such that are over it. */
const times = { headersMs: 10_000, requestMs: 15_000, keepAliveMs: 75_000, handshakeMs: 10_000, checkMs: 1_000 } as const;

const mostSockets = 64;
const mostHeaderBytes = 8_192;

/** Scrapes with the token; and what one address may ask without it until it only hears that it is too much. */
const rates = { scrape: { perSecond: 2, burst: 10 }, wrong: { perSecond: 1, burst: 10 } } as const;

/** Two monitoring systems that scrape one after the other get the same figures, ms. */
const freshMs = 2_000;

/** The same time for a wrong token as for a right one, when there is none to compare with. */
const noHash = Buffer.alloc(32);

/**
 * Serves GET /metrics to who has the token, and nothing else to anybody. Errors: FIELD_INVALID when the certificate, the key or the address cannot be used.
 */
export async function listenForMetrics(office: Measured & { readonly startedAtMs: number }, listen: MetricListen, onBug: (error: unknown) => void): Promise<MetricPort> {
  const processMetrics = createProcessMetrics(office.startedAtMs);
  const operations = createOperationCounter(office.startedAtMs);
  const collect = sharing(office, (format) => collectMetrics({ office, version, operations, process: processMetrics }, format));
  const limiter = createRateLimiter();
  const server = createHttpServer(listen, (request, response) => {
    answer({ office, limiter, collect }, request, response).catch((error: unknown) => {
      // A reader that went away is no bug.
      if (!response.destroyed) onBug(error);
    });
  });
  server.maxConnections = mostSockets;
  try {
    await bind(server, listen);
  } catch (error) {
    processMetrics.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw reeveError('FIELD_INVALID', { field: 'metrics-bind', value: formatMetricListen(listen), rule: `an address that can be listened on (${reason})` }, { cause: error });
  }
  const certificate = listen.tls === undefined ? undefined : keepCertificate(server, listen.tls, office.log);
  const address = server.address();
  return {
    port: typeof address === 'object' ? ((address)?.port ?? 0) : 0,
    async close() {
      certificate?.close();
      processMetrics.close();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function createHttpServer({ tls }: MetricListen, listener: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const options = { maxHeaderSize: mostHeaderBytes, headersTimeout: times.headersMs, requestTimeout: times.requestMs, keepAliveTimeout: times.keepAliveMs, connectionsCheckingInterval: times.checkMs, requireHostHeader: false };
  if (tls === undefined) return createServer(options, listener);
  try {
    return createTlsServer({ ...options, minVersion: 'TLSv1.3', handshakeTimeout: times.handshakeMs, cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, listener);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw reeveError('FIELD_INVALID', { field: 'metrics-certificate', value: tls.certificate, rule: `a certificate in PEM that ${tls.key} is the key of, both readable by the account of reeved (${reason})` }, { cause: error });
  }
}

async function bind(server: Server, { at }: MetricListen): Promise<void> {
  // A socket that a coordinator left which was killed.
  if (at.kind === 'unix' && existsSync(at.path) && lstatSync(at.path).isSocket()) unlinkSync(at.path);
  const bound = once(server, 'listening');
  server.listen(at.kind === 'unix' ? { path: at.path } : { host: at.address, port: at.port });
  await bound;
  // Who may read is decided by the token.
  if (at.kind === 'unix') chmodSync(at.path, 0o666);
}

/** Readers at the same time share one look, and those soon after it. */
function sharing({ clock }: Measured, collect: (format: TextFormat) => Promise<string[]>): (format: TextFormat) => Promise<string[]> {
  const found = new Map<TextFormat, { readonly text: Promise<string[]>; atMs: number }>();
  // One look at a time: two would be twice as long.
  let last: Promise<unknown> = Promise.resolve();
  return (format) => {
    const before = found.get(format);
    if (before !== undefined && clock.monotonic() - before.atMs < freshMs) return before.text;
    const text = last.then(() => collect(format));
    const entry = { text, atMs: Infinity };
    found.set(format, entry);
    const forget = (): void => {
      if (found.get(format) === entry) found.delete(format);
    };
    last = text.then(() => {
      entry.atMs = clock.monotonic();
      // Many megabytes of a large fleet are not kept until the next scrape.
      setTimeout(forget, freshMs).unref();
    }, forget);
    return text;
  };
}

interface Answering {
  readonly office: Measured;
  readonly limiter: ReturnType<typeof createRateLimiter>;
  readonly collect: (format: TextFormat) => Promise<string[]>;
}

async function answer({ office, limiter, collect }: Answering, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: number, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { ...plain, ...headers, Connection: 'close', 'Content-Length': '0' }).end();
  };
  const [path] = (request.url ?? '').split('?', 1);
  const now = office.clock.monotonic();
  if (path !== '/metrics') refuse(404);
  else if (request.method !== 'GET') refuse(405, { Allow: 'GET' });
  else if (!isReader(office, request.headers.authorization)) {
    if (limiter.take(`wrong ${request.socket.remoteAddress ?? 'local'}`, rates.wrong, now)) refuse(401, { 'WWW-Authenticate': 'Bearer realm="reeve metrics"' });
    else refuse(429, { 'Retry-After': '10' });
  } else if (!limiter.take('scrape', rates.scrape, now)) refuse(429, { 'Retry-After': '1' });
  else await send(request, response, collect);
}

async function send(request: IncomingMessage, response: ServerResponse, collect: Answering['collect']): Promise<void> {
  const format = /\bapplication\/openmetrics-text\b/.test(request.headers.accept ?? '') ? 'openmetrics' : 'prometheus';
  const pieces = await collect(format);
  response.writeHead(200, { ...plain, 'Content-Type': contentTypes[format] });
  for (const piece of pieces) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

const plain = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;

/** Whether a request has the token. What is compared are hashes, in constant time. */
function isReader({ db }: Measured, authorization = ''): boolean {
  const secret = parseMetricToken(/^Bearer +(\S{1,200})$/i.exec(authorization)?.[1] ?? '');
  const hash = metricTokenHash(db);
  return timingSafeEqual(sha256(secret ?? noHash), hash ?? noHash) && secret !== undefined && hash !== undefined;
}

async function drained(response: ServerResponse): Promise<void> {
  const stop = new AbortController();
  await Promise.race([once(response, 'drain', { signal: stop.signal }), once(response, 'close', { signal: stop.signal })]).finally(() => stop.abort());
}

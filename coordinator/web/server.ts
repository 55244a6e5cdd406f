import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import { keepCertificate } from '../../shared/rpc/certificate-file.js';
import { createRateLimiter } from '../../shared/rpc/rate.js';
import type { Channel } from '../../shared/rpc/client.js';
import type { Logger } from '../../shared/kit/log.js';
import { loadAssets } from './asset.js';
import { allowedHosts, type WebConfig } from './config.js';
import { guard, mostFormBytes } from './guard.js';
import { securityHeaders } from './header.js';
import { createLive } from './live.js';
import { addLogin } from './login.js';
import { addOwn } from './own.js';
import type { Page } from './page.js';
import { problemOf, problemOfError, type Problem } from './problem.js';
import { addPages, type Site } from './route.js';
import { limitSockets } from './socket.js';
import { renderError } from './view/error.js';
import { renderDocument } from './view/layout.js';

/** What the status page is made of. */
export interface WebOptions {
  readonly config: WebConfig;
  /** The coordinator's API on its socket. */
  readonly api: Channel;
  readonly pages: readonly Page[];
  readonly log: Logger;
  /** Unix ms. */
  readonly now: () => number;
  readonly monotonic: () => number;
  /** How often it is looked whether the certificate is another, ms; absent: 10 s. */
  readonly certificateEveryMs?: number;
}

/** A running status page. */
export interface Web {
  /** Port that it listens on; 0: a unix socket. */
  readonly port: number;
  close(): Promise<void>;
}

/** Longest times of one request and of a connection that nothing comes from, ms (R111). */
const times = { headersMs: 10_000, requestMs: 15_000, keepAliveMs: 15_000, silentMs: 60_000, handshakeMs: 10_000, checkMs: 1_000 } as const;

/** Largest headers, bytes. */
const mostHeaderBytes = 8_192;

/** Most sockets in all, and of one address where no proxy is in front. */
const mostSockets = { total: 200, perAddress: 20 } as const;

/** Where each request comes from, as the guard found out. */
const addresses = new WeakMap<IncomingMessage, string>();

/** Serves the status page. Rejects when the address cannot be bound or the certificate cannot be used. */
export async function serveWeb(options: WebOptions): Promise<Web> {
  const { config, log } = options;
  const headers = securityHeaders(config.tls !== undefined);
  const live = createLive(options.api, log);
  const bound = { port: config.listen.kind === 'port' ? config.listen.port : 0 };
  const made: { server?: Server } = {};
  const front = createFront(options, headers, () => bound.port);
  const app = fastify({
    logger: false,
    bodyLimit: mostFormBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    frameworkErrors: (_error, _request, reply) => sendProblem(reply.raw, config.base, problemOf(400, 'The address of the page cannot be read.')),
    clientErrorHandler: (error, socket) => answerBadRequest(error, socket, headers),
    serverFactory: (handler) => (made.server = createHttpServer(config, front(handler))),
  });
  const site: Site = {
    base: config.base, api: options.api, log, live, now: options.now,
    address: (request) => addresses.get(request) ?? 'local',
    fail: (reply, problem) => {
      reply.hijack();
      sendProblem(reply.raw, config.base, problem);
    },
  };
  routesOf(app, site, options.pages);
  const { server } = made;
  if (server === undefined) throw new Error('the HTTP server was not made');
  const direct = config.proxies.length === 0 && config.listen.kind === 'port';
  limitSockets(server, { total: mostSockets.total, perAddress: direct ? mostSockets.perAddress : undefined });
  refuseTunnels(server, headers);
  await app.listen(config.listen.kind === 'port' ? { host: config.listen.address, port: config.listen.port } : { path: config.listen.path });
  const address = server.address();
  if (typeof address === 'object' && address !== null) bound.port = address.port;
  const certificate = config.tls === undefined ? undefined : keepCertificate(server, config.tls, log, options.certificateEveryMs);
  return {
    port: bound.port,
    async close() {
      certificate?.close();
      live.close();
      await app.close();
    },
  };
}

function createHttpServer(config: WebConfig, listener: RequestListener): Server {
  const options = {
    maxHeaderSize: mostHeaderBytes,
    headersTimeout: times.headersMs,
    requestTimeout: times.requestMs,
    keepAliveTimeout: times.keepAliveMs,
    connectionsCheckingInterval: times.checkMs,
    // The guard tells who sends none, with the headers of every other answer.
    requireHostHeader: false,
  };
  const server =
    config.tls === undefined
      ? createServer(options, listener)
      : (createTlsServer({ ...options, minVersion: 'TLSv1.3', handshakeTimeout: times.handshakeMs, cert: readFileSync(config.tls.certificate), key: readFileSync(config.tls.key) }, listener) as unknown as Server);
  server.setTimeout(times.silentMs);
  return server;
}

/** What every request passes before it is routed. */
function createFront({ config, monotonic }: WebOptions, headers: Readonly<Record<string, string>>, port: () => number): (handler: RequestListener) => RequestListener {
  const hosts = { port: -1, allowed: new Set<string>() as ReadonlySet<string> };
  const guarding = {
    base: config.base,
    hosts: () => {
      if (hosts.port !== port()) Object.assign(hosts, { port: port(), allowed: allowedHosts(config, port()) });
      return hosts.allowed;
    },
    proxies: new Set(config.proxies),
    limiter: createRateLimiter(),
    monotonic,
  };
  return (handler) => (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const guarded = guard(guarding, request);
    if (guarded.kind === 'pass') {
      request.url = guarded.url;
      addresses.set(request, guarded.address);
      handler(request, response);
      return;
    }
    for (const [name, value] of Object.entries(guarded.headers ?? {})) response.setHeader(name, value);
    // What else it sends is not read.
    if (request.method !== 'GET' && request.method !== 'HEAD') response.setHeader('connection', 'close');
    else if (guarded.status === 413) response.setHeader('connection', 'close');
    sendProblem(response, config.base, problemOf(guarded.status, guarded.reason));
  };
}

function routesOf(app: FastifyInstance, site: Site, pages: readonly Page[]): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, new URLSearchParams(body as string)));
  app.setNotFoundHandler((_request, reply) => site.fail(reply, problemOf(404, 'There is no such page.')));
  app.setErrorHandler((error, _request, reply) => {
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) site.fail(reply, problemOf(status, 'The request cannot be read.'));
    else site.fail(reply, problemOfError(error, site.log));
  });
  const assets = loadAssets();
  app.get<{ Params: { name: string } }>('/asset/:name', (request, reply) => {
    const asset = assets.get(request.params.name);
    if (asset === undefined) site.fail(reply, problemOf(404, 'There is no such file.'));
    else void reply.type(asset.type).send(asset.body);
  });
  addLogin(app, site);
  addOwn(app, site);
  addPages(app, site, pages);
}

/** Answers with a page about a problem. */
function sendProblem(response: ServerResponse, base: string, problem: Problem): void {
  const body = renderDocument({ title: problem.title, main: renderError({ ...problem, base }) }, { base, path: '', viewer: undefined, live: false });
  response.writeHead(problem.status, { 'content-type': 'text/html; charset=utf-8', 'content-length': String(Buffer.byteLength(body)) });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** What is no HTTP, too large or too slow is told so in a few words. */
function answerBadRequest(error: NodeJS.ErrnoException, socket: Socket, headers: Readonly<Record<string, string>>): void {
  if (error.code === 'ECONNRESET') socket.destroy();
  else answerPlainly(socket, headers, error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request');
}

/** Nothing is passed through here. */
function refuseTunnels(server: Server, headers: Readonly<Record<string, string>>): void {
  server.on('connect', (_request: IncomingMessage, socket: Socket) => answerPlainly(socket, headers, '405 Method Not Allowed'));
  server.on('upgrade', (_request: IncomingMessage, socket: Socket) => answerPlainly(socket, headers, '400 Bad Request'));
}

/** An answer without a page, with the headers of every answer. */
function answerPlainly(socket: Socket, headers: Readonly<Record<string, string>>, line: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const text = `${line}\n`;
  const all = { ...headers, 'content-type': 'text/plain; charset=utf-8', 'content-length': String(text.length), connection: 'close' };
  socket.end(`HTTP/1.1 ${line}\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${text}`);
}

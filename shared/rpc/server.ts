import { once } from 'node:events';
import {
  Server,
  ServerInterceptingCall,
  ResponderBuilder,
  type Metadata,
  status as grpcStatus,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Clock } from '../kit/clock.js';
import type { Logger } from '../kit/log.js';
import { reeveError, ReeveError } from '../errors/error.js';
import { serviceDefinition } from './load.js';
import { createRateLimiter, type RateLimit } from './rate.js';
import { newCorrelation, UnaryScope, type Scope } from './scope.js';
import { formatLabel, type Label } from '../model/label.js';
import { toStatus } from './status.js';
import type { MethodName, RequestOf, ResponseInputOf } from './type.js';

/** Largest message to or from an agent, and largest request of an operator, bytes. */
export const maxMessageBytes = 1024 * 1024;

/** Largest answer to an operator, bytes: the list of 10,000 hosts is some megabytes. */
export const maxAnswerBytes = 64 * 1024 * 1024;

/** Largest metadata of a call, bytes: names, values, and 32 for each as HTTP/2 counts them (RFC 9113 6.5.2). grpc-js has no such limit, Node's is 64 KiB. */
const maxMetadataBytes = 8 * 1024;

/** How long connections of a network listener may last (R101). */
export interface ConnectionBounds {
  /** After this time new calls of a connection go to a new one; streams and calls that run end as they would, for each has its own bounds. Ms. */
  readonly maxAgeMs: number;
  /** After this time without a call it is closed. Ms. */
  readonly maxIdleMs: number;
}

/** The bounds of connections that others dial to the coordinator. */
export const networkConnections: ConnectionBounds = { maxAgeMs: 3_600_000, maxIdleMs: 900_000 };

/** How often a live stream's right to be there is checked again, ms. */
const streamCheckMs = 10_000;

/** How long the first message of a caller that streams may take, ms. */
const firstMessageMs = 10_000;

/** Who called, as the authenticator found out. */
export interface Caller {
  /** For logs, audit and rate limits, e.g. `uid:ada` or `host:<id>`. */
  readonly name: string;
  /** The roles a method's row may ask for. */
  readonly role: string;
  /** The caller is limited to hosts that have one of these labels; undefined: to none. */
  readonly scope?: readonly Label[] | undefined;
}

/** What a handler knows of its call. */
export interface CallContext<Principal extends Caller> {
  readonly principal: Principal;
  /** Full method, e.g. `reeve.agent.v1.UserService/ApplyUser`. */
  readonly method: string;
  /** Ends when the caller goes away or the deadline passes before the call is answered. */
  readonly signal: AbortSignal;
  /** Names the call in the log and in error details. */
  readonly correlation: string;
  readonly log: Logger;
  /** `address:port` of the connection. */
  readonly peer: string;
}

/** One method: who may call it, how often, how large, how long, and what it does. No row, no method. */
export interface MethodRow<Request, Response, Principal extends Caller> {
  /** Roles that may call it. */
  readonly roles: readonly string[];
  /** Only for callers who are not limited to some hosts. */
  readonly wholeFleet?: boolean;
  /** read: changes nothing. change: changes hosts or inventory. identity: about certificates and operators. */
  readonly risk: 'read' | 'change' | 'identity';
  /** Calls per principal. */
  readonly rate: RateLimit;
  /** Largest request, bytes. */
  readonly maxBytes: number;
  /** Longest time a call may take, ms; a stream lives until its caller goes. */
  readonly deadlineMs: number;
  /**
   * A unary answer, or the events of a stream. Where the caller streams too, `request` is its first message and `rest` the later ones, which are read as fast as
   * they are asked for and no faster; `rest` ends when the caller has said all.
   */
  readonly handle: (request: Request, context: CallContext<Principal>, rest: AsyncIterable<Request>) => Promise<Response> | AsyncIterable<Response>;
}

/** All rows of one service, as the generated definition names its methods. */
export type ServiceRows<Definition, Principal extends Caller> = {
  readonly [M in MethodName<Definition>]: MethodRow<RequestOf<Definition[M & keyof Definition]>, ResponseInputOf<Definition[M & keyof Definition]>, Principal>;
};

/** A service with its rows. */
export interface Service<Principal extends Caller> {
  readonly name: string;
  readonly rows: Readonly<Record<string, MethodRow<never, unknown, Principal>>>;
}

/** Binds rows to a service of the contract; the types follow the generated definition. */
export function defineService<Definition, Principal extends Caller>(name: string, rows: ServiceRows<Definition, Principal>): Service<Principal> {
  return { name, rows: rows };
}

/** What a server is made of. */
export interface RpcServerOptions<Principal extends Caller> {
  readonly services: readonly Service<Principal>[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Who calls; throws IDENTITY_REFUSED and the like. Runs on every call, and on streams every 10 s. */
  readonly authenticate: (call: AuthenticatedCall) => Principal;
  /** A call that was refused before its handler ran. */
  readonly onRefused?: (method: string, caller: string, error: ReeveError) => void;
  /** Absent: connections last as long as the other side wants. */
  readonly connections?: ConnectionBounds;
  /** Largest answer, bytes; absent: maxMessageBytes. */
  readonly maxAnswerBytes?: number;
  /** An error that is not in the catalogue: a bug. */
  readonly onBug?: (error: unknown) => void;
}

/** What the authenticator may ask of a call. */
export interface AuthenticatedCall {
  getPeer(): string;
  getAuthContext(): { sslPeerCertificate?: { raw: Buffer } };
  readonly metadata?: Metadata;
}

/** A method's place in the contract, by which the wrapper works. */
interface Bound<Principal extends Caller> {
  readonly method: string;
  readonly row: MethodRow<unknown, unknown, Principal>;
  readonly options: RpcServerOptions<Principal>;
}

/** Marks a request that was too large to be decoded. */
const tooLarge = Symbol('too large');

/**
 * A gRPC server whose every method has a row. Throws when a method of the contract has no row, or a row no method. One wrapper authenticates,
 * authorises, limits and only then runs the handler.
 */
export function createRpcServer<Principal extends Caller>(options: RpcServerOptions<Principal>): Server {
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': options.maxAnswerBytes ?? maxMessageBytes,
    'grpc.max_concurrent_streams': 64,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.enable_channelz': 0,
    'grpc-node.max_session_memory': 32,
    ...(options.connections === undefined ? {} : { 'grpc.max_connection_age_ms': options.connections.maxAgeMs, 'grpc.max_connection_idle_ms': options.connections.maxIdleMs }),
    interceptors: [refuseCompression],
  });
  const limiter = createRateLimiter();
  for (const service of options.services) {
    const definition = serviceDefinition(service.name);
    const missing = Object.keys(definition).filter((name) => !Object.hasOwn(service.rows, name));
    const surplus = Object.keys(service.rows).filter((name) => !Object.hasOwn(definition, name));
    if (missing.length + surplus.length > 0) throw new Error(`${service.name}: methods without a row: ${missing.join(', ')}; rows without a method: ${surplus.join(', ')}`);
    const bounded = Object.fromEntries(
      Object.entries(definition).map(([name, method]) => {
        const limit = service.rows[name]?.maxBytes ?? 0;
        const decode = method.requestDeserialize;
        return [name, { ...method, requestDeserialize: (bytes: Buffer): unknown => (bytes.length > limit ? tooLarge : decode(bytes)) }];
      }),
    );
    const handlers = Object.fromEntries(
      Object.entries(service.rows).map(([name, row]) => {
        const bound: Bound<Principal> = { method: `${service.name}/${name}`, row: row as MethodRow<unknown, unknown, Principal>, options };
        const { requestStream, responseStream } = definition[name] ?? {};
        if (requestStream === true && responseStream !== true) throw new Error(`${bound.method}: a caller that streams is answered by a stream`);
        return [name, responseStream === true ? streamHandler(bound, limiter, requestStream === true) : unaryHandler(bound, limiter)];
      }),
    );
    server.addService(bounded, handlers);
  }
  return server;
}

/**
 * Compressed messages are refused before they are decoded: a small one can unfold to a very large one. grpc-js takes the header away before it hands out a
 * call's metadata and keeps what it said in a field of the call; were that field to go, all calls would be refused. Other calls go on without a wrapper.
 */
const refuseCompression: ServerInterceptor = (_method, call) => {
  if ((call as { incomingEncoding?: unknown }).incomingEncoding === 'identity') return call as unknown as ServerInterceptingCall;
  const refuse = (): void => call.sendStatus({ code: grpcStatus.UNIMPLEMENTED, details: 'compression is not supported' });
  return new ServerInterceptingCall(call, new ResponderBuilder().withStart(refuse).build());
};

function metadataBytes(metadata: Metadata | undefined): number {
  let bytes = 0;
  for (const name of Object.keys(metadata?.getMap() ?? {})) {
    for (const value of metadata?.get(name) ?? []) bytes += name.length + value.length + 32;
  }
  return bytes;
}

/** Whether the row lets this caller in. A stream's caller must also still have the scope it was admitted with: what the stream is about was chosen by it. */
function assertAllowed<Principal extends Caller>(bound: Bound<Principal>, principal: Principal, admitted: Principal = principal): void {
  const { row, method } = bound;
  if (!row.roles.includes(principal.role)) throw reeveError('ROLE_REFUSED', { value: principal.role, rule: method });
  const scope = scopeText(principal);
  if ((row.wholeFleet === true && principal.scope !== undefined) || scope !== scopeText(admitted)) throw reeveError('SCOPE_REFUSED', { value: scope, rule: `call ${method}` });
}

function scopeText(principal: Caller): string {
  return principal.scope?.map(formatLabel).join(' or ') ?? 'all';
}

/** Who calls, when it may. A refusal is told to the audit. */
function admit<Principal extends Caller>(bound: Bound<Principal>, limiter: ReturnType<typeof createRateLimiter>, call: AuthenticatedCall): Principal {
  const { row, options, method } = bound;
  let caller: string | undefined;
  try {
    const principal = options.authenticate(call);
    caller = principal.name;
    assertAllowed(bound, principal);
    if (!limiter.take(`${caller} ${method}`, row.rate, options.clock.monotonic())) {
      throw reeveError('RATE_LIMITED', { value: method, rule: `${String(row.rate.perSecond)} a second` });
    }
    if (metadataBytes(call.metadata) > maxMetadataBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'the metadata', rule: `at most ${String(maxMetadataBytes)} bytes` });
    return principal;
  } catch (error) {
    if (error instanceof ReeveError) options.onRefused?.(method, caller ?? `peer:${call.getPeer()}`, error);
    throw error;
  }
}

/** Refuses a message that was not decoded; told to the audit like any other refusal. */
function assertRead<Principal extends Caller>(bound: Bound<Principal>, caller: Principal, message: unknown, field: string): void {
  if (message !== tooLarge) return;
  const error = reeveError('LIMIT_EXCEEDED', { field, rule: `at most ${String(bound.row.maxBytes)} bytes` });
  bound.options.onRefused?.(bound.method, caller.name, error);
  throw error;
}

function unaryHandler<Principal extends Caller>(bound: Bound<Principal>, limiter: ReturnType<typeof createRateLimiter>) {
  return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): void => {
    const scope = new UnaryScope(call, bound.method, bound.row.deadlineMs);
    const finish = (error: unknown, response?: unknown): void => {
      scope.close();
      if (error === undefined) callback(null, response);
      else callback(failure(bound, error, scope.correlation));
    };
    try {
      const principal = admit(bound, limiter, call);
      assertRead(bound, principal, call.request, 'the request');
      (bound.row.handle(call.request, new HandlerContext(bound, principal, call, scope), nothing) as Promise<unknown>).then(
        (response) => finish(undefined, response),
        (error: unknown) => finish(error ?? new Error('rejected without an error')),
      );
    } catch (error) {
      finish(error);
    }
  };
}

/** The later messages of a caller that does not stream. */
const nothing: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) };

function streamHandler<Principal extends Caller>(bound: Bound<Principal>, limiter: ReturnType<typeof createRateLimiter>, callerStreams: boolean) {
  return (call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>): void => {
    const correlation = newCorrelation();
    const abort = new AbortController();
    call.once('cancelled', () => abort.abort());
    call.on('error', () => abort.abort());
    let admitted: Principal | undefined;
    const check = setInterval(() => {
      try {
        assertAllowed(bound, bound.options.authenticate(call), admitted);
      } catch (error) {
        abort.abort(error);
      }
    }, streamCheckMs);
    const run = async (): Promise<void> => {
      const principal = admit(bound, limiter, call);
      admitted = principal;
      const rest = callerStreams ? messagesOf(bound, principal, call as ServerDuplexStream<unknown, unknown>, abort.signal) : nothing;
      const request = callerStreams ? await firstOf(rest, abort) : (call as ServerWritableStream<unknown, unknown>).request;
      assertRead(bound, principal, request, 'the request');
      const context = new HandlerContext(bound, principal, call, { correlation, signal: abort.signal });
      for await (const event of untilAborted(bound.row.handle(request, context, rest) as AsyncIterable<unknown>, abort.signal)) {
        if (!call.write(event)) await once(call, 'drain', { signal: abort.signal });
      }
    };
    run().then(
      () => {
        clearInterval(check);
        call.end();
      },
      (error: unknown) => {
        clearInterval(check);
        const cause: unknown = abort.signal.aborted ? abort.signal.reason : error;
        abort.abort();
        call.emit('error', failure(bound, cause, correlation));
      },
    );
  };
}

/**
 * The messages of a caller, each read when it is asked for. It can be iterated once more after the first message was taken. A message that is too large ends the
 * stream; that the caller has gone ends the messages.
 */
function messagesOf<Principal extends Caller>(bound: Bound<Principal>, caller: Principal, call: ServerDuplexStream<unknown, unknown>, signal: AbortSignal): AsyncIterable<unknown> {
  const messages = call.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<unknown>;
  const next = async (): Promise<IteratorResult<unknown>> => {
    const read = await messages.next().catch((error: unknown) => {
      if (signal.aborted || call.cancelled) return { done: true, value: undefined } as const;
      throw error;
    });
    if (read.done !== true) assertRead(bound, caller, read.value, 'a message');
    return read;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** The first message, which says what the call is about. */
async function firstOf(messages: AsyncIterable<unknown>, abort: AbortController): Promise<unknown> {
  const timer = setTimeout(() => abort.abort(reeveError('FIELD_MISSING', { field: 'the first message', rule: `it comes within ${String(firstMessageMs / 1000)} s` })), firstMessageMs);
  try {
    for await (const message of untilAborted(messages, abort.signal)) return message;
  } finally {
    clearTimeout(timer);
  }
  throw reeveError('FIELD_MISSING', { field: 'the first message', rule: 'it says what the call is about' });
}

/** The events of a stream until the signal ends it; then the signal's reason is thrown and the source is closed. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let stop = (): void => undefined;
  const aborted = new Promise<'aborted'>((resolve) => {
    stop = (): void => resolve('aborted');
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === 'aborted') throw signal.reason;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    void iterator.return?.();
  }
}

/** What a handler is given; parts that few handlers look at are made when they do. A class, as the getters of a literal would be made for every call. */
class HandlerContext<Principal extends Caller> implements CallContext<Principal> {
  readonly principal: Principal;
  readonly method: string;
  readonly #log: Logger;
  readonly #call: AuthenticatedCall;
  readonly #scope: Scope;
  #child: Logger | undefined;

  constructor(bound: Bound<Principal>, principal: Principal, call: AuthenticatedCall, scope: Scope) {
    this.principal = principal;
    this.method = bound.method;
    this.#log = bound.options.log;
    this.#call = call;
    this.#scope = scope;
  }

  get signal(): AbortSignal {
    return this.#scope.signal;
  }

  get correlation(): string {
    return this.#scope.correlation;
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get log(): Logger {
    return (this.#child ??= this.#log.child({ rpc: this.method, caller: this.principal.name, correlation: this.correlation }));
  }
}

function failure<Principal extends Caller>(bound: Bound<Principal>, error: unknown, correlation: string): ReturnType<typeof toStatus> {
  if (!(error instanceof ReeveError) && !(error instanceof DOMException && error.name === 'AbortError')) {
    bound.options.log.error({ rpc: bound.method, correlation, err: error }, 'a handler failed in a way that is not in the catalogue');
    bound.options.onBug?.(error);
  }
  return toStatus(error, correlation);
}

import { once } from 'node:events';
import { Client, Metadata, type ClientDuplexStream, type ClientUnaryCall, type ChannelCredentials, type ChannelOptions, type MethodDefinition } from '@grpc/grpc-js';
import type { ReeveError } from '../errors/error.js';
import { methodDefinition } from './load.js';
import { maxMessageBytes } from './server.js';
import { fromServiceError } from './status.js';
import type { MethodName, RequestInputOf, ResponseOf } from './type.js';

/** One connection to one peer. */
export interface Channel {
  /** Makes a unary call. Errors: what the peer answered, or what `unreachable` of the channel makes of a lost connection. */
  unary<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    request: RequestInputOf<Definition[M & keyof Definition]>,
    options: CallOptions,
  ): Promise<ResponseOf<Definition[M & keyof Definition]>>;
  /** Makes a server-streaming call. Ends with the stream; errors as for unary. */
  stream<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    request: RequestInputOf<Definition[M & keyof Definition]>,
    options: Pick<CallOptions, 'signal' | 'metadata'>,
  ): AsyncGenerator<ResponseOf<Definition[M & keyof Definition]>>;
  /**
   * Makes a call in which both sides stream. `messages` are sent as fast as the peer takes them; their end is told to the peer, an error of theirs ends the call.
   * Ends with the peer's stream; errors as for unary.
   */
  duplex<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    messages: AsyncIterable<RequestInputOf<Definition[M & keyof Definition]>>,
    options: { signal?: AbortSignal },
  ): AsyncGenerator<ResponseOf<Definition[M & keyof Definition]>>;
  /** Resolves once the connection stands; rejects after the deadline. */
  ready(deadlineMs: number): Promise<void>;
  /** Ends the unary calls and those in which both sides stream, and closes the connection. */
  close(): void;
}

/** A service's full name, tied to its generated definition. */
export type ServiceName<Definition> = string & { readonly definition?: Definition };

/** Ties a service's full name to its generated definition. */
export function serviceName<Definition>(name: string): ServiceName<Definition> {
  return name;
}

/** Bounds of one call. */
export interface CallOptions {
  /** Longest time, ms. */
  readonly deadlineMs: number;
  /** Ends the call early. */
  readonly signal?: AbortSignal;
  /** What the call carries beside its request. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How to reach a peer. */
export interface ChannelSettings {
  /** `ipv4:…`, `ipv6:…`, `dns:…` or `unix:…` target of gRPC. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Makes the error for a call that the transport lost. */
  readonly unreachable: (reason: string) => ReeveError;
  readonly options?: ChannelOptions;
}

/** The gRPC target of an IP address or name and a port. */
export function targetOf(endpoint: { address: string; port: number }): string {
  if (endpoint.address.includes(':')) return `ipv6:[${endpoint.address}]:${String(endpoint.port)}`;
  return /^[0-9.]+$/.test(endpoint.address) ? `ipv4:${endpoint.address}:${String(endpoint.port)}` : `dns:${endpoint.address}:${String(endpoint.port)}`;
}

/** Opens a channel; the connection is made at the first call. Close it. */
export function openChannel(settings: ChannelSettings): Channel {
  const client = new Client(settings.target, settings.credentials, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.enable_channelz': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.service_config_disable_resolution': 1,
    'grpc.default_authority': 'reeve',
    'grpc.ssl_target_name_override': 'reeve',
    ...settings.options,
  });
  const calls = new Set<{ cancel(): void }>();
  return {
    unary: (service, method, request, options) => callUnary({ client, calls, unreachable: settings.unreachable }, methodDefinition(service, method), request, options) as never,
    stream: (service, method, request, options) => callStream(client, settings, methodDefinition(service, method), request, options) as never,
    duplex: (service, method, messages, options) => callDuplex({ client, calls, unreachable: settings.unreachable }, methodDefinition(service, method), messages, options) as never,
    ready: (deadlineMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + deadlineMs, (error) => {
          if (error === undefined) resolve();
          else reject(settings.unreachable('no connection in time'));
        });
      }),
    close() {
      for (const call of [...calls]) call.cancel();
      client.close();
    },
  };
}

const noMetadata = new Metadata();

function metadataOf({ metadata }: Pick<CallOptions, 'metadata'>): Metadata {
  if (metadata === undefined) return noMetadata;
  const made = new Metadata();
  for (const [name, value] of Object.entries(metadata)) made.set(name, value);
  return made;
}

/** A channel as its calls see it: unary ones are ended with it without a listener each on a signal of the connection, which costs several per cent of a call. */
interface OpenChannel {
  readonly client: Client;
  readonly calls: Set<{ cancel(): void }>;
  readonly unreachable: (reason: string) => ReeveError;
}

function callUnary(channel: OpenChannel, method: MethodDefinition<unknown, unknown>, request: unknown, options: CallOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const abort = (): void => call.cancel();
    const call: ClientUnaryCall = channel.client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadataOf(options),
      { deadline: Date.now() + options.deadlineMs },
      (error, response) => {
        channel.calls.delete(call);
        signal?.removeEventListener('abort', abort);
        if (error === null) resolve(response);
        else reject(fromServiceError(error, channel.unreachable));
      },
    );
    channel.calls.add(call);
    if (signal === undefined) return;
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

async function* callStream(
  client: Client,
  settings: ChannelSettings,
  method: MethodDefinition<unknown, unknown>,
  request: unknown,
  options: Pick<CallOptions, 'signal' | 'metadata'>,
): AsyncGenerator {
  const call = client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request, metadataOf(options));
  const abort = (): void => call.cancel();
  if (options.signal?.aborted === true) abort();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    for await (const event of call) yield event;
  } catch (error) {
    throw fromServiceError(error, settings.unreachable);
  } finally {
    options.signal?.removeEventListener('abort', abort);
    call.cancel();
  }
}

async function* callDuplex(
  channel: OpenChannel,
  method: MethodDefinition<unknown, unknown>,
  messages: AsyncIterable<unknown>,
  options: { signal?: AbortSignal },
): AsyncGenerator {
  const call = channel.client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, noMetadata);
  const abort = (): void => call.cancel();
  channel.calls.add(call);
  if (options.signal?.aborted === true) abort();
  options.signal?.addEventListener('abort', abort, { once: true });
  const over = new AbortController();
  const sent = sendAll(call, messages, over.signal).catch((error: unknown) => {
    call.cancel();
    return error;
  });
  try {
    for await (const event of call) yield event;
  } catch (error) {
    throw fromServiceError(error, channel.unreachable);
  } finally {
    channel.calls.delete(call);
    options.signal?.removeEventListener('abort', abort);
    over.abort();
    call.cancel();
    void sent;
  }
}

/** Sends messages as fast as the peer takes them. */
async function sendAll(call: ClientDuplexStream<unknown, unknown>, messages: AsyncIterable<unknown>, over: AbortSignal): Promise<void> {
  for await (const message of messages) {
    if (over.aborted) return;
    if (!call.write(message)) await once(call, 'drain', { signal: over });
  }
  call.end();
}

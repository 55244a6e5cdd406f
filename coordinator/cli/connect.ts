import { credentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel, type Channel, type ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';

/** Longest time a single answer may take, ms: the coordinator asks a host within it for `user observe`. */
const deadlineMs = 60_000;

/** Largest answer, bytes: a list of 10,000 hosts with room to spare. */
export const maxAnswerBytes = 64 * 1024 * 1024;

/** The coordinator's API over one connection. */
export interface Api {
  /** Path of the local socket, or `ADDRESS:PORT` of a coordinator elsewhere. */
  readonly where: string;
  /** End of the operator's certificate, unix ms; undefined on a local socket. */
  readonly certificateEnds?: number;
  call<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    request: RequestInputOf<Definition[M & keyof Definition]>,
  ): Promise<ResponseOf<Definition[M & keyof Definition]>>;
  stream<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    request: RequestInputOf<Definition[M & keyof Definition]>,
  ): AsyncGenerator<ResponseOf<Definition[M & keyof Definition]>>;
  /** A call in which both sides stream. */
  duplex<Definition, M extends MethodName<Definition>>(
    service: ServiceName<Definition>,
    method: M,
    messages: AsyncIterable<RequestInputOf<Definition[M & keyof Definition]>>,
  ): AsyncGenerator<ResponseOf<Definition[M & keyof Definition]>>;
  /** What is still to be done when the command is over, quietly: a login that is past half its life is renewed. */
  settle?(): Promise<void>;
  close(): void;
}

/**
 * The API behind a socket; the signal ends its calls. The kernel tells the coordinator who calls, so there is nothing to prove here. Errors of calls:
 * what the coordinator answers, COORDINATOR_UNREACHABLE, CANCELLED.
 */
export function connect(socket: string, signal: AbortSignal): Api {
  const channel = openChannel({
    target: `unix:${socket}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => (signal.aborted ? reeveError('CANCELLED') : reeveError('COORDINATOR_UNREACHABLE', { value: socket, reason })),
    options: { 'grpc.max_receive_message_length': maxAnswerBytes },
  });
  return { ...apiOf(channel, signal), where: socket };
}

/** The calls of a channel; the signal ends them. */
export function apiOf(channel: Channel, signal: AbortSignal): Omit<Api, 'where'> {
  return {
    call: (service, method, request) => channel.unary(service, method, request, { deadlineMs, signal }),
    stream: (service, method, request) => channel.stream(service, method, request, { signal }),
    duplex: (service, method, messages) => channel.duplex(service, method, messages, { signal }),
    close: () => channel.close(),
  };
}

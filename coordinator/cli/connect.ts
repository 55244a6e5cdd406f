import { credentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel, type ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';

/** Longest time a single answer may take, ms: the coordinator asks a host within it for `user observe`. */
const deadlineMs = 60_000;

/** Largest answer, bytes: a list of 10,000 hosts with room to spare. */
const maxAnswerBytes = 64 * 1024 * 1024;

/** The coordinator's API over its local socket. */
export interface Api {
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
  return {
    call: (service, method, request) => channel.unary(service, method, request, { deadlineMs, signal }),
    stream: (service, method, request) => channel.stream(service, method, request, { signal }),
    close: () => channel.close(),
  };
}

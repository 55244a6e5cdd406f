import { connect, type Socket } from 'node:net';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';

/** Longest wait for a connection, ms. */
const connectMs = 5_000;

/** Connects to one place; either half may be closed on its own. Errors: what `failed` makes of the reason. */
export function dial(endpoint: Endpoint, failed: (reason: string, where: string) => ReeveError, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: endpoint.address, port: endpoint.port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), connectMs);
    const stop = (): void => void socket.destroy(new Error('it was cancelled'));
    signal?.addEventListener('abort', stop, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    };
    socket.once('error', (error) => {
      settled();
      reject(failed(reasonOf(error), formatEndpoint(endpoint)));
    });
    socket.once('connect', () => {
      settled();
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    if (signal?.aborted === true) stop();
  });
}

/** Connects to the first of several places that answers. Errors: of the last one; COORDINATOR_UNREACHABLE when there is none. */
export async function dialFirst(endpoints: readonly Endpoint[]): Promise<Socket> {
  let last: unknown = reeveError('COORDINATOR_UNREACHABLE', { value: 'no address', reason: 'none is known' });
  for (const endpoint of endpoints) {
    try {
      return await dial(endpoint, (reason, where) => reeveError('COORDINATOR_UNREACHABLE', { value: where, reason }));
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

/** Why a connection was not made, in words of ours. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route';
    case 'ETIMEDOUT':
      return 'connection timed out';
    case 'ECONNRESET':
      return 'the connection broke';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name is not known';
    case '':
      return error instanceof Error ? error.message.slice(0, 200) : 'the connection broke';
    default:
      return code;
  }
}

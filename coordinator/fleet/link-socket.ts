import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { openChannel, type Channel } from '../../shared/rpc/client.js';
import { oneAttempt } from './link.js';

/** Where the bytes of a channel go that does not dial by itself. */
export interface Carrier {
  readonly hostName: string;
  /** Folder of the sockets, mode 0700. */
  readonly folder: string;
  readonly credentials: ChannelCredentials;
  /** Carries the bytes of the one connection until it ends. Errors say why the host cannot be reached. */
  readonly carry: (socket: Socket) => Promise<void>;
}

let count = 0;

/**
 * A channel whose one connection is carried by us: gRPC takes no transport of ours, so it connects to a unix socket that only this process can reach, and that
 * is gone as soon as it was connected to. TLS runs through it, so whoever carries sees opaque bytes.
 */
export async function openCarried(carrier: Carrier): Promise<Channel> {
  const { hostName, carry } = carrier;
  count += 1;
  const path = join(carrier.folder, `${String(count)}.sock`);
  let problem: string | undefined;
  let carried: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    carried = socket;
    socket.on('error', () => socket.destroy());
    carry(socket)
      .catch((error: unknown) => {
        problem = reasonOf(error);
      })
      .finally(() => socket.destroy());
  });
  server.maxConnections = 1;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.on('error', () => undefined);
  const channel = openChannel({
    target: `unix:${path}`,
    credentials: carrier.credentials,
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: hostName, reason: problem ?? reason }),
    options: oneAttempt,
  });
  return {
    ...channel,
    close() {
      channel.close();
      server.close();
      carried?.destroy();
    },
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof ReeveError)) return 'the connection broke';
  return error.code === 'HOST_UNREACHABLE' ? (error.fields['reason'] ?? error.message) : error.message;
}

import type { ChannelCredentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import type { Endpoint } from '../../shared/model/host.js';
import { openChannel, targetOf, type Channel } from '../../shared/rpc/client.js';

/** A way to an agent. End to end it is always the coordinator's TLS with the agent, whatever carries the bytes. */
export interface Link {
  readonly kind: 'direct';
  /** Opens a channel over this link; the connection is made at the first call. */
  open(credentials: ChannelCredentials): Channel;
}

/** Straight to the agent's address. */
export function directLink(hostName: string, endpoint: Endpoint): Link {
  return {
    kind: 'direct',
    open: (credentials) =>
      openChannel({
        target: targetOf(endpoint),
        credentials,
        unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: hostName, reason }),
        // One attempt each: the fleet waits between attempts itself, and knows who is down.
        options: { 'grpc.initial_reconnect_backoff_ms': 60_000, 'grpc.enable_retries': 0 },
      }),
  };
}

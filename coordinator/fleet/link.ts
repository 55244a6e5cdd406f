import type { ChannelCredentials } from '@grpc/grpc-js';
import type { LinkKind } from '../../shared/model/link.js';
import type { Channel } from '../../shared/rpc/client.js';

/** A way to an agent. End to end it is always the coordinator's TLS with the agent, whatever carries the bytes. */
export interface Link {
  readonly kind: LinkKind;
  /** Opens a channel over this link; the connection is made at the first call. */
  open(credentials: ChannelCredentials): Promise<Channel>;
}

/** Why there is no way to an agent now. */
export interface NoLink {
  readonly kind: 'none';
  readonly reason: string;
}

/** Options of gRPC for every link: one attempt each, because the fleet waits between attempts itself, and knows who is down. */
export const oneAttempt = { 'grpc.initial_reconnect_backoff_ms': 60_000, 'grpc.enable_retries': 0 } as const;

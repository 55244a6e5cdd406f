import type { Socket } from 'node:net';
import type { RelayRequestInput } from '../../shared/gen/proto/reeve/agent/v1/RelayRequest.js';
import type { RelayServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/RelayService.js';
import { bytesOf, writeBytes } from '../../shared/rpc/bytes.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { Lanes } from './lane.js';
import type { Link } from './link.js';
import { openCarried } from './link-socket.js';

const relayService = serviceName<RelayServiceDefinition>('reeve.agent.v1.RelayService');

/** Through the agent of the parent, which dials the host's address and passes bytes. The parent may itself be behind another. */
export function parentLink(host: { id: string; name: string }, folder: string, parent: Lanes): Link {
  const carry = async (socket: Socket): Promise<void> => {
    const lane = await parent.take();
    const stop = new AbortController();
    socket.once('close', () => stop.abort());
    try {
      await writeBytes(socket, lane.channel.duplex(relayService, 'Relay', messagesTo(host.id, socket), { signal: stop.signal }));
    } finally {
      lane.release();
    }
  };
  return { kind: 'parent', open: (credentials) => openCarried({ hostName: host.name, folder, credentials, carry }) };
}

async function* messagesTo(hostId: string, socket: Socket): AsyncGenerator<RelayRequestInput> {
  yield { hostId };
  yield* bytesOf(socket);
}

import { reeveError } from '../../shared/errors/error.js';
import { joinConnections } from '../../shared/rpc/bytes.js';
import type { Mux } from '../../shared/rpc/mux.js';
import type { Link } from './link.js';
import { openCarried } from './link-socket.js';

/** Through the connection that the host's agent keeps: a virtual connection on it leads into the agent's own server. */
export function dialOutLink(hostName: string, folder: string, mux: Mux): Link {
  return {
    kind: 'dial-out',
    open: (credentials) =>
      openCarried({
        hostName, folder, credentials,
        carry: async (socket) => {
          const connection = mux.open();
          if (connection === undefined) throw reeveError('HOST_UNREACHABLE', { host: hostName, reason: 'too many connections at once to its agent, or its agent has gone' });
          await joinConnections(socket, connection);
        },
      }),
  };
}

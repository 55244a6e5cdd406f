import { reeveError } from '../../shared/errors/error.js';
import type { Endpoint } from '../../shared/model/host.js';
import { openChannel, targetOf } from '../../shared/rpc/client.js';
import { oneAttempt, type Link } from './link.js';

/** Straight to the agent's address. */
export function directLink(hostName: string, endpoint: Endpoint): Link {
  return {
    kind: 'direct',
    open: (credentials) =>
      Promise.resolve(openChannel({ target: targetOf(endpoint), credentials, unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: hostName, reason }), options: oneAttempt })),
  };
}

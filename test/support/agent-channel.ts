import { reeveError } from '../../shared/errors/error.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { openChannel, targetOf, type Channel } from '../../shared/rpc/client.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import type { TestFleet } from './fleet-certificates.js';

/** A connection of a test fleet's coordinator to an agent of this process, which has to be that host. */
export function openAgentChannel(fleet: TestFleet, { hostId }: { readonly hostId: string }, port: number, hostName = 'web1'): Channel {
  const uri = formatIdentity({ kind: 'host', fleetId: fleet.fleetId, hostId });
  return openChannel({
    target: targetOf({ address: '127.0.0.1', port }),
    credentials: clientCredentials(fleet.coordinator(), (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: Date.now() });
      return problem === undefined ? undefined : new Error(problem);
    }),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: hostName, reason }),
  });
}

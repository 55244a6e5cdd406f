import { existsSync } from 'node:fs';
import { credentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel, type ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';
import type { LabHost } from '../lab/lab.js';

/** Calls the coordinator of a host as root there, without the command line: for what is asked again and again, where starting a program each time would take the cores from those that are waited for. */
export interface HubApi {
  call<Definition, M extends MethodName<Definition>>(service: ServiceName<Definition>, method: M, request: RequestInputOf<Definition[M & keyof Definition]>): Promise<ResponseOf<Definition[M & keyof Definition]>>;
}

/** Where a proxy in the host passes connections on to the coordinator, which does not speak with a process that its kernel shows it no pid of. */
const proxySocket = '/run/lab-api.sock';

async function ensureProxy(hub: LabHost): Promise<void> {
  if (existsSync(hub.outside(proxySocket))) return;
  // Refused where somebody else has just begun it: then it is there soon.
  await hub.exec(['systemd-run', '--quiet', '--unit=lab-api', `--socket-property=ListenStream=${proxySocket}`, '/lib/systemd/systemd-socket-proxyd', '/run/reeved/api.sock']);
}

/** The API of the coordinator that runs on a host; each call has a connection of its own, so that a coordinator may come and go. */
export function hubApi(hub: LabHost): HubApi {
  return {
    async call(service, method, request) {
      await ensureProxy(hub);
      const channel = openChannel({
        target: `unix:${hub.outside(proxySocket)}`,
        credentials: credentials.createInsecure(),
        unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: hub.name, reason }),
        options: { 'grpc.max_receive_message_length': 16 * 1024 * 1024 },
      });
      try {
        return await channel.unary(service, method, request, { deadlineMs: 20_000 });
      } finally {
        channel.close();
      }
    },
  };
}

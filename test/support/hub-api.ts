import { credentials } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import { openChannel, type ServiceName } from '../../shared/rpc/client.js';
import type { MethodName, RequestInputOf, ResponseOf } from '../../shared/rpc/type.js';
import type { LabHost } from '../lab/lab.js';

/** Calls the coordinator of a host as root there, without the command line: for what is asked again and again, where starting a program each time would take the cores from those that are waited for. */
export interface HubApi {
  call<Definition, M extends MethodName<Definition>>(service: ServiceName<Definition>, method: M, request: RequestInputOf<Definition[M & keyof Definition]>): Promise<ResponseOf<Definition[M & keyof Definition]>>;
}

/** The API of the coordinator that runs on a host; each call has a connection of its own, so that a coordinator may come and go. */
export function hubApi(hub: LabHost): HubApi {
  return {
    async call(service, method, request) {
      const channel = openChannel({
        target: `unix:${hub.outside('/run/reeved/api.sock')}`,
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

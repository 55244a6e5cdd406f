import type { ReachServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReachService.js';
import { reeveError } from '../../shared/errors/error.js';
import { parseInteger } from '../../shared/model/field.js';
import { parseNatAddress } from '../../shared/model/nat.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromDuration } from '../../shared/rpc/time.js';
import type { Coordinator } from '../access.js';
import type { Host } from '../host/host.js';
import { policyProblem, readHostPolicy, usablePolicy } from '../policy/policy.js';

/** How long a connection may take, ms. */
const timeout = { min: 100, max: 10_000, default: 3_000 };

/** reeve.agent.v1.ReachService. */
export function reachService({ host, hostName }: { readonly host: Host; readonly hostName: string }): Service<Coordinator> {
  return defineService<ReachServiceDefinition, Coordinator>('reeve.agent.v1.ReachService', {
    CheckReach: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 5, burst: 20 }, maxBytes: 1024, deadlineMs: 15_000,
      handle: async (request) => {
        const address = parseNatAddress('address', request.address);
        const port = parseInteger('port', request.port, { min: 1, max: 65535 });
        const timeoutMs = request.timeout === null ? timeout.default : parseInteger('timeout', fromDuration(request.timeout) ?? 0, timeout);
        const denied = policyProblem(usablePolicy(readHostPolicy(host), hostName), hostName, 'reach.check', { address, port: String(port) });
        if (denied !== undefined) throw reeveError(denied.code, denied.fields);
        const reason = await host.checkReach(address, port, timeoutMs);
        return { open: reason === '', reason };
      },
    },
  });
}

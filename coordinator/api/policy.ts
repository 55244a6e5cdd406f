import type { PolicyServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PolicyService.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Office } from '../office.js';
import { checkPolicies } from '../reconcile/policy.js';
import type { OperatorCaller } from './caller.js';
import { formatHostOutcome } from './event.js';
import { reads } from './row.js';
import { changeableHosts } from './select.js';

/** What hosts' policies say, for operators. */
export function policyService(office: () => Office): Service<OperatorCaller> {
  return defineService<PolicyServiceDefinition, OperatorCaller>('reeve.coordinator.v1.PolicyService', {
    CheckPolicy: {
      ...reads,
      // Each call asks all the selected hosts.
      rate: { perSecond: 1, burst: 10 },
      handle: async function* (request, context) {
        const running = office();
        const hosts = changeableHosts(running.db, context.principal, request.selector === '' ? 'all' : request.selector);
        for await (const outcome of checkPolicies(running, running.fleet, hosts, context.signal)) yield { host: formatHostOutcome(outcome) };
      },
    },
  });
}

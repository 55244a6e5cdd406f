import type { FactServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/FactService.js';
import { formatFacts } from '../../shared/model/fact.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import type { Host } from '../host/host.js';
import { requirePolicy } from '../policy/policy.js';

/** reeve.agent.v1.FactService. */
export function factService(options: { host: Host; hostName: string }): Service<Coordinator> {
  const { host, hostName } = options;
  return defineService<FactServiceDefinition, Coordinator>('reeve.agent.v1.FactService', {
    GetFact: {
      roles: ['coordinator'], risk: 'read', rate: { perSecond: 2, burst: 10 }, maxBytes: 1024, deadlineMs: 30_000,
      handle: async () => {
        requirePolicy(host, hostName, 'fact.read');
        return { facts: formatFacts(await host.readFacts()) };
      },
    },
  });
}

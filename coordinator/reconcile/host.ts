import type { ApplyReleaseResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyReleaseResponse.js';
import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import { reeveError } from '../../shared/errors/error.js';
import { parseChange } from '../../shared/model/change.js';
import { serviceName } from '../../shared/rpc/client.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { addAudit } from '../inventory/audit.js';
import { childrenOf, getHost, retireHost } from '../inventory/host.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<ReleaseServiceDefinition>('reeve.agent.v1.ReleaseService');
const deadlineMs = 120_000;

/**
 * Noun host: the host as a whole, of which the one thing that can be wanted is that it is let go of. It comes after all other nouns; the agent refuses while
 * one of them is still managed. When the agent has acknowledged it, the host is retired.
 */
export const hostNoun: Noun = {
  name: 'host',
  method: 'reeve.agent.v1.ReleaseService/ApplyRelease',
  deadlineMs,
  desired: (db, hostId) => childrenOf(db, hostId).length,
  nothing: undefined,
  forget({ db, clock }, hostId, operationId) {
    const raised = retireHost(db, hostId, clock.now());
    const name = getHost(db, hostId)?.name ?? hostId;
    addAudit(db, { timeMs: clock.now(), principal: 'reeved', action: `host retire ${name}`, arguments: `${hostId} was released`, phase: 'ok', operationId, code: '' });
    return raised;
  },
  async send({ fleet, host }, intent, desired) {
    const children = desired as number;
    if (children > 0) throw reeveError('HOST_HAS_CHILDREN', { value: host.name, rule: `${String(children)} other ${children === 1 ? 'host' : 'hosts'}` });
    return fromResponse(await fleet.call(host, service, 'ApplyRelease', { intent }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, ApplyReleaseResponse>('reeve.agent.v1.ApplyReleaseResponse').decode(response)),
};

function fromResponse(response: ApplyReleaseResponse): Applied {
  return { changes: response.changes.slice(0, 100).map(parseChange), digest: response.digest, policyDigest: response.policyDigest, held: undefined, settle: () => undefined };
}

import type { ApplyRelayRequest, ApplyRelayRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyRelayRequest.js';
import type { ApplyRelayResponse, ApplyRelayResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyRelayResponse.js';
import type { ErrorItem } from '../../shared/errors/error.js';
import { formatChange } from '../../shared/model/change.js';
import { parseRelayChildren, relayDigestModel, type RelayChild } from '../../shared/model/relay.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { parseIntent } from '../engine/intent.js';
import type { NounWork } from '../engine/noun.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import type { RelayList } from './list.js';
import { observeRelay } from './observe.js';
import { planRelay } from './plan.js';

/** The work of ApplyRelay. */
export type RelayWork = NounWork<ApplyRelayRequest, readonly RelayChild[], readonly RelayChild[], ApplyRelayResponseInput>;

/** Why the policy does not let bytes pass to a child; undefined: it does. */
export function childProblem(policy: UsablePolicy, hostName: string, child: RelayChild): ErrorItem | undefined {
  const problem = policyProblem(policy, hostName, 'relay', { address: child.address, port: String(child.port) });
  return problem === undefined ? undefined : { code: problem.code, fields: problem.fields };
}

/** ApplyRelay, as the engine runs it. The list is the agent's own: its one step needs no helper. */
export function relayWork(list: RelayList, hostName: string, onReplaced: () => void): RelayWork {
  const request = messageCodec<ApplyRelayRequestInput, ApplyRelayRequest>('reeve.agent.v1.ApplyRelayRequest');
  const response = messageCodec<ApplyRelayResponseInput, ApplyRelayResponse>('reeve.agent.v1.ApplyRelayResponse');
  return {
    noun: 'relay',
    part: 'own',
    method: 'reeve.agent.v1.RelayService/ApplyRelay',
    request,
    response,
    parse: (wire) => ({ intent: parseIntent(wire.intent), wanted: parseRelayChildren(wire.children) }),
    observe: () => Promise.resolve(observeRelay(list)),
    model: relayDigestModel,
    refused: (wanted, policy) => wanted.flatMap((child) => childProblem(policy, hostName, child) ?? []),
    removalOnly: (wanted, observed) => {
      const stay = new Set(wanted.map((child) => child.hostId));
      return observed.filter((child) => stay.has(child.hostId));
    },
    plan: (wanted, observed, policy) => planRelay({ wanted, observed, deny: (child) => childProblem(policy, hostName, child) }),
    release: (observed) => planRelay({ wanted: [], observed, deny: () => undefined }),
    perform: (step) => {
      list.replace(parseRelayChildren(JSON.parse(String(step.request['children'])) as RelayChild[]));
      onReplaced();
      return Promise.resolve();
    },
    respond: ({ changes, held, digestBefore, digest, policyDigest }) => ({ changes: changes.map(formatChange), held: formatHeld(held), digestBefore, digest, policyDigest }),
    // There is one step, and it is whole or not at all: nothing lies between two.
    stepDone: () => undefined,
  };
}

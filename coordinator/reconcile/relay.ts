import type { ApplyRelayResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyRelayResponse.js';
import type { RelayServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/RelayService.js';
import { parseChange } from '../../shared/model/change.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { desiredRelay } from '../desired/relay.js';
import { relayChildrenOf } from '../inventory/relay.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<RelayServiceDefinition>('reeve.agent.v1.RelayService');
const deadlineMs = 30_000;

/** Noun relay: the hosts that a host's agent passes bytes to. Nobody sets it: it follows from the parents and links of the hosts. */
export const relayNoun: Noun = {
  name: 'relay',
  method: 'reeve.agent.v1.RelayService/ApplyRelay',
  deadlineMs,
  desired: (db, hostId) => desiredRelay(relayChildrenOf(db, hostId)),
  nothing: desiredRelay([]),
  // What is wanted follows from the hosts, and stands there.
  forget: () => [],
  async send({ fleet, host }, intent, desired) {
    const children = desired as ReturnType<typeof desiredRelay>;
    const applied = fromResponse(await fleet.call(host, service, 'ApplyRelay', { intent, children }, { deadlineMs }));
    if (intent.mode === 'MODE_APPLY') fleet.wakeBehind(host.id);
    return applied;
  },
  decode: (response) => fromResponse(messageCodec<never, ApplyRelayResponse>('reeve.agent.v1.ApplyRelayResponse').decode(response)),
};

function fromResponse(response: ApplyRelayResponse): Applied {
  return { changes: response.changes.slice(0, 10_000).map(parseChange), digest: response.digest, policyDigest: response.policyDigest, held: parseHeld(response.held), settle: () => undefined };
}

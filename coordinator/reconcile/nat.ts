import type { ApplyNatResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatResponse.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import { parseChange } from '../../shared/model/change.js';
import { formatNatRules, noNat } from '../../shared/model/nat.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { desiredNat } from '../desired/nat.js';
import { forgetNat } from '../inventory/nat-forget.js';
import { natOf, settleNat } from '../inventory/nat.js';
import { natGuard } from './nat-guard.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<NatServiceDefinition>('reeve.agent.v1.NatService');
const deadlineMs = 120_000;

/** Noun nat: port forwards and masquerading. Each change of it is taken back by its host unless it is confirmed. */
export const natNoun: Noun = {
  name: 'nat',
  method: 'reeve.agent.v1.NatService/ApplyNat',
  needs: { capability: 'nat', lack: 'it cannot forward ports yet' },
  deadlineMs,
  guard: natGuard,
  desired: (db, hostId) => formatNatRules(desiredNat(natOf(db, hostId))),
  nothing: formatNatRules(noNat),
  forget({ db }, hostId) {
    forgetNat(db, hostId);
    return [];
  },
  async send({ fleet, host }, intent, desired) {
    const rules = desired as ReturnType<typeof formatNatRules>;
    return fromResponse(await fleet.call(host, service, 'ApplyNat', { intent, ...rules }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, ApplyNatResponse>('reeve.agent.v1.ApplyNatResponse').decode(response)),
};

function fromResponse(response: ApplyNatResponse): Applied {
  const { pending } = response;
  return {
    changes: response.changes.slice(0, 10_000).map(parseChange),
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    sshPorts: response.sshPorts.slice(0, 8).filter((port) => port >= 1 && port <= 65_535),
    ...(pending === null ? {} : { pending: { operationId: pending.operationId.slice(0, 64), noun: pending.noun.slice(0, 64), deadlineMs: fromTimestamp(pending.deadline) ?? 0 } }),
    settle: settleNat,
  };
}

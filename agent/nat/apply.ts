import type { ApplyNatRequest, ApplyNatRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatRequest.js';
import type { ApplyNatResponse, ApplyNatResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatResponse.js';
import { reeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatChange } from '../../shared/model/change.js';
import { formatNatRules, natDigestModel, noNat, parseNatLines, parseNatRules, type NatRules } from '../../shared/model/nat.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { callHelper } from '../engine/apply.js';
import { parseIntent, requireConfirmS } from '../engine/intent.js';
import type { Circumstances, NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import type { Host } from '../host/host.js';
import { parseOperationId } from '../host/privd.js';
import { policyProblem } from '../policy/policy.js';
import { natAsk, type NatAsk } from './ask.js';
import { checkNat, natRefusals } from './check.js';
import type { HostNetwork } from './foreign/network.js';
import { parseRules } from './foreign/rules.js';
import { observeNat, type ObservedNat } from './observe.js';
import { planNat, planNatRelease } from './plan.js';

/** What is wanted of forwards and masquerades. */
export interface WantedNat {
  readonly rules: NatRules;
  /** Only what removes a rule. */
  readonly removalsOnly: boolean;
  /** How long the change waits to be confirmed, s. */
  readonly confirmS: number;
}

/** The host as a plan sees it. */
export interface NatSeen {
  readonly nat: ObservedNat;
  readonly network: HostNetwork;
  /** Ports on which Reeve's own programs listen. */
  readonly ownPorts: readonly number[];
  /** Interfaces that lose their IPv6 default route when the host begins to forward IPv6. */
  readonly advertised: readonly string[];
}

/** The work of ApplyNat. */
export type NatWork = NounWork<ApplyNatRequest, WantedNat, NatSeen, ApplyNatResponseInput>;

/** Name of the one object that an undo keeps: all rules are one file. */
const savedName = 'rules';

/** ApplyNat, as the engine runs it. */
export function natWork(host: Host, hostName: string, seen: (nat: ObservedNat) => void): NatWork {
  return {
    noun: 'nat',
    part: 'nat',
    method: 'reeve.agent.v1.NatService/ApplyNat',
    request: messageCodec<ApplyNatRequestInput, ApplyNatRequest>('reeve.agent.v1.ApplyNatRequest'),
    response: messageCodec<ApplyNatResponseInput, ApplyNatResponse>('reeve.agent.v1.ApplyNatResponse'),
    parse: (wire) => {
      const intent = parseIntent(wire.intent);
      return { intent, wanted: { rules: intent.release ? noNat : parseNatRules(wire), removalsOnly: false, confirmS: requireConfirmS(intent) } };
    },
    // What others have made matters only where something is to be forwarded or taken over.
    observe: async ({ rules }, operationId) => {
      const asks = rules.forwards.length > 0 || rules.masquerades.some(({ adopt }) => adopt);
      const nat = await observeNat(host.helper, operationId, asks ? 'foreign' : 'managed');
      seen(nat);
      return { nat, network: host.readNetwork(), ownPorts: host.readOwnPorts(), advertised: host.readAdvertised() };
    },
    model: modelOf,
    plan: (wanted, seen, policy, how) => planWanted({ wanted, seen, how, hostName, ask: natAsk(policy, hostName) }),
    removalOnly: (wanted) => ({ ...wanted, removalsOnly: true }),
    release: ({ nat }, policy) => {
      const denied = policyProblem(policy, hostName, 'nat.release', {});
      const refused = denied === undefined ? [] : [{ code: denied.code, fields: denied.fields }];
      return planNatRelease(nat, nat.pending === undefined ? refused : [...refused, stillPending(nat.pending.deadlineMs, hostName)]);
    },
    refused: ({ rules }, policy) => natRefusals(rules, natAsk(policy, hostName)),
    undo: {
      keep: (_names, { nat }) => [{ name: savedName, object: nat.lines.map((line) => `${line}\n`).join('') }],
      restore: (saved) => {
        const text = saved.find(({ name }) => name === savedName)?.object;
        return { wanted: { rules: typeof text === 'string' ? parseNatLines(text) : noNat, removalsOnly: false, confirmS: 60 }, notes: [] };
      },
      format: (intent, { rules }) => {
        const codec = messageCodec<ApplyNatRequestInput, ApplyNatRequest>('reeve.agent.v1.ApplyNatRequest');
        return codec.decode(codec.encode({ intent, ...formatNatRules(rules) }));
      },
      nothing: { rules: noNat, removalsOnly: false, confirmS: 60 },
    },
    perform: async (step, operationId) => {
      if (step.verb === 'nat.apply') await requireNotReverted(host, hostName, operationId);
      // Which operation is confirmed is known only now: it is this one.
      if (step.verb === 'pending.confirm') await host.helper.call('pending.confirm', operationId, { noun: 'nat', operation: parseOperationId(operationId) });
      else await callHelper(host.helper, operationId, step);
    },
    respond: ({ observed: { nat }, changes, held, digestBefore, digest, policyDigest }) => ({
      changes: changes.map(formatChange), digestBefore, digest, policyDigest, held: formatHeld(held),
      pending: nat.pending === undefined ? null : { operationId: nat.pending.operationId, noun: 'nat', deadline: toTimestamp(nat.pending.deadlineMs) },
      sshPorts: [...nat.sshPorts],
    }),
    stepDone: () => failpoint('agent.nat.step'),
  };
}

/** The digest model of what was observed. */
export function modelOf({ nat }: Pick<NatSeen, 'nat'>): ReturnType<NatWork['model']> {
  return natDigestModel(nat.lines, nat.state === 'altered');
}

function planWanted(of: { wanted: WantedNat; seen: NatSeen; how: Circumstances; hostName: string; ask: NatAsk }): Plan {
  const { wanted: { rules, removalsOnly, confirmS }, seen: { nat, network, ownPorts, advertised }, how, hostName, ask } = of;
  const foreign = nat.foreign === undefined ? undefined : parseRules(nat.foreign, (text) => sha256(text).toString('hex'));
  const { problems, taken } = removalsOnly ? { problems: [], taken: [] } : checkNat({ wanted: rules, observed: nat, network, ownPorts, advertised, foreign, ask, hostName });
  // A change of this very operation that a crash interrupted is its own; the helper knows it by its id.
  const waiting = nat.pending === undefined || how.resumed ? [] : [stillPending(nat.pending.deadlineMs, hostName)];
  const plan = planNat({ wanted: rules, removalsOnly, observed: nat, network, taken, problems, confirmS, undo: how.undo });
  return waiting.length > 0 && plan.changes.length > 0 ? { steps: [], changes: [], problems: waiting } : plan;
}

/** A change that the host has taken back is over: an operation that a crash interrupted does not make it again, now that nobody waits to confirm it. */
async function requireNotReverted(host: Host, hostName: string, operationId: string): Promise<void> {
  const { reverted } = await host.helper.call('pending.get', operationId, {});
  const before = reverted.find(({ noun, operation }) => noun === 'nat' && Buffer.from(operation).equals(parseOperationId(operationId)));
  if (before !== undefined) throw reeveError('CONFIRM_REVERTED', { host: hostName, noun: 'nat', reason: before.reason.slice(0, 512) });
}

function stillPending(deadlineMs: number, host: string) {
  return { code: 'CONFIRM_PENDING' as const, fields: { host, noun: 'nat', when: new Date(deadlineMs).toISOString() } };
}

import type { AgentStatusInput } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { HoldInput } from '../../shared/gen/proto/reeve/type/v1/Hold.js';
import type { RelayStatusInput } from '../../shared/gen/proto/reeve/type/v1/RelayStatus.js';
import type { StatusGetReply } from '../../shared/gen/privd.js';
import { version } from '../../shared/kit/version.js';
import { removalOnlyCapability } from '../../shared/model/hold.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Host, Volume } from '../host/host.js';
import type { TrustState } from '../identity/trust.js';
import type { Journal } from '../journal/journal.js';
import { readHostPolicy } from '../policy/policy.js';

/** Abilities beyond the first release. */
const capabilities: readonly string[] = ['release', removalOnlyCapability, 'key', 'nat', 'cert', 'vhost', 'reach', 'backup', 'container', 'unit'];

/** What can be read at any time. */
export interface StatusSources {
  readonly host: Host;
  readonly journal: Journal;
  /** What is told of the relay; null: nothing. */
  readonly relay: () => RelayStatusInput | null;
  readonly trust: Pick<TrustState, 'denied' | 'movedVersion'>;
  /** What became of the last upgrade; empty: nothing is to be said. */
  readonly upgrade: string;
  /** Random name of this process. */
  readonly instanceId: string;
}

/** What the hub knows beside what it can read at any time. */
export interface Known {
  /** The helper's last answer, and "ok" or why there is none. */
  readonly helper: { readonly reply: StatusGetReply | undefined; readonly state: string };
  /** Unix ms. */
  readonly certificateNotAfter: number;
  readonly holds: HoldInput[];
  readonly renewalProblem: string;
  readonly volumes: readonly Volume[];
}

/** The status of the agent as it is told. */
export function buildStatus({ host, journal, trust, upgrade, instanceId, relay }: StatusSources, known: Known): AgentStatusInput {
  const policy = readHostPolicy(host);
  const helper = known.helper.reply;
  return {
    agentVersion: version,
    capabilities: [...capabilities],
    bootId: host.bootId(),
    policyState: policy.kind === 'usable' ? (helper?.policyState ?? 'ok') : policy.state,
    policyReason: policy.kind === 'usable' ? (helper?.policyReason ?? '') : policy.reason,
    policyDigest: policy.digest ?? Buffer.alloc(0),
    helperState: known.helper.state,
    helperVersion: helper?.version ?? '',
    auditSeq: helper?.auditSeq ?? 0,
    auditHead: helper?.auditHead ?? Buffer.alloc(0),
    auditState: helper?.auditState ?? '',
    certificateNotAfter: toTimestamp(known.certificateNotAfter),
    privileges: helper === undefined ? null : { kernel: helper.kernel, landlockAbi: helper.landlockAbi, peerCheck: helper.peerCheck, openat2: helper.openat2, seccomp: helper.seccomp },
    openOperations: journal.open().length,
    pendingChange: '',
    denyListVersion: trust.denied().version,
    movedVersion: trust.movedVersion,
    holds: known.holds,
    upgrade,
    instanceId,
    relay: relay(),
    renewalProblem: known.renewalProblem,
    volumes: [...known.volumes],
  };
}

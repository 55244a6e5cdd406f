import type { ApplyUserRequest, ApplyUserRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserRequest.js';
import type { ApplyUserResponse, ApplyUserResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyUserResponse.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import type { Canonical } from '../../shared/model/canonical.js';
import { formatChange } from '../../shared/model/change.js';
import { formatUser, parseUsers, userDigestModel, type ObservedUser, type User } from '../../shared/model/user.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { parseIntent } from '../engine/intent.js';
import type { NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import type { Host } from '../host/host.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import { observeUsers } from './observe.js';
import { planUsers } from './plan.js';
import { removalsOf } from './removal.js';
import { keepUsers, restoreUsers } from './restore.js';
import { formatObservedUser } from './render.js';

/** The work of ApplyUser. */
export type UserWork = NounWork<ApplyUserRequest, readonly User[], readonly ObservedUser[], ApplyUserResponseInput>;

/** ApplyUser, as the engine runs it. */
export function userWork(host: Host, hostName: string): UserWork {
  const request = messageCodec<ApplyUserRequestInput, ApplyUserRequest>('reeve.agent.v1.ApplyUserRequest');
  const response = messageCodec<ApplyUserResponseInput, ApplyUserResponse>('reeve.agent.v1.ApplyUserResponse');
  const plan = (wanted: readonly User[], observed: readonly ObservedUser[], policy: UsablePolicy): Plan =>
    planUsers({
      wanted,
      observed,
      accounts: host.readAccounts(),
      homeExists: (name) => host.homeExists(name),
      deny: (operation, args) => policyProblem(policy, hostName, operation, args),
      hostName,
    });
  return {
    noun: 'user',
    part: 'accounts',
    method: 'reeve.agent.v1.UserService/ApplyUser',
    request,
    response,
    parse: (wire) => ({ intent: parseIntent(wire.intent), wanted: parseUsers(wire.users) }),
    observe: async (wanted, operationId) => {
      const managed = await observeUsers(host.helper, operationId, 'managed');
      const known = new Set(managed.map((user) => user.name));
      // Whether an account that is to be adopted is locked stands where only the helper can read.
      const adopts = wanted.some((user) => 'account' in user && user.account.kind === 'adopted' && !known.has(user.name));
      return adopts ? observeUsers(host.helper, operationId, 'all') : managed;
    },
    model: (observed) => userDigestModel(observed) as readonly Canonical[],
    plan,
    // Also accounts that the coordinator does not know of: their markers are of an earlier life of this host.
    release: (observed, policy) => plan(observed.filter((user) => user.marker !== '').map(({ name }) => ({ presence: 'released', name })), observed, policy),
    refused: (wanted, policy) => {
      const made = new Set(wanted.flatMap((user) => ('account' in user && user.account.kind !== 'adopted' ? [user.name] : [])));
      const { passwd, groups, shells } = host.readAccounts();
      return planUsers({
        wanted: wanted.filter((user) => user.presence === 'present' || user.presence === 'locked'),
        observed: [],
        accounts: { passwd: passwd.filter((entry) => !made.has(entry.name)), groups: new Set([...groups].filter((name) => !made.has(name))), shells },
        homeExists: () => false,
        deny: (operation, args) => policyProblem(policy, hostName, operation, args),
        hostName,
      }).problems;
    },
    removalOnly: removalsOf,
    undo: {
      keep: keepUsers,
      restore: (saved, observed, policy) =>
        restoreUsers(saved, {
          observed,
          names: new Set(host.readAccounts().passwd.map((entry) => entry.name)),
          mayRemove: (name) => policyProblem(policy, hostName, 'user.remove', { name }) === undefined,
        }),
      format: (intent, users) => request.decode(request.encode({ intent, users: users.map(formatUser) })),
      nothing: [],
    },
    respond: ({ wanted, observed, changes, held, digestBefore, digest, policyDigest }) => {
      const named = new Set(wanted.map((user) => user.name));
      return {
        changes: changes.map(formatChange),
        digestBefore,
        digest,
        policyDigest,
        held: formatHeld(held),
        users: observed.filter((user) => user.marker !== '' && named.has(user.name)).map(formatObservedUser),
      };
    },
    stepDone: () => failpoint('agent.user.step'),
  };
}

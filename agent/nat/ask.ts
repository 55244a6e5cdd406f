import type { PolicyArgs } from '../../shared/model/policy.js';
import { evaluatePolicyRange } from '../../shared/model/policy.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import type { Deny } from '../user/plan.js';

/** What the host's policy says. */
export interface NatAsk {
  readonly deny: Deny;
  /** What it says to all numbers of a key: the first that it does not allow; undefined: it allows them all. */
  readonly denyRange: (operation: string, args: PolicyArgs, range: { readonly key: string; readonly first: number; readonly last: number }) => ReturnType<Deny>;
}

/** Asks a policy. */
export function natAsk(policy: UsablePolicy, hostName: string): NatAsk {
  return {
    deny: (operation, args) => policyProblem(policy, hostName, operation, args),
    denyRange: (operation, args, range) => policyProblem(policy, hostName, operation, evaluatePolicyRange(policy.policy, operation, args, range).args),
  };
}

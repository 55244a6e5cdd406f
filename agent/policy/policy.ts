import type { ErrorCode } from '../../shared/errors/catalogue.js';
import { reeveError, type ErrorItem } from '../../shared/errors/error.js';
import { evaluatePolicy, parsePolicy, type Policy, type PolicyArgs } from '../../shared/model/policy.js';
import type { Host } from '../host/host.js';

/** What any coordinator may do on this host, or why nobody can tell. */
export type HostPolicy = UsablePolicy | UnusablePolicy;

/** A policy that can be asked. */
export interface UsablePolicy {
  readonly kind: 'usable';
  readonly policy: Policy;
  /** sha256 of the file. */
  readonly digest: Buffer;
}

/** A policy that allows nothing but status (R31). */
export interface UnusablePolicy {
  readonly kind: 'unusable';
  /** missing, unreadable, owner, mode, type, size or syntax. */
  readonly state: string;
  readonly reason: string;
  readonly digest: Buffer | undefined;
}

/** Reads the policy as it is now. The helper reads it again for every verb; this is for early answers and for what needs no helper. */
export function readHostPolicy(host: Host): HostPolicy {
  const file = host.readPolicy();
  if (file.kind === 'fault') return { kind: 'unusable', state: file.fault, reason: file.reason, digest: undefined };
  const parsed = parsePolicy(file.text);
  if (parsed.kind === 'policy') return { kind: 'usable', policy: parsed.policy, digest: file.digest };
  const first = parsed.problems[0];
  return { kind: 'unusable', state: 'syntax', reason: first === undefined ? 'it cannot be read' : `line ${String(first.line)}: ${first.text}`, digest: file.digest };
}

/** The policy, or POLICY_UNUSABLE. */
export function usablePolicy(policy: HostPolicy, hostName: string): UsablePolicy {
  if (policy.kind === 'unusable') throw reeveError('POLICY_UNUSABLE', { host: hostName, reason: policy.reason });
  return policy;
}

/** Whether the policy can be used and allows an operation without arguments. */
export function allows(policy: HostPolicy, operation: string): boolean {
  return policy.kind === 'usable' && evaluatePolicy(policy.policy, operation, {}).kind === 'allow';
}

/** Why the policy does not allow an operation, in the helper's words; undefined when it does. */
export function policyProblem(policy: UsablePolicy, hostName: string, operation: string, args: PolicyArgs): (ErrorItem & { readonly verdict: 'deny' | 'none' }) | undefined {
  const verdict = evaluatePolicy(policy.policy, operation, args);
  if (verdict.kind === 'allow') return undefined;
  const asked = (verdict.wanted.split(' #')[0] ?? '').split(' ').slice(2).join(' ');
  return { code: 'POLICY_DENIED', fields: { host: hostName, op: operation, args: asked, line: verdict.wanted }, verdict: verdict.kind };
}

/** Errors: POLICY_UNUSABLE, POLICY_DENIED. */
export function requirePolicy(host: Host, hostName: string, operation: string): void {
  const problem = policyProblem(usablePolicy(readHostPolicy(host), hostName), hostName, operation, {});
  if (problem !== undefined) throw reeveError(problem.code, problem.fields);
}

/** What the host's policy says no with. */
const refusalCodes: readonly ErrorCode[] = ['POLICY_DENIED', 'GROUP_DANGEROUS', 'KEY_ROOT'];

/** The problems of a plan that are the policy's word, each once. */
export function policyRefusals(problems: readonly ErrorItem[]): readonly ErrorItem[] {
  return [...new Map(problems.filter((item) => refusalCodes.includes(item.code)).map((item) => [JSON.stringify(item), item])).values()];
}

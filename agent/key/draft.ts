import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change, FieldChange } from '../../shared/model/change.js';
import type { PublicKey } from '../../shared/model/key.js';
import type { KeyManifest, UserKeys } from '../../shared/model/manifest.js';
import type { Step } from '../engine/step.js';
import type { Deny } from '../user/plan.js';
import type { ObservedKeys } from './observe.js';

/** Everything a plan is computed from. */
export interface KeyPlanInput {
  readonly manifest: KeyManifest;
  readonly observed: ObservedKeys;
  /** uid of each account that exists. */
  readonly accounts: ReadonlyMap<string, number>;
  /** Unix ms. */
  readonly now: number;
  /** `plan`: keys of accounts that do not exist yet are shown; `apply`: they are left out. */
  readonly mode: 'plan' | 'apply';
  /** Only what takes access away. */
  readonly removalsOnly: boolean;
  /** Whether a coordinator was heard just now. */
  readonly fresh: boolean;
  /** Largest max-stale for a user, s. */
  readonly bound: (user: string, rootKeys: 'yes' | 'no') => number;
  readonly deny: Deny;
  readonly fingerprint: (key: PublicKey) => string;
  readonly hostName: string;
}

/** The order of the work: what takes access away first, sshd when all files are there, what cannot be taken back last. */
export const phases = ['remove', 'put', 'sshd', 'purge', 'end'] as const;
type Phase = (typeof phases)[number];

/** The work of one request, collected user by user. */
export interface KeyDraft {
  readonly input: KeyPlanInput;
  /** Wanted users of which the account exists, or with a plan is to come. */
  readonly users: readonly UserKeys[];
  readonly steps: { readonly phase: Phase; readonly step: Step }[];
  /** By user, and `sshd`. */
  readonly fields: Map<string, FieldChange[]>;
  readonly kinds: Map<string, Change['kind']>;
  readonly problems: ErrorItem[];
}

/** Base64 of a text of ASCII characters: steps have bytes as base64. */
export const encodeText = (text: string): string => btoa(text);

/** Asks the policy; what it refuses stands in the way. */
export function ask(draft: KeyDraft, operation: string, args: Readonly<Record<string, string | undefined>>): void {
  const denied = draft.input.deny(operation, args);
  if (denied !== undefined) draft.problems.push({ code: denied.code, fields: denied.fields });
}

/** Something stands in the way. */
export function problem(draft: KeyDraft, code: ErrorItem['code'], fields: Readonly<Record<string, string>>): void {
  draft.problems.push({ code, fields: { host: draft.input.hostName, ...fields } });
}

/** Adds a step. */
export function addStep(draft: KeyDraft, phase: Phase, step: Step): void {
  draft.steps.push({ phase, step });
}

/** Tells what changes of a user. */
export function note(draft: KeyDraft, subject: string, kind: Change['kind'], fields: readonly FieldChange[]): void {
  if (!draft.kinds.has(subject)) draft.kinds.set(subject, kind);
  draft.fields.set(subject, [...(draft.fields.get(subject) ?? []), ...fields]);
}

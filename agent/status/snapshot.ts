import type { AgentStatusInput } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { NounDigestInput } from '../../shared/gen/proto/reeve/type/v1/NounDigest.js';
import type { nounDigest } from '../../shared/kit/digest.js';
import type { Facts } from '../../shared/model/fact.js';
import type { HostPart } from '../host/host.js';

/** How a noun is observed for its digest. */
export interface ObservedNoun {
  readonly noun: string;
  /** Policy word that allows it. */
  readonly operation: string;
  /** Whether there is anything to tell of it; absent: always. */
  readonly present?: () => boolean;
  /** Which part of the host it is in. */
  readonly part: HostPart;
  /** Whether it may have changed since it was observed last, asked every few minutes where no file tells; absent: files do. */
  readonly moved?: (operationId: string) => Promise<boolean>;
  /** When it changes by itself unless somebody keeps it as it is, unix ms; undefined or absent: it does not. */
  readonly dueAt?: () => number | undefined;
  /** The digest model of the managed objects. Runs between changes of the noun. */
  readonly observe: (operationId: string) => Promise<Parameters<typeof nounDigest>[1]>;
}

/** What is known now; every part has a number that counts up when it changes. */
export interface Snapshot {
  readonly status: { readonly value: AgentStatusInput; readonly count: number };
  readonly digests: { readonly value: readonly NounDigestInput[]; readonly count: number };
  readonly facts: { readonly value: Facts | undefined; readonly count: number };
}

/** Whether two parts say the same. */
export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

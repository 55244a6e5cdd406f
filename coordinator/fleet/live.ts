import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { ParsedFacts } from '../../shared/model/fact.js';

/** What is known of a host from its connection; kept in memory. */
export interface Live {
  readonly state: 'connected' | 'lost';
  /** Since when, unix ms. */
  readonly sinceMs: number;
  /** Why it is lost; empty when it is connected. */
  readonly reason: string;
  /** When it was last heard of, unix ms; 0: never by this process. */
  readonly lastSeenMs: number;
  /** Host's clock minus ours, ms. */
  readonly clockOffsetMs: number;
  readonly status: AgentStatus | undefined;
  readonly facts: ParsedFacts | undefined;
  /** End of the certificate the agent showed, unix ms. */
  readonly certificateNotAfterMs: number;
}

/** A host that this process has not reached yet. */
export function notYet(now: number): Live {
  return { state: 'lost', sinceMs: now, reason: 'not connected yet', lastSeenMs: 0, clockOffsetMs: 0, status: undefined, facts: undefined, certificateNotAfterMs: 0 };
}

/** In the reason of a host that shows a key of before its last renewal: a fork of the history of its keys, by a restored snapshot or a copy. */
export const replacedKey = 'replaced by a newer one';

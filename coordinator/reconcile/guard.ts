import type { PendingChange } from './confirm.js';
import type { Applied, Destination } from './noun.js';

/** How a change that its host takes back by itself is to be confirmed. */
export interface Confirmation {
  /** A person confirms it. */
  readonly manual: boolean;
  /** Until the host takes it back, ms; undefined: what the host takes. */
  readonly timeoutMs: number | undefined;
}

/** What nobody said anything about: the coordinator confirms when all that it reached before answers again. */
export const usualConfirmation: Confirmation = { manual: false, timeoutMs: undefined };

/** A port that could be reached before a change. */
export interface Sight {
  /** Id of the host that looks; empty: the coordinator itself. */
  readonly from: string;
  readonly address: string;
  readonly port: number;
}

/** What was so before a change, and has to be so again before it is confirmed. Stored with the operation, so that a coordinator that was restarted still knows it. */
export interface Watch {
  readonly manual: boolean;
  /** Ids of the hosts whose agents answered. */
  readonly agents: readonly string[];
  /** Ports of sshd that were open. */
  readonly sights: readonly Sight[];
}

/** A change that waits to be confirmed. */
export interface Waiting {
  /** Until the host takes it back, ms. */
  readonly leftMs: number;
  /** What is not yet as it was, for people. */
  readonly missing: readonly string[];
  readonly manual: boolean;
}

/** A change that was made and is not confirmed yet. */
export interface Unconfirmed {
  readonly applied: Applied;
  readonly pending: PendingChange;
  readonly watch: Watch;
  /** It was made before this process knew of it: it may have been confirmed or taken back since. */
  readonly resumed: boolean;
  /** Nothing is waited for any more. */
  readonly signal: AbortSignal;
  /** Hears at once, and about once a second, what is waited for. */
  readonly waiting?: (waiting: Waiting) => void;
}

/** How a noun makes sure that a change of it cuts nobody off, before it is confirmed. */
export interface Guard {
  /** Refuses what nobody could confirm. */
  require(to: Destination, confirmation: Confirmation): void;
  /** Looks, before a change is made, at what has to be so after it. Errors: as `require`. */
  prepare(to: Destination, planned: Applied, confirmation: Confirmation): Promise<Watch>;
  /** Confirms a change when all is as it was before, or a person says so. Errors: CONFIRM_REVERTED with what is missing; HOST_UNREACHABLE when nobody knows what became of it. */
  confirm(to: Destination, change: Unconfirmed): Promise<void>;
}

/** A change that its host takes back by itself unless it is confirmed. */
export interface PendingChange {
  readonly operationId: string;
  readonly noun: string;
  /** When it is taken back, by the host's clock, unix ms. */
  readonly deadlineMs: number;
}

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

import type { ErrorItem } from '../../shared/errors/error.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import type { Change } from '../../shared/model/change.js';
import type { Held } from '../../shared/rpc/hold.js';
import type { Fleet } from '../fleet/fleet.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import type { Confirmation, PendingChange, Waiting, Watch } from './guard.js';

/** What an agent answered to an intent. */
export interface Applied {
  readonly changes: readonly Change[];
  /** Digest of the noun now, 32 bytes. */
  readonly digest: Buffer;
  /** Policy it was computed under, 32 bytes. */
  readonly policyDigest: Buffer;
  /** What a hold held back; undefined: nothing. */
  readonly held: Held | undefined;
  /** A part of it that the host takes back by itself unless it is confirmed; absent: none. */
  readonly pending?: PendingChange;
  /** Ports on which sshd of the host listens; absent: not told. */
  readonly sshPorts?: readonly number[];
  /** What else there is to know of it, a line each, for people. Hostile: to be escaped where it is shown. Absent: nothing. */
  readonly notes?: readonly string[];
  /** Notes in the inventory what follows from the answer; in the transaction that records it. */
  readonly settle: (db: Database, hostId: string, generation: number, now: number) => void;
  /** The same for an answer of which a hold kept a part back: what removes access was done. */
  readonly settleHeld?: (db: Database, hostId: string, generation: number, now: number) => void;
}

/** A host, and what reaches it. */
export interface Destination {
  readonly world: World;
  readonly fleet: Fleet;
  readonly host: HostRow;
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

/** What failed on a host. */
export interface FailedPart {
  readonly hostId: string;
  readonly noun: string;
  readonly generation: number;
}

/** One declarative noun as the engine sees it: what a host should have, and the one RPC that makes it so. */
export interface Noun {
  readonly name: string;
  /** Full name of the method, as agents journal it. */
  readonly method: string;
  /** The capability that an agent must have for it, and what one without it cannot do yet; absent: every agent has it. */
  readonly needs?: { readonly capability: string; readonly lack: string };
  /** Longest time one host may take, ms. */
  readonly deadlineMs: number;
  /** What has to be so before a change of it is confirmed; absent: that the host can be reached. */
  readonly guard?: Guard;
  /** What a host should have, from the inventory; given to `send` as it is. */
  desired(db: Database, hostId: string): unknown;
  /** What `desired` gives for a host that has nothing: sent with an intent that lets go of the noun. */
  readonly nothing: unknown;
  /** A host let go of the noun: forgets what was wanted of it there, and answers the other hosts that are to be told something else for it. In the transaction that records its answer. */
  forget(world: World, hostId: string, operationId: string): readonly string[];
  /** Notes in the inventory what follows from errors that a host answered to an intent that was to change it; in the transaction that records them. Answers the hosts that are to be told something else for it. Absent: nothing. */
  failed?(world: World, part: FailedPart, errors: readonly ErrorItem[]): readonly string[];
  /** Sends an intent with what the host should have. */
  send(to: Destination, intent: IntentInput, desired: unknown): Promise<Applied>;
  /** The stored answer of an operation, from the agent's journal. */
  decode(response: Buffer): Applied;
}

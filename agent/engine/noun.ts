import type { ErrorItem } from '../../shared/errors/error.js';
import type { Canonical } from '../../shared/model/canonical.js';
import type { Held } from '../../shared/rpc/hold.js';
import type { HostPart } from '../host/host.js';
import type { StoredStep } from '../journal/line.js';
import type { UsablePolicy } from '../policy/policy.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import type { Intent } from './intent.js';
import type { Plan } from './step.js';
import type { Restored, Saved } from './undo.js';

/** How a message is written down. */
export interface Codec<Message> {
  encode(message: Message): Buffer;
  decode(bytes: Buffer): Message;
}

/** What a plan is for. */
export interface Circumstances {
  readonly mode: Intent['mode'];
  /** Root of the host takes operations back: what is wanted is no coordinator's word. */
  readonly undo: boolean;
  /** It began before a crash; that it may begin was checked then. */
  readonly resumed: boolean;
}

/** The circumstances of a call. */
export function circumstancesOf(asked: { readonly intent: Pick<Intent, 'mode'>; readonly undoes: readonly string[]; readonly resumed: unknown }): Circumstances {
  return { mode: asked.intent.mode, undo: asked.undoes.length > 0, resumed: asked.resumed !== undefined };
}

/** One noun, as the engine needs it. The engine runs every noun alike; what a noun wants and sees is its own business. */
export interface NounWork<Request = unknown, Wanted = unknown, Observed = unknown, Response = unknown> {
  readonly noun: string;
  /** The part of the host it is in. */
  readonly part: HostPart;
  /** Full name of the method, e.g. `reeve.agent.v1.UserService/ApplyUser`. */
  readonly method: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
  /** The wanted state. Errors: those of the noun's grammar. */
  parse(request: Request): { intent: Intent; wanted: Wanted };
  observe(wanted: Wanted, operationId: string): Promise<Observed>;
  /** The managed objects, each with its name: what the digest is made of. */
  model(observed: Observed): readonly Canonical[];
  plan(wanted: Wanted, observed: Observed, policy: UsablePolicy, how: Circumstances): Plan;
  /** The part of what is wanted that only removes access, the rest as it is now: what is made while a hold lasts. All steps of its plan have removesAccess. */
  removalOnly(wanted: Wanted, observed: Observed): Wanted;
  /** Lets go of all that is managed: it stays as it is and works without Reeve. Answers no step when nothing is managed. */
  release(observed: Observed, policy: UsablePolicy): Plan;
  /**
   * What removes access can come too late for what began while it was made, e.g. a login that opened just before its key was taken: what is wanted is looked at
   * and made again after the steps, as far as it removes access.
   */
  readonly raced?: true;
  /** What the agent itself stores after the helper's steps; can be repeated. Absent: nothing. */
  commit?(operationId: string): Promise<void>;
  /** How operations of the noun are taken back by root of the host. Absent: they are not. */
  readonly undo?: NounUndo<Request, Wanted, Observed>;
  /** What stands in the way of all that is wanted, as though nothing of it were there yet. */
  refused(wanted: Wanted, policy: UsablePolicy): readonly ErrorItem[];
  respond(answer: Answer<Wanted, Observed>): Response;
  /** Makes a step of a noun that is the agent's own, repeatably; absent: its steps are verbs of the helper. */
  readonly perform?: (step: StoredStep, operationId: string) => Promise<void>;
  /** Called after each step: the place where tests let the agent die. */
  stepDone(): void;
}

/** How a noun goes back. */
export interface NounUndo<Request = unknown, Wanted = unknown, Observed = unknown> {
  /** These objects as they are, before a change alters them. As JSON; kept in the journal. */
  keep(names: readonly string[], observed: Observed): readonly Saved[];
  /** What has to be wanted so that kept objects are again as they were. `observed` is of `observe` with nothing wanted. */
  restore(saved: readonly Saved[], observed: Observed, policy: UsablePolicy): Restored<Wanted>;
  /** The request that asks for it, which an undo is journaled as. */
  format(intent: IntentInput, wanted: Wanted): Request;
  /** Nothing wanted. */
  readonly nothing: Wanted;
}

/** What a response is made of. */
export interface Answer<Wanted = unknown, Observed = unknown> {
  readonly wanted: Wanted;
  /** As it is now. */
  readonly observed: Observed;
  /** Made, or with a plan to be made. */
  readonly changes: Plan['changes'];
  /** What a hold held back; goes into the response as formatHeld() has it. */
  readonly held: Held | undefined;
  readonly digestBefore: Buffer;
  readonly digest: Buffer;
  readonly policyDigest: Buffer;
}

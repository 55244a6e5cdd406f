import { errorItems, reeveError, ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { newId } from '../../shared/kit/id.js';
import { heldItem, holdOn, removalOnlyCapability, type Hold } from '../../shared/model/hold.js';
import type { Held } from '../../shared/rpc/hold.js';
import { toDuration } from '../../shared/rpc/time.js';
import type { Fleet } from '../fleet/fleet.js';
import { getGeneration, raiseGeneration, setApplied, setPendingReason, setReverted } from '../inventory/generation.js';
import type { Live } from '../fleet/live.js';
import type { HostRow } from '../inventory/host.js';
import { setOperationHost, setWatch, watchOf, type OperationHostRow } from '../inventory/operation.js';
import { holdsOf } from '../inventory/hold.js';
import { writing } from '../inventory/write.js';
import type { World } from '../world.js';
import { requireAble } from './able.js';
import { confirmPending } from './confirm.js';
import { hostNoun } from './host.js';
import { usualConfirmation, type Confirmation, type Waiting, type Watch } from './guard.js';
import type { Applied, Destination, Noun } from './noun.js';
import { findNoun } from './nouns.js';

/** What one host said to an intent. */
export type Answer =
  | { readonly outcome: 'ok'; readonly applied: Applied; readonly durationMs: number }
  | {
      readonly outcome: 'failed' | 'pending' | 'unknown';
      readonly errors: readonly ErrorItem[];
      readonly durationMs: number;
      /** A hold let only a part of it through: that part, and what was held back. */
      readonly partly?: Applied & { readonly held: Held };
    };

/** One intent for one host. */
export interface SendRequest {
  readonly host: HostRow;
  readonly noun: Noun;
  readonly intent: IntentInput;
  readonly desired: unknown;
  /** The host is to let go of the noun. */
  readonly release: boolean;
  /** How a change that the host takes back by itself is confirmed; absent: the usual way. */
  readonly confirmation?: Confirmation;
  /** Nothing is waited for any more. */
  readonly signal?: AbortSignal;
  /** Hears what a change waits for before it is confirmed, where its noun has a guard. */
  readonly waiting?: (waiting: Waiting) => void;
  /** Hears that it was confirmed. */
  readonly confirmed?: () => void;
}

/** An agent that does not know the intent would take it for one that wants nothing, and say that all is well. */
function requireRelease(live: Live): void {
  if (live.state !== 'connected' || live.status === undefined || live.status.capabilities.includes('release')) return;
  throw reeveError('VERSION_UNSUPPORTED', { value: `${live.status.agentVersion} of the agent`, rule: 'it cannot let go of a host yet' });
}

/**
 * Sends one intent to one host and sorts the answer: failed was refused or went wrong, pending never left or was held back, unknown left and was not
 * answered. While the host is held it is asked for no more than removal of access.
 */
export async function sendIntent(world: World, fleet: Fleet, request: SendRequest): Promise<Answer> {
  const { host, noun } = request;
  const intent: IntentInput = request.release ? { ...request.intent, release: true } : request.intent;
  const desired = request.release && noun !== hostNoun ? noun.nothing : request.desired;
  const startedAt = world.clock.monotonic();
  const durationMs = (): number => Math.round(world.clock.monotonic() - startedAt);
  const before = fleet.live(host.id);
  const hold = holdOn(holdsOf(world.db, host.id, world.clock.now()), noun.name);
  // Letting go is nothing that a held host does; a plan is shown all the same.
  if (hold !== undefined && request.release && intent.mode === 'MODE_APPLY') return { outcome: 'pending', errors: [heldItem(host.name, noun.name, hold)], durationMs: 0 };
  const able = before.status?.capabilities.includes(removalOnlyCapability) === true;
  if (hold !== undefined && intent.mode === 'MODE_APPLY' && before.state === 'connected' && !able) {
    return { outcome: 'pending', errors: [heldItem(host.name, noun.name, hold), { code: 'HOST_HOLD_UNSUPPORTED', fields: { host: host.name } }], durationMs: 0 };
  }
  const left = { sent: false };
  try {
    requireAble(before, noun);
    if (request.release) requireRelease(before);
    const asked = hold === undefined || request.release ? intent : { ...intent, removalOnly: true };
    const applied = await dispatch({ world, fleet, host }, { ...request, intent: asked, desired }, () => (left.sent = true));
    return sortApplied(applied, { host, noun, hold: request.release ? undefined : hold, able, durationMs: durationMs() });
  } catch (error) {
    if (request.signal?.aborted === true && left.sent) return { outcome: 'unknown', errors: [{ code: 'OUTCOME_UNKNOWN', fields: { host: host.name } }], durationMs: durationMs() };
    const errors = errorItems(error, intent.operationId ?? '');
    if (!(error instanceof ReeveError)) world.log.error({ host: host.name, noun: noun.name, err: error }, 'sending an intent failed in a way that is not in the catalogue');
    const lost = error instanceof ReeveError && error.code === 'HOST_UNREACHABLE';
    if (error instanceof ReeveError && (error.code === 'HOST_NOT_JOINED' || error.code === 'HOST_QUARANTINED' || error.code === 'HOST_HELD')) return { outcome: 'pending', errors, durationMs: durationMs() };
    if (!lost) return { outcome: 'failed', errors, durationMs: durationMs() };
    if (before.state !== 'connected' || intent.mode !== 'MODE_APPLY' || !left.sent) return { outcome: 'pending', errors, durationMs: durationMs() };
    return { outcome: 'unknown', errors: [{ code: 'OUTCOME_UNKNOWN', fields: { host: host.name } }], durationMs: durationMs() };
  }
}

/** Sends an intent, and has what it changes confirmed; `sent` is called before anything leaves that changes the host. */
async function dispatch(to: Destination, request: SendRequest, sent: () => void): Promise<Applied> {
  const { noun, desired } = request;
  const { guard } = noun;
  if (guard === undefined || request.release) {
    sent();
    const applied = await noun.send(to, request.intent, desired);
    if (applied.pending !== undefined) await confirmPending(to.world, to.fleet, to.host, applied.pending);
    return applied;
  }
  const confirmation = request.confirmation ?? usualConfirmation;
  const planned = await noun.send(to, { ...request.intent, mode: 'MODE_PLAN', operationId: newId(to.world.clock.now()) }, desired);
  const changes = planned.changes.length > 0 && request.intent.checkPolicy !== true;
  if (changes) guard.require(to, confirmation);
  if (request.intent.mode !== 'MODE_APPLY') return planned;
  const watch = changes ? await guard.prepare(to, planned, confirmation) : undefined;
  if (watch !== undefined) noteWatch(to, request, watch);
  sent();
  const timeout = confirmation.timeoutMs === undefined ? {} : { confirmTimeout: toDuration(confirmation.timeoutMs) };
  const applied = await noun.send(to, { ...request.intent, ...timeout }, desired);
  const { pending } = applied;
  if (pending === undefined) return applied;
  const change = { applied, pending, watch: watch ?? (await guard.prepare(to, applied, confirmation)), resumed: false, signal: request.signal ?? new AbortController().signal };
  await guard.confirm(to, { ...change, ...(request.waiting === undefined ? {} : { waiting: request.waiting }) });
  request.confirmed?.();
  return applied;
}

/** What has to be so again is stored before anything is changed: whoever goes on after a crash confirms nothing else. */
function noteWatch({ world, host }: Destination, { intent, noun }: SendRequest, watch: Watch): void {
  writing(world.db, () => setWatch(world.db, { operationId: intent.operationId ?? '', hostId: host.id, noun: noun.name }, JSON.stringify(watch)));
}

/** Confirms what an operation changed that this process did not make, or asks what became of it. Errors: as for Guard.confirm and confirmPending. */
export async function confirmResumed(to: Destination, noun: Noun, { part, applied, signal }: { part: Part; applied: Applied; signal: AbortSignal }): Promise<void> {
  const { pending } = applied;
  if (pending === undefined) return;
  if (noun.guard === undefined) {
    await confirmPending(to.world, to.fleet, to.host, pending);
    return;
  }
  const noted = watchOf(to.world.db, part);
  const watch = noted === undefined ? await noun.guard.prepare(to, applied, usualConfirmation) : (JSON.parse(noted) as Watch);
  await noun.guard.confirm(to, { applied, pending, watch, resumed: true, signal });
}

/** All that was wanted is so, or a hold kept a part of it back. An agent that does not know holds plans as if there were none. */
export function sortApplied(applied: Applied, about: { host: HostRow; noun: Noun; hold: Hold | undefined; able: boolean; durationMs: number }): Answer {
  const { host, noun, hold, durationMs } = about;
  const unaware = hold !== undefined && !about.able && applied.changes.length > 0;
  const held = unaware ? { changes: applied.changes, holds: [] } : applied.held;
  if (held === undefined) return { outcome: 'ok', applied, durationMs };
  const longest = holdOn([...(hold === undefined ? [] : [hold]), ...held.holds], noun.name);
  const errors: ErrorItem[] = [
    longest === undefined ? { code: 'HOST_HELD', fields: { host: host.name, noun: noun.name, text: 'held, by a hold that has ended since', remedy: `reeve apply --on ${host.name}` } } : heldItem(host.name, noun.name, longest),
  ];
  return { outcome: 'pending', errors, durationMs, partly: { ...applied, changes: unaware ? [] : applied.changes, held } };
}

/** A host's part in an operation that has not ended. */
export type Part = Pick<OperationHostRow, 'operationId' | 'hostId' | 'noun' | 'generation'>;

/** What a host's answer makes of its part. */
export function answeredPart(part: Part, answer: Answer): OperationHostRow {
  return {
    ...part,
    outcome: answer.outcome,
    changes: answer.outcome === 'ok' ? answer.applied.changes : (answer.partly?.changes ?? []),
    errors: answer.outcome === 'ok' ? [] : answer.errors,
    durationMs: answer.durationMs,
  };
}

/**
 * Records a host's answer: its part of the operation, and what is now applied or why it is not. One transaction; a host that it retires is left alone then.
 * Errors: those of writing(); nothing is recorded then, and it can be called again.
 */
export function recordAnswer(world: World, fleet: Fleet, part: Part, answer: Answer): OperationHostRow {
  const { db, clock } = world;
  const row = answeredPart(part, answer);
  failpoint('coordinator.change.answered');
  const raised = writing(db, () => {
    setOperationHost(db, row);
    if (answer.outcome === 'ok') {
      setApplied(db, { hostId: part.hostId, noun: part.noun, generation: part.generation, digest: answer.applied.digest, now: clock.now() });
      answer.applied.settle(db, part.hostId, part.generation, clock.now());
      const now = getGeneration(db, part.hostId, part.noun);
      if (now?.released === true && now.applied === now.wanted) return findNoun(part.noun)?.forget(world, part.hostId, part.operationId);
    } else {
      answer.partly?.settleHeld?.(db, part.hostId, part.generation, clock.now());
      // What was asked of a host that has all it was told (a repair of drift) and is held is owed from now on, so that it is done when the hold ends.
      const current = answer.partly === undefined ? undefined : getGeneration(db, part.hostId, part.noun);
      if (current !== undefined && current.applied >= current.wanted) raiseGeneration(db, { hostId: part.hostId, noun: part.noun, now: clock.now(), released: current.released });
      // What could cut others off is not tried again by itself, also where it failed in another way: a helper or a host that goes down in the middle says nothing of a revert.
      if (answer.outcome === 'failed' && findNoun(part.noun)?.guard !== undefined) setReverted(db, part);
      const told = answer.outcome === 'failed' ? findNoun(part.noun)?.failed?.(world, part, answer.errors) : undefined;
      setPendingReason(db, part.hostId, part.noun, pendingReason(answer.errors).slice(0, 1024));
      return told;
    }
    return undefined;
  });
  for (const hostId of raised ?? []) fleet.tell(hostId);
  failpoint('coordinator.change.recorded');
  if (part.noun === hostNoun.name && answer.outcome === 'ok') fleet.refresh(part.hostId);
  return row;
}

function pendingReason(errors: readonly ErrorItem[]): string {
  const [first] = errors;
  return first?.code === 'HOST_HELD' ? (first.fields['text'] ?? '') : new ReeveError(errors).message;
}

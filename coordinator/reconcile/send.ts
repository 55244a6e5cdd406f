import { errorItems, ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import type { Fleet } from '../fleet/fleet.js';
import { setApplied, setPendingReason } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { setOperationHost, type OperationHostRow } from '../inventory/operation.js';
import type { World } from '../world.js';
import type { Applied, Noun } from './noun.js';

/** What one host said to an intent. */
export type Answer =
  | { readonly outcome: 'ok'; readonly applied: Applied; readonly durationMs: number }
  | { readonly outcome: 'failed' | 'pending' | 'unknown'; readonly errors: readonly ErrorItem[]; readonly durationMs: number };

/** Sends one intent to one host and sorts the answer: failed was refused or went wrong, pending never left, unknown left and was not answered. */
export async function sendIntent(world: World, fleet: Fleet, request: { host: HostRow; noun: Noun; intent: IntentInput; desired: unknown }): Promise<Answer> {
  const { host, noun, intent, desired } = request;
  const startedAt = world.clock.monotonic();
  const durationMs = (): number => Math.round(world.clock.monotonic() - startedAt);
  const before = fleet.live(host.id);
  try {
    const applied = await noun.send(fleet, host, intent, desired);
    return { outcome: 'ok', applied, durationMs: durationMs() };
  } catch (error) {
    const errors = errorItems(error, intent.operationId ?? '');
    if (!(error instanceof ReeveError)) world.log.error({ host: host.name, noun: noun.name, err: error }, 'sending an intent failed in a way that is not in the catalogue');
    const lost = error instanceof ReeveError && error.code === 'HOST_UNREACHABLE';
    if (error instanceof ReeveError && error.code === 'HOST_NOT_JOINED') return { outcome: 'pending', errors, durationMs: durationMs() };
    if (!lost) return { outcome: 'failed', errors, durationMs: durationMs() };
    if (before.state !== 'connected' || intent.mode !== 'MODE_APPLY') return { outcome: 'pending', errors, durationMs: durationMs() };
    return { outcome: 'unknown', errors: [{ code: 'OUTCOME_UNKNOWN', fields: { host: host.name } }], durationMs: durationMs() };
  }
}

/** Records a host's answer: its part of the operation, and what is now applied or why it is not. One transaction. */
export function recordAnswer(world: World, part: Pick<OperationHostRow, 'operationId' | 'hostId' | 'noun' | 'generation'>, answer: Answer): OperationHostRow {
  const { db, clock } = world;
  const row: OperationHostRow = {
    ...part,
    outcome: answer.outcome,
    changes: answer.outcome === 'ok' ? answer.applied.changes : [],
    errors: answer.outcome === 'ok' ? [] : answer.errors,
    durationMs: answer.durationMs,
  };
  failpoint('coordinator.change.answered');
  db.transaction(() => {
    setOperationHost(db, row);
    if (answer.outcome === 'ok') {
      setApplied(db, { hostId: part.hostId, noun: part.noun, generation: part.generation, digest: answer.applied.digest, now: clock.now() });
      answer.applied.settle(db, part.hostId, part.generation);
    } else {
      const error = new ReeveError(answer.errors);
      setPendingReason(db, part.hostId, part.noun, error.message.slice(0, 1024));
    }
  })();
  failpoint('coordinator.change.recorded');
  return row;
}

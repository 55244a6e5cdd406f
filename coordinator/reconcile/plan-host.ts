import { newId } from '../../shared/kit/id.js';
import type { Fleet } from '../fleet/fleet.js';
import { generationsOf } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import type { HostOutcome } from './change.js';
import { findNoun } from './nouns.js';
import { sendIntent } from './send.js';

/** Asks a host what an apply of what is stored would change, one noun after the other; what it is to let go of is left out. Stores nothing. */
export async function planHost(world: World, fleet: Fleet, host: HostRow, signal: AbortSignal): Promise<HostOutcome[]> {
  const outcomes: HostOutcome[] = [];
  for (const generation of generationsOf(world.db, host.id)) {
    const noun = findNoun(generation.noun);
    if (noun === undefined || generation.released || signal.aborted) continue;
    const intent = { mode: 'MODE_PLAN', operationId: newId(world.clock.now()), generation: generation.wanted, epoch: world.epoch } as const;
    const answer = await sendIntent(world, fleet, { host, noun, desired: noun.desired(world.db, host.id), intent, release: false, signal });
    const base = { host, noun: noun.name, held: [], durationMs: answer.durationMs };
    if (answer.outcome === 'ok') outcomes.push({ ...base, outcome: 'ok', errors: [], changes: answer.applied.changes, notes: answer.applied.notes ?? [] });
    else outcomes.push({ ...base, outcome: answer.outcome, errors: answer.errors, changes: answer.partly?.changes ?? [], held: answer.partly?.held.changes ?? [], notes: [] });
  }
  return outcomes;
}

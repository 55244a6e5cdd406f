import type { ErrorCode } from '../../shared/errors/catalogue.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { newId } from '../../shared/kit/id.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import type { Fleet } from '../fleet/fleet.js';
import { generationsOf } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';
import type { HostOutcome } from './change.js';
import { findNoun } from './nouns.js';
import { sendIntent } from './send.js';

/** Hosts that are spoken to at a time. */
const fanOut = 64;

/** What a policy says no with. */
const policyCodes: readonly ErrorCode[] = ['POLICY_DENIED', 'GROUP_DANGEROUS', 'POLICY_UNUSABLE'];

/** Asks each host what its policy refuses of what the inventory wants of it; one outcome per host and noun that it has. */
export function checkPolicies(world: World, fleet: Fleet, hosts: readonly HostRow[], signal: AbortSignal): AsyncIterable<HostOutcome> {
  const queue = createEventQueue<HostOutcome>();
  const targets = hosts.flatMap((host) =>
    generationsOf(world.db, host.id).flatMap((generation) => {
      const noun = findNoun(generation.noun);
      return noun === undefined ? [] : [{ host, noun, generation: generation.wanted, desired: noun.desired(world.db, host.id) }];
    }),
  );
  const ask = async (target: (typeof targets)[number]): Promise<void> => {
    if (signal.aborted) return;
    const intent = { mode: 'MODE_PLAN', operationId: newId(world.clock.now()), generation: target.generation, epoch: world.epoch, checkPolicy: true } as const;
    const answer = await sendIntent(world, fleet, { ...target, intent, release: false });
    const base = { host: target.host, noun: target.noun.name, changes: [], held: [], notes: [], durationMs: answer.durationMs };
    const errors = answer.outcome === 'ok' ? [] : answer.errors;
    // Anything else that stands in the way is not the policy's word: an older agent plans as always.
    const refused = errors.filter((item) => policyCodes.includes(item.code));
    if (answer.outcome === 'failed') queue.push({ ...base, outcome: refused.length === 0 ? 'ok' : 'failed', errors: refused });
    else queue.push({ ...base, outcome: answer.outcome, errors });
  };
  void forEachLimited(targets, fanOut, ask).then(
    () => queue.end(),
    (error: unknown) => queue.end(error instanceof Error ? error : new Error(String(error))),
  );
  return queue;
}

import { reeveError, ReeveError } from '../../shared/errors/error.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/OperationService.js';
import { newId } from '../../shared/kit/id.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { KeyedQueue } from '../../shared/kit/queue.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { serviceName } from '../../shared/rpc/client.js';
import { fromDetails } from '../../shared/rpc/status.js';
import type { Fleet } from '../fleet/fleet.js';
import { addAudit } from '../inventory/audit.js';
import { getGeneration } from '../inventory/generation.js';
import { getHost, type HostRow } from '../inventory/host.js';
import { removedKeysOf } from '../inventory/key-removed.js';
import { addOperation, addOperationHost, closeOperation, openParts, type OperationHostRow } from '../inventory/operation.js';
import { writing } from '../inventory/write.js';
import type { World } from '../world.js';
import { certNoun } from './cert.js';
import { keyNoun } from './key.js';
import type { Noun } from './noun.js';
import { allNouns, findNoun } from './nouns.js';
import { confirmResumed, recordAnswer, sendIntent, sortApplied, type Answer } from './send.js';
import { userNoun } from './user.js';
import { vhostNoun } from './vhost.js';

const operationService = serviceName<OperationServiceDefinition>('reeve.agent.v1.OperationService');

/**
 * A host came up, or a hold of it ended: first what became of operations nobody knows the end of, then one plan to the newest state of each noun that it still has to be told.
 * Nothing that must not run twice is sent again without the agent having said that it never began.
 */
export async function settleHost(world: World, fleet: Fleet, perHost: KeyedQueue, hostId: string, signal: AbortSignal): Promise<void> {
  const host = getHost(world.db, hostId);
  if (host?.state !== 'joined') return;
  if (owesRemoval(world, hostId)) await perHost.run(hostId, () => tellNoun(world, fleet, { host, noun: keyNoun }, signal), 'urgent');
  await perHost.run(hostId, async () => {
    for (const part of openParts(world.db, hostId)) await settlePart(world, fleet, host, part, signal);
    await catchUp(world, fleet, host, signal);
  });
}

/** Whether a host still has to take keys away by name: that waits for nothing else. */
function owesRemoval({ db }: World, hostId: string): boolean {
  const generation = getGeneration(db, hostId, keyNoun.name);
  return generation !== undefined && generation.applied < generation.wanted && removedKeysOf(db, hostId).length > 0;
}

/** Asks the agent what became of one operation, until it has ended or the host is gone. */
async function settlePart(world: World, fleet: Fleet, host: HostRow, part: OperationHostRow, signal: AbortSignal): Promise<void> {
  const noun = findNoun(part.noun);
  if (noun === undefined) return;
  for (let delayMs = 200; !signal.aborted; delayMs = Math.min(5_000, delayMs * 2)) {
    const answer = await askOperation(world, fleet, host, { part, noun, signal });
    if (answer === 'gone') return;
    if (answer === 'running') {
      await waitFor(delayMs, signal);
      continue;
    }
    recordAnswer(world, fleet, part, answer);
    writing(world.db, () => closeOperation(world.db, part.operationId, world.clock.now()));
    world.log.info({ host: host.name, operationId: part.operationId, outcome: answer.outcome }, 'an operation of unknown outcome was settled');
    return;
  }
}

async function askOperation(world: World, fleet: Fleet, host: HostRow, { part, noun, signal }: { part: OperationHostRow; noun: Noun; signal: AbortSignal }): Promise<Answer | 'running' | 'gone'> {
  try {
    const found = await fleet.call(host, operationService, 'GetOperation', { operationId: part.operationId, method: noun.method }, { deadlineMs: 10_000 });
    // An older agent tells of the newest entry whatever its method.
    if (found.method !== noun.method) throw reeveError('OPERATION_UNKNOWN', { value: part.operationId });
    if (found.outcome === 'OUTCOME_RUNNING') return 'running';
    if (found.outcome === 'OUTCOME_OK') {
      const applied = noun.decode(found.response);
      await confirmResumed({ world, fleet, host }, noun, { part, applied, signal });
      return sortApplied(applied, { host, noun, hold: undefined, able: true, durationMs: part.durationMs });
    }
    return { outcome: 'failed', errors: fromDetails(found.errors, part.operationId), durationMs: part.durationMs };
  } catch (error) {
    if (signal.aborted) return 'gone';
    if (error instanceof ReeveError && error.code === 'OPERATION_UNKNOWN') return { outcome: 'pending', errors: error.items, durationMs: 0 };
    if (error instanceof ReeveError && error.code === 'CONFIRM_REVERTED') return { outcome: 'failed', errors: error.items, durationMs: part.durationMs };
    return 'gone';
  }
}

/** Brings each noun that is behind to its newest state, as one operation of the coordinator's own. */
async function catchUp(world: World, fleet: Fleet, host: HostRow, signal: AbortSignal): Promise<void> {
  let usersTold = false;
  for (const noun of allNouns) {
    const owed = isOwed(world, host, noun);
    // Keys that were told first, because some were taken away, had to leave out the accounts that are made only now.
    const again = noun === keyNoun && usersTold && getGeneration(world.db, host.id, noun.name) !== undefined;
    if (owed || again) await tellNoun(world, fleet, { host, noun }, signal);
    usersTold ||= noun === userNoun && owed;
    // A certificate goes only once no site uses it.
    if (noun === vhostNoun && owed && isOwed(world, host, certNoun)) await tellNoun(world, fleet, { host, noun: certNoun }, signal);
  }
}

function isOwed({ db }: World, host: HostRow, noun: Noun): boolean {
  const generation = getGeneration(db, host.id, noun.name);
  // What the host took back or could not make is sent again when somebody asks for it, or wants something else.
  return generation !== undefined && generation.applied < generation.wanted && generation.reverted < generation.wanted;
}

/** Brings one noun of a host to its newest state. */
async function tellNoun(world: World, fleet: Fleet, { host, noun }: { host: HostRow; noun: Noun }, signal: AbortSignal): Promise<void> {
  const { db, clock } = world;
  const generation = getGeneration(db, host.id, noun.name);
  if (generation === undefined) return;
  const now = clock.now();
  const operationId = newId(now);
  const summary = `converge ${noun.name} of ${host.name}`;
  const part = { operationId, hostId: host.id, noun: noun.name, generation: generation.wanted };
  writing(db, () => {
    addAudit(db, { timeMs: now, principal: 'reeved', action: summary, arguments: '', phase: 'intent', operationId, code: '' });
    addOperation(db, { id: operationId, summary, operator: 'reeved', requestHash: sha256(summary), startedAtMs: now });
    addOperationHost(db, part);
  });
  const intent = { mode: 'MODE_APPLY', operationId, generation: generation.wanted, epoch: world.epoch } as const;
  const answer = await sendIntent(world, fleet, { host, noun, intent, desired: noun.desired(db, host.id), release: generation.released, signal });
  recordAnswer(world, fleet, part, answer);
  writing(db, () => closeOperation(db, operationId, clock.now()));
  world.log.info({ host: host.name, noun: noun.name, outcome: answer.outcome }, 'a host was brought to the newest state, as far as no hold stands in the way');
}

import { reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { createEventQueue, type EventQueue } from '../../shared/kit/event-queue.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { newId } from '../../shared/kit/id.js';
import { createKeyedQueue, forEachLimited, type KeyedQueue } from '../../shared/kit/queue.js';
import type { Change } from '../../shared/model/change.js';
import type { Fleet } from '../fleet/fleet.js';
import { addAudit } from '../inventory/audit.js';
import { getGeneration } from '../inventory/generation.js';
import { getHost, type HostRow } from '../inventory/host.js';
import { addOperation, addOperationHost, closeOperation, getOperation, operationHosts, type OperationHostRow, type OutcomeWord } from '../inventory/operation.js';
import { addPlan, findPlan, type PlanHostRow } from '../inventory/plan.js';
import { asIf, isUnwritable, writing } from '../inventory/write.js';
import type { World } from '../world.js';
import type { Waiting } from './guard.js';
import type { Applied, Noun } from './noun.js';
import { answeredPart, recordAnswer, sendIntent, type Answer, type Part, type SendRequest } from './send.js';
import { storeWanted, type ChangeRequest, type Target, type Wanted } from './wanted.js';

/** Hosts that are spoken to at a time. */
const fanOut = 64;

/** How far to go. */
export interface ChangeOptions {
  readonly mode: 'plan' | 'stage' | 'apply';
  /** The plan that was shown and said yes to. */
  readonly planId: string | undefined;
  readonly operationId: string | undefined;
}

/** What one host said, for the caller. */
export interface HostOutcome {
  readonly host: HostRow;
  readonly noun: string;
  readonly outcome: OutcomeWord;
  readonly changes: readonly Change[];
  /** What a hold holds back. */
  readonly held: readonly Change[];
  readonly errors: readonly ErrorItem[];
  readonly durationMs: number;
  /** What else there is to know of it, a line each, for people. */
  readonly notes: readonly string[];
}

/** One step of a command, as it happens. */
export type ChangeStep =
  | { readonly kind: 'planned'; readonly planId: string; readonly hosts: readonly HostOutcome[]; readonly inventory: readonly Change[] }
  | { readonly kind: 'waiting'; readonly host: HostRow; readonly noun: string; readonly waiting: Waiting }
  | { readonly kind: 'confirmed'; readonly host: HostRow; readonly noun: string }
  | { readonly kind: 'host'; readonly result: HostOutcome }
  | { readonly kind: 'finished'; readonly operationId: string; readonly outcome: OutcomeWord; readonly stored: boolean };

/** Runs commands that reach hosts. */
export interface ChangeEngine {
  /** Plans, stores and applies; see DESIGN's contract of the command line. The work goes on to its end when the reader stops reading. */
  run(request: ChangeRequest, options: ChangeOptions, signal: AbortSignal): AsyncIterable<ChangeStep>;
  /** Waits for commands that have stored something. What could not be recorded of them is given up: their hosts are asked after the next start. */
  idle(): Promise<void>;
}

/** The engine over a fleet. `perHost` keeps commands to one host in order. */
export function createChangeEngine(world: World, fleet: Fleet, perHost: KeyedQueue = createKeyedQueue()): ChangeEngine {
  const running = new Set<Promise<void>>();
  const closing = new AbortController();
  return {
    run(request, options, signal) {
      const queue = createEventQueue<ChangeStep>();
      const work = runChange({ world, fleet, perHost, request, options, signal, queue, closing: closing.signal }).then(
        () => queue.end(),
        (error: unknown) => queue.end(error instanceof Error ? error : new Error(String(error))),
      );
      running.add(work);
      void work.finally(() => running.delete(work));
      return queue;
    },
    async idle() {
      closing.abort();
      await Promise.all(running);
    },
  };
}

interface Run {
  readonly world: World;
  readonly fleet: Fleet;
  readonly perHost: KeyedQueue;
  readonly request: ChangeRequest;
  readonly options: ChangeOptions;
  readonly signal: AbortSignal;
  readonly queue: EventQueue<ChangeStep>;
  /** Nothing is waited for any more. */
  readonly closing: AbortSignal;
}

/** Until what the database did not take is tried again, ms. */
const unwritableWaitMs = 5_000;

async function runChange(run: Run): Promise<void> {
  const { world, request, options } = run;
  const hash = sha256(`reeve-change-v1\0${request.identity}\0${request.hosts.map((host) => host.id).join(',')}`);
  if (options.operationId !== undefined && options.mode !== 'plan' && replay(run, options.operationId, hash)) return;

  if (options.mode === 'stage') {
    asIf(world.db, () => storeWanted(world, request, ''));
    store(run, hash, { as: 'pending', known: undefined });
    return;
  }
  const known = await planOf(run, hash);
  if (known === undefined) return;
  const { operationId, targets } = store(run, hash, { as: 'running', known: options.planId === undefined ? undefined : known });
  failpoint('coordinator.change.stored');
  await applyAll(run, { operationId, targets, known });
}

/** The plan that a command is applied from; undefined: it ends with its plan. What is urgent has none: no host keeps it from the others. */
async function planOf(run: Run, hash: Buffer): Promise<readonly PlanHostRow[] | undefined> {
  const { world, request, options, queue } = run;
  const candidate = asIf(world.db, () => storeWanted(world, request, ''));
  if (options.mode === 'apply' && request.urgent === true) {
    if (options.planId === undefined) queue.push({ kind: 'planned', planId: '', hosts: [], inventory: candidate.inventory });
    return [];
  }
  if (options.mode === 'apply' && options.planId !== undefined) {
    const known = findPlan(world.db, options.planId, hash, world.clock.now());
    if (known === undefined) throw reeveError('PLAN_UNKNOWN', { value: options.planId });
    return known;
  }
  const planned = await planAll(run, candidate.targets);
  if (run.signal.aborted) throw reeveError('CANCELLED');
  const known = planned.map(({ host, noun, answer }) => {
    const applied = appliedOf(answer);
    return { hostId: host.id, noun: noun.name, digest: applied?.digest, policyDigest: applied?.policyDigest, changes: applied?.changes ?? [] };
  });
  const refused = request.urgent !== true && planned.some(({ answer }) => answer.outcome === 'failed');
  const planId = refused ? '' : newId(world.clock.now());
  if (!refused && options.mode === 'plan') addPlan(world.db, { id: planId, requestHash: hash, now: world.clock.now(), hosts: known });
  const hosts = planned.map(({ host, noun, answer }) => outcomeOf(host, noun, answer));
  queue.push({ kind: 'planned', planId, hosts, inventory: candidate.inventory });
  if (!refused && options.mode !== 'plan') return known;
  if (refused && options.mode === 'apply') auditRefused(run, hosts);
  queue.push({ kind: 'finished', operationId: '', outcome: worst(hosts.map((host) => host.outcome)), stored: false });
  return undefined;
}

/** A command with the id of one that is known answers what that one came to. True when it was. */
function replay(run: Run, operationId: string, hash: Buffer): boolean {
  const { world, request, queue } = run;
  const operation = getOperation(world.db, operationId);
  if (operation === undefined) return false;
  if (!operation.requestHash.equals(hash)) throw reeveError('OPERATION_REUSED', { value: operationId });
  const byId = new Map(request.hosts.map((host) => [host.id, host]));
  for (const part of operationHosts(world.db, operationId)) {
    // The hosts of what is not of one host alone follow from the command itself.
    const host = byId.get(part.hostId) ?? (request.prepare === undefined ? undefined : getHost(world.db, part.hostId));
    if (host !== undefined) queue.push({ kind: 'host', result: { ...part, host, held: [], notes: [] } });
  }
  queue.push({ kind: 'finished', operationId, outcome: operation.outcome, stored: true });
  return true;
}

/** Stores the command for good: what is wanted, the audit record, the operation; all or nothing. Errors: PLAN_UNKNOWN when more hosts are touched by now than a plan that was said yes to names. */
function store(run: Run, hash: Buffer, how: { as: 'running' | 'pending'; known: readonly PlanHostRow[] | undefined }): { operationId: string; targets: readonly Target[] } {
  const { world, request, options, queue } = run;
  const { db } = world;
  const now = world.clock.now();
  const operationId = options.operationId ?? newId(now);
  const { wanted, outcome } = writing(db, () => {
    addAudit(db, { timeMs: now, principal: request.principal.name, action: request.summary, arguments: request.identity, phase: 'intent', operationId, code: '' });
    const stored = storeWanted(world, request, operationId);
    if (how.known !== undefined) requirePlanned(run, stored, how.known);
    addOperation(db, { id: operationId, summary: request.summary, operator: request.principal.account, requestHash: hash, startedAtMs: now });
    for (const { host, noun, generation } of stored.targets) {
      const part = { operationId, hostId: host.id, noun: noun.name, generation };
      addOperationHost(db, part);
      if (how.as === 'pending') recordAnswer(world, run.fleet, part, { outcome: 'pending', errors: [], durationMs: 0 });
    }
    return { wanted: stored, outcome: how.as === 'pending' ? closeOperation(db, operationId, now) : 'running' };
  });
  world.log.info({ operationId, operator: request.principal.name, summary: request.summary, hosts: wanted.targets.length, as: how.as }, 'an operation was stored');
  if (how.as === 'pending') queue.push({ kind: 'finished', operationId, outcome: wanted.targets.length === 0 ? outcome : 'pending', stored: true });
  return { operationId, targets: wanted.targets };
}

function requirePlanned({ request, options }: Run, wanted: Wanted, known: readonly PlanHostRow[]): void {
  if (request.prepare === undefined || request.urgent === true) return;
  const planned = new Set(known.map((row) => `${row.hostId} ${row.noun}`));
  if (wanted.targets.some(({ host, noun }) => !planned.has(`${host.id} ${noun.name}`))) throw reeveError('PLAN_UNKNOWN', { value: options.planId ?? '' });
}

async function planAll(run: Run, targets: readonly Target[]): Promise<(Target & { answer: Answer })[]> {
  const { world, fleet } = run;
  const answers = new Map<Target, Answer>();
  await forEachLimited(targets, fanOut, async (target) => {
    const intent: IntentInput = { mode: 'MODE_PLAN', operationId: newId(world.clock.now()), generation: target.generation, epoch: world.epoch };
    answers.set(target, run.signal.aborted ? cancelled : await sendIntent(world, fleet, { ...target, intent, ...confirming(run) }));
  });
  return targets.map((target) => ({ ...target, answer: answers.get(target) ?? cancelled }));
}

/** How changes that hosts take back by themselves are confirmed, where the command says so. */
function confirming({ request }: Run): Pick<SendRequest, 'confirmation'> {
  return request.confirmation === undefined ? {} : { confirmation: request.confirmation };
}

const cancelled: Answer = { outcome: 'failed', errors: [{ code: 'CANCELLED', fields: {} }], durationMs: 0 };

async function applyAll(run: Run, stored: { operationId: string; targets: readonly Target[]; known: readonly PlanHostRow[] }): Promise<void> {
  const { world, fleet, perHost, request, queue } = run;
  const { operationId } = stored;
  const reached = (target: Target): boolean => (getGeneration(world.db, target.host.id, target.noun.name)?.applied ?? 0) >= target.generation;
  const behind = new Set(stored.targets.filter((target) => !reached(target)));
  const plans = new Map(stored.known.map((plan) => [`${plan.hostId} ${plan.noun}`, plan]));
  const unrecorded: { part: Part; answer: Answer }[] = [];
  const record = (part: Part, answer: Answer): OperationHostRow => {
    try {
      return recordAnswer(world, fleet, part, answer);
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      unrecorded.push({ part, answer });
      return answeredPart(part, answer);
    }
  };
  const outcomes: OutcomeWord[] = [];
  await forEachLimited(stored.targets, request.urgent === true ? stored.targets.length : fanOut, async (target) => {
    const { host, noun, generation } = target;
    const plan = plans.get(`${host.id} ${noun.name}`);
    const intent: IntentInput = {
      mode: 'MODE_APPLY',
      operationId,
      generation,
      epoch: world.epoch,
      ...(plan?.digest === undefined ? {} : { expectedDigest: plan.digest }),
      ...(plan?.policyDigest === undefined ? {} : { policyDigest: plan.policyDigest }),
    };
    const part = { operationId, hostId: host.id, noun: noun.name, generation };
    const send = async (): Promise<OperationHostRow & Pick<HostOutcome, 'held' | 'notes'>> => {
      failpoint('coordinator.change.sent');
      // The host was lost and came back while this waited: it was brought to this state then, and is no longer as it was planned from.
      const overtaken = behind.has(target) && reached(target);
      const sending = { ...target, ...confirming(run), signal: run.closing, intent: overtaken ? { ...intent, expectedDigest: Buffer.alloc(0) } : intent };
      const answer = await sendIntent(world, fleet, {
        ...sending,
        waiting: (waiting) => queue.push({ kind: 'waiting', host, noun: noun.name, waiting }),
        confirmed: () => queue.push({ kind: 'confirmed', host, noun: noun.name }),
      });
      const applied = appliedOf(answer);
      return { ...record(part, answer), held: applied?.held?.changes ?? [], notes: applied?.notes ?? [] };
    };
    const result = await perHost.run(host.id, send, request.urgent === true ? 'urgent' : 'normal');
    outcomes.push(result.outcome);
    queue.push({ kind: 'host', result: { ...result, host } });
  });
  const finish = (): OutcomeWord =>
    writing(world.db, () => {
      for (const { part, answer } of unrecorded) recordAnswer(world, fleet, part, answer);
      const now = world.clock.now();
      const word = closeOperation(world.db, operationId, now);
      const phase = word === 'failed' ? 'failed' : 'ok';
      addAudit(world.db, { timeMs: now, principal: request.principal.name, action: request.summary, arguments: word, phase, operationId, code: '' });
      return word;
    });
  const recorded = recordEnd(run, operationId, finish);
  world.log.info({ operationId, outcome: recorded.outcome ?? worst(outcomes) }, 'an operation ended');
  queue.push({ kind: 'finished', operationId, outcome: recorded.outcome ?? worst(outcomes), stored: true });
  if (recorded.later === undefined) return;
  queue.end();
  await recorded.later;
}

/** Records the end of an operation. A database that takes no writes gets it when it does again; whoever asked is told what hosts said all the same. */
function recordEnd(run: Run, operationId: string, finish: () => OutcomeWord): { outcome?: OutcomeWord; later?: Promise<void> } {
  try {
    return { outcome: finish() };
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    run.world.log.error({ err: error, operationId }, 'the end of an operation waits until the database can be written');
    return { later: finishLater(run, finish) };
  }
}

async function finishLater(run: Run, finish: () => OutcomeWord): Promise<void> {
  while (await waitFor(unwritableWaitMs, run.closing)) {
    try {
      finish();
      return;
    } catch (error) {
      if (!isUnwritable(error)) throw error;
    }
  }
}

function auditRefused(run: Run, hosts: readonly HostOutcome[]): void {
  const { world, request } = run;
  const code = hosts.find((host) => host.outcome === 'failed')?.errors[0]?.code ?? '';
  const entry = { timeMs: world.clock.now(), principal: request.principal.name, action: request.summary, arguments: request.identity, phase: 'refused', operationId: '', code } as const;
  writing(world.db, () => addAudit(world.db, entry));
}

function outcomeOf(host: HostRow, noun: Noun, answer: Answer): HostOutcome {
  const base = { host, noun: noun.name, durationMs: answer.durationMs, notes: appliedOf(answer)?.notes ?? [] };
  if (answer.outcome === 'ok') return { ...base, outcome: 'ok', changes: answer.applied.changes, held: [], errors: [] };
  return { ...base, outcome: answer.outcome, changes: answer.partly?.changes ?? [], held: answer.partly?.held.changes ?? [], errors: answer.errors };
}

/** What an agent answered, also when a hold let only a part through; undefined: it did not, or refused. */
function appliedOf(answer: Answer): Applied | undefined {
  return answer.outcome === 'ok' ? answer.applied : answer.partly;
}

/** The one word for several outcomes: failed beats unknown beats pending beats ok. */
function worst(outcomes: readonly OutcomeWord[]): OutcomeWord {
  return (['failed', 'unknown', 'pending'] as const).find((word) => outcomes.includes(word)) ?? 'ok';
}

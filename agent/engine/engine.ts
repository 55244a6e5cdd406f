import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { waitFor } from '../../shared/kit/deadline.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { nounDigest, sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import type { Logger } from '../../shared/kit/log.js';
import { createKeyedQueue } from '../../shared/kit/queue.js';
import { changesLeft } from '../../shared/model/change.js';
import { idTime } from '../../shared/model/id.js';
import type { Held } from '../../shared/rpc/hold.js';
import type { Host } from '../host/host.js';
import type { Entry } from '../journal/entry.js';
import type { Journal } from '../journal/journal.js';
import { readLocalHolds } from '../hold/hold.js';
import { policyRefusals, readHostPolicy, usablePolicy, type UsablePolicy } from '../policy/policy.js';
import { isFinalFailure, isUnreachable, runSteps, runUndo, withHost, type StepRunner } from './apply.js';
import { obeyEpoch } from './epoch.js';
import type { Intent } from './intent.js';
import { createMoved } from './moved.js';
import { circumstancesOf, type NounWork } from './noun.js';
import { checkClock, requireNotHeld } from './refusal.js';
import type { Plan } from './step.js';
import { mergeSaved, type UndoEntry } from './undo.js';

/** Waits between two tries of recovery to reach the helper, ms. */
const recoveryWait = { firstMs: 500, longestMs: 30_000 };

/** How often an operation looks anew for what began while it was made. */
const lateRounds = 3;

/** Runs mutating calls: the same checks, journal and undo for every noun. */
export interface Engine {
  /** Plans or applies. Errors: all of Intent, those of the noun. */
  run<Request, Wanted, Observed, Response>(work: NounWork<Request, Wanted, Observed, Response>, request: Request, signal: AbortSignal): Promise<Response>;
  /** Settles what a crash left open. Resolves when all is settled or the signal ends it. */
  recover(works: readonly NounWork[], signal: AbortSignal): Promise<void>;
  /** What taking operations of a noun back would change. Errors: those of a plan. */
  planUndo(work: NounWork, undos: readonly UndoEntry[]): Promise<UndoPlan>;
  /**
   * Takes operations of a noun back, as root of the host asked: journaled, applied and read back like any other, with the policy's checks and without
   * those of a coordinator. No hold stands in its way. Errors: STATE_MOVED when the noun is not any more as it was planned.
   */
  undo(work: NounWork, undos: readonly UndoEntry[], how: { readonly operationId: string; readonly digest: Buffer; readonly signal: AbortSignal }): Promise<void>;
  /** Runs a read of a noun between its changes, never during one. */
  read<T>(noun: string, task: () => Promise<T>): Promise<T>;
  /** Whether somebody works on this operation now. */
  isLive(entry: Entry): boolean;
  /** Refuses what comes in from now on; resolves when nothing runs any more. */
  drain(): Promise<void>;
}

/** What was observed of a noun last, and the host's stamp of before that. */
export interface Seen {
  readonly digest: Buffer;
  readonly stamp: string;
}

/** What an undo would change. */
export interface UndoPlan {
  readonly changes: Plan['changes'];
  /** What root should know of it. */
  readonly notes: readonly string[];
  /** What it was planned from. */
  readonly digest: Buffer;
}

/** What the engine needs. */
export interface EngineOptions {
  readonly host: Host;
  readonly journal: Journal;
  readonly hostName: string;
  readonly log: Logger;
  /** An operation began (undefined) or ended; with what was observed of its noun last. */
  readonly onChanged: (noun: string, seen: Seen | undefined) => void;
  /** Whether work of a noun may begin, by what is asked; throws why not. */
  readonly admit: (noun: string, intent: Intent) => void;
}

/** One call, parsed. */
interface Asked {
  readonly intent: Intent;
  readonly wanted: unknown;
  /** After a crash, forward from wherever it stopped: the circumstances were checked when it began. */
  readonly resumed: { readonly removalOnly: boolean } | undefined;
  /** The operations that it takes back; empty: a coordinator asks. */
  readonly undoes: readonly string[];
}

/** Everything that is known before the first change. */
interface Prepared {
  readonly policyDigest: Buffer;
  readonly observed: unknown;
  readonly digest: Buffer;
  readonly plan: Plan;
  /** Whether the plan is only of what removes access. */
  readonly removalOnly: boolean;
  readonly held: Held | undefined;
}

/** A new engine. Call recover() once. */
export function createEngine(options: EngineOptions): Engine {
  return new IntentEngine(options);
}

class IntentEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #queue = createKeyedQueue();
  readonly #live = new Map<string, { digest: string; outcome: Promise<unknown> }>();
  readonly #moved = createMoved();
  readonly #seen = new Map<string, Seen>();
  #draining = false;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  async run<Request, Wanted, Observed, Response>(work: NounWork<Request, Wanted, Observed, Response>, request: Request, signal: AbortSignal): Promise<Response> {
    return (await this.#run(work, request, signal)) as Response;
  }

  async recover(works: readonly NounWork[], signal: AbortSignal): Promise<void> {
    const { journal } = this.#options;
    const settleAll = async (work: NounWork): Promise<void> => {
      for (const entry of journal.open().filter((open) => open.method === work.method)) {
        await this.#hold(keyOf(entry.id, work), entry.digest, this.#settle(entry, work, signal));
        this.#tell(work);
      }
    };
    await Promise.all(works.map((work) => this.#queue.run(work.noun, () => settleAll(work))));
  }

  async planUndo(work: NounWork, undos: readonly UndoEntry[]): Promise<UndoPlan> {
    try {
      return await this.#queue.run(work.noun, async () => {
        const { intent, wanted, notes } = await this.#restore(work, undos, { mode: 'MODE_PLAN', operationId: newId(this.#options.host.clock.now()) });
        const { plan, digest } = await this.#prepare(work, { intent, wanted, resumed: undefined, undoes: undos.map((undo) => undo.id) });
        return { changes: plan.changes, notes, digest };
      });
    } catch (error) {
      throw error instanceof ReeveError ? withHost(error, this.#options.hostName) : error;
    }
  }

  async undo(work: NounWork, undos: readonly UndoEntry[], how: { operationId: string; digest: Buffer; signal: AbortSignal }): Promise<void> {
    const { operationId, digest: expectedDigest, signal } = how;
    const { request } = await this.#queue.run(work.noun, () => this.#restore(work, undos, { mode: 'MODE_APPLY', operationId, expectedDigest }));
    await this.#run(work, request, signal, undos.map((undo) => undo.id));
  }

  /** The request that makes objects as they were before these operations; newest first. */
  async #restore(work: NounWork, undos: readonly UndoEntry[], how: IntentInput): Promise<{ request: unknown; intent: Intent; wanted: unknown; notes: readonly string[] }> {
    const { host, hostName, journal } = this.#options;
    const { undo } = work;
    if (undo === undefined) throw new Error(`operations of noun ${work.noun} are not taken back`);
    const policy = usablePolicy(readHostPolicy(host), hostName);
    const saved = mergeSaved(await Promise.all(undos.map((entry) => journal.saved(entry))));
    const { observed } = await this.#observe(work, undo.nothing, newId(host.clock.now()));
    const { wanted, notes } = undo.restore(saved, observed, policy);
    const request = undo.format({ ...how, generation: Math.max(1, journal.generation(work.noun)), epoch: Math.max(1, journal.epoch) }, wanted);
    return { request, ...work.parse(request), notes };
  }

  read<T>(noun: string, task: () => Promise<T>): Promise<T> {
    return this.#queue.run(noun, task);
  }

  isLive(entry: Entry): boolean {
    return this.#live.has(`${entry.id} ${entry.method}`);
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.allSettled([...this.#live.values()].map((run) => run.outcome));
  }

  async #run(work: NounWork, request: unknown, signal: AbortSignal, undoes: readonly string[] = []): Promise<unknown> {
    const { journal, hostName } = this.#options;
    const { intent, wanted } = work.parse(request);
    if (this.#draining) throw reeveError('BUSY', { rule: 'the agent is stopping' });
    await obeyEpoch(journal, hostName, intent.epoch);
    const asked: Asked = { intent, wanted, resumed: undefined, undoes };
    if (intent.mode === 'plan') return this.#queue.run(work.noun, () => this.#planOnly(work, asked));
    const bytes = work.request.encode(request);
    const digest = sha256(bytes).toString('hex');
    const key = keyOf(intent.operationId, work);
    const running = this.#live.get(key);
    if (running !== undefined && running.digest !== digest) throw reeveError('OPERATION_REUSED', { value: intent.operationId });
    if (running !== undefined) return running.outcome;
    const outcome = this.#queue.run(work.noun, async () => {
      const before = await this.#stored(work, intent.operationId, digest);
      if (before !== undefined) return before;
      if (signal.aborted) throw reeveError('CANCELLED');
      return this.#apply(work, asked, { bytes, digest });
    });
    return this.#hold(key, digest, outcome);
  }

  /** Marks an operation as being worked on for as long as it is. */
  async #hold<T>(key: string, digest: string, outcome: Promise<T>): Promise<T> {
    this.#live.set(key, { digest, outcome });
    try {
      return await outcome;
    } finally {
      this.#live.delete(key);
    }
  }

  async #planOnly(work: NounWork, asked: Asked): Promise<unknown> {
    try {
      this.#options.admit(work.noun, asked.intent);
      if (asked.intent.checkPolicy) return await this.#checkPolicy(work, asked);
      const { policyDigest, observed, digest, plan, held } = await this.#prepare(work, asked);
      return work.respond({ wanted: asked.wanted, observed, changes: plan.changes, held, digestBefore: digest, digest, policyDigest });
    } catch (error) {
      throw error instanceof ReeveError ? withHost(error, this.#options.hostName) : error;
    }
  }

  /** Answers no changes, or throws all that the policy refuses. */
  async #checkPolicy(work: NounWork, asked: Asked): Promise<unknown> {
    const { intent, wanted } = asked;
    const { host, hostName } = this.#options;
    const policy = usablePolicy(readHostPolicy(host), hostName);
    const { observed, digest } = await this.#observe(work, wanted, intent.operationId);
    const items = policyRefusals([...work.plan(wanted, observed, policy, circumstancesOf(asked)).problems, ...work.refused(wanted, policy)]);
    if (items.length > 0) throw new ReeveError(items);
    return work.respond({ wanted, observed, changes: [], held: undefined, digestBefore: digest, digest, policyDigest: policy.digest });
  }

  /** The stored answer of an operation that came before; undefined: it has not, or it never began. */
  async #stored(work: NounWork, operationId: string, digest: string): Promise<unknown> {
    const { journal, hostName } = this.#options;
    const entry = journal.find(operationId, work.method);
    if (entry === undefined) {
      if (idTime(operationId) <= journal.forgottenTo) throw reeveError('OPERATION_FORGOTTEN', { value: operationId, host: hostName });
      return undefined;
    }
    if (entry.digest !== digest) throw reeveError('OPERATION_REUSED', { value: operationId });
    if (entry.endedAt === undefined || (entry.state === 'failed' && !entry.started)) return undefined;
    const ending = await journal.ending(entry);
    if (ending.kind === 'failed') throw new ReeveError(ending.errors);
    return work.response.decode(Buffer.from(ending.response));
  }

  async #apply(work: NounWork, asked: Asked, request: { bytes: Buffer; digest: string }): Promise<unknown> {
    const { journal, hostName, log } = this.#options;
    const { operationId, generation } = asked.intent;
    this.#options.admit(work.noun, asked.intent);
    const undoes = asked.undoes.length === 0 ? {} : { undoes: asked.undoes };
    const entry = await journal.received({ id: operationId, method: work.method, noun: work.noun, digest: request.digest, generation, request: request.bytes, ...undoes });
    const told = { operationId, noun: work.noun };
    log.info(told, 'an operation begins');
    this.#options.onChanged(work.noun, undefined);
    try {
      const { response, held } = await this.#carryOut(work, entry, asked);
      await journal.done(entry, { kind: 'ok', response: work.response.encode(response), held });
      log.info(told, 'an operation is done');
      return response;
    } catch (error) {
      const failure = withHost(error, hostName);
      if (failure.code === 'INTERNAL') log.error({ ...told, err: error }, 'an operation failed in a way that is not in the catalogue');
      else log.warn({ ...told, code: failure.code }, 'an operation failed');
      await journal.done(entry, { kind: 'failed', errors: failure.items });
      throw failure;
    } finally {
      this.#tell(work);
    }
  }

  /** Makes the changes of a journaled operation. */
  async #carryOut(work: NounWork, entry: Entry, asked: Asked): Promise<{ response: unknown; held: boolean }> {
    const { journal } = this.#options;
    const { wanted } = asked;
    const { observed, digest: digestBefore, plan, policyDigest, removalOnly, held } = await this.#prepare(work, asked);
    let now = { observed, digest: digestBefore };
    const commits = work.commit !== undefined && plan.changes.length > 0;
    if (plan.steps.length > 0 || commits) {
      if (asked.resumed === undefined) {
        // An undo is not taken back in its turn: the coordinator's apply goes forward again.
        const before = asked.undoes.length > 0 || work.undo === undefined ? [] : work.undo.keep([...new Set(plan.changes.map((change) => change.subject))], observed);
        await journal.undoSaved(entry, plan.steps.flatMap((step) => (step.final || step.undo === undefined ? [] : [step.undo])), before);
        await journal.started(entry, { removalOnly });
      }
      await runSteps(this.#runner(work, entry.id), plan.steps);
      if (commits) await work.commit?.(entry.id);
      now = await this.#observe(work, wanted, entry.id);
    }
    const changes = [...plan.changes];
    for (let round = 0; work.raced === true && !asked.intent.release && asked.undoes.length === 0 && round < lateRounds; round += 1) {
      const late = planRemovals(work, asked, now.observed, usablePolicy(readHostPolicy(this.#options.host), this.#options.hostName));
      if (late.steps.length === 0) break;
      await runSteps(this.#runner(work, entry.id), late.steps);
      changes.push(...late.changes);
      now = await this.#observe(work, wanted, entry.id);
    }
    return { response: work.respond({ wanted, ...now, changes, held, digestBefore, policyDigest }), held: held !== undefined };
  }

  /** Everything up to the first change. */
  async #prepare(work: NounWork, asked: Asked): Promise<Prepared> {
    const { host, hostName } = this.#options;
    const { intent, wanted } = asked;
    const resumed = asked.resumed !== undefined;
    const policy = usablePolicy(readHostPolicy(host), hostName);
    if (!resumed) this.#checkCircumstances(work, intent, policy.digest);
    const { observed, digest } = await this.#observe(work, wanted, intent.operationId);
    if (!resumed && intent.expectedDigest !== undefined && !intent.expectedDigest.equals(digest)) {
      throw reeveError('STATE_MOVED', { host: hostName, moved: this.#moved.since(work.noun, intent.expectedDigest, work.model(observed)) });
    }
    const how = circumstancesOf(asked);
    const full = intent.release ? work.release(observed, policy) : work.plan(wanted, observed, policy, how);
    const holds = readLocalHolds(host).filter((hold) => hold.noun === '' || hold.noun === work.noun);
    // An operation that began goes on as it began, whatever hold was set or ended since.
    const removalOnly = asked.resumed?.removalOnly ?? (asked.undoes.length === 0 && (intent.removalOnly || holds.length > 0));
    // What is held back may be put right until the hold ends; an operator who plans is told now.
    if ((!removalOnly || intent.release || intent.mode === 'plan') && full.problems.length > 0) throw new ReeveError(full.problems);
    if (intent.release && !resumed) requireNotHeld(work.noun, hostName, intent, { holds, changes: full.changes.length });
    const plan = removalOnly && !intent.release ? planRemovals(work, asked, observed, policy) : full;
    const left = removalOnly && !intent.release ? changesLeft(full.changes, plan.changes) : [];
    if (!resumed && !plan.steps.every((step) => step.removesAccess)) checkClock(host.clock.now(), intent, hostName);
    return { policyDigest: policy.digest, observed, digest, plan, removalOnly, held: left.length === 0 ? undefined : { changes: left, holds } };
  }

  #checkCircumstances(work: NounWork, intent: Intent, policyDigest: Buffer): void {
    const { journal, hostName } = this.#options;
    if (intent.policyDigest !== undefined && !intent.policyDigest.equals(policyDigest)) throw reeveError('POLICY_CHANGED', { host: hostName });
    const applied = journal.generation(work.noun);
    if (intent.generation > 0 && intent.generation < applied) {
      throw reeveError('GENERATION_STALE', { value: String(intent.generation), noun: work.noun, wanted: String(applied), host: hostName });
    }
  }

  async #observe(work: NounWork, wanted: unknown, operationId: string): Promise<{ observed: unknown; digest: Buffer }> {
    const stamp = this.#options.host.stamp(work.part);
    const observed = await work.observe(wanted, operationId);
    const model = work.model(observed);
    const digest = nounDigest(work.noun, model);
    this.#moved.remember(work.noun, digest, model);
    this.#seen.set(work.noun, { digest, stamp });
    return { observed, digest };
  }

  /** Settles one operation that a crash left open: one that never began is closed, one that began is finished, or else taken back. */
  async #settle(entry: Entry, work: NounWork, signal: AbortSignal): Promise<void> {
    const { journal, log } = this.#options;
    if (!entry.started) {
      await journal.done(entry, { kind: 'failed', errors: [{ code: 'INTERRUPTED', fields: {} }] });
      return;
    }
    log.warn({ operationId: entry.id, noun: entry.noun }, 'finishing an operation that was interrupted');
    for (let waitMs = recoveryWait.firstMs; !signal.aborted; waitMs = Math.min(2 * waitMs, recoveryWait.longestMs)) {
      try {
        const asked = { ...work.parse(work.request.decode(await journal.request(entry))), resumed: { removalOnly: entry.removalOnly }, undoes: entry.undoes };
        const { response, held } = await this.#carryOut(work, entry, asked);
        await journal.done(entry, { kind: 'ok', response: work.response.encode(response), held });
        return;
      } catch (error) {
        if (isUnreachable(error)) {
          await waitFor(waitMs, signal);
          continue;
        }
        const saved = isFinalFailure(error) ? [] : await journal.undo(entry);
        const failure = await runUndo(this.#runner(work, entry.id), saved, error);
        log.error({ err: failure, operationId: entry.id }, 'an interrupted operation could not be finished');
        await journal.done(entry, { kind: 'failed', errors: failure.items });
        return;
      }
    }
  }

  #runner(work: NounWork, operationId: string): StepRunner {
    const { host, hostName } = this.#options;
    return { helper: host.helper, perform: work.perform?.bind(work), hostName, operationId, stepDone: () => work.stepDone() };
  }

  #tell(work: NounWork): void {
    this.#options.onChanged(work.noun, this.#seen.get(work.noun));
  }
}

/** The plan of what a hold lets through. */
function planRemovals(work: NounWork, asked: Asked, observed: unknown, policy: UsablePolicy): Plan {
  const plan = work.plan(work.removalOnly(asked.wanted, observed), observed, policy, circumstancesOf(asked));
  if (plan.problems.length > 0) throw new ReeveError(plan.problems);
  // A noun that gets this wrong must not change a held host.
  if (!plan.steps.every((step) => step.removesAccess)) throw new Error(`noun ${work.noun} plans more than removal of access under a hold`);
  return plan;
}

function keyOf(operationId: string, work: NounWork): string {
  return `${operationId} ${work.method}`;
}

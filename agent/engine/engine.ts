import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { nounDigest, sha256 } from '../../shared/kit/digest.js';
import { createKeyedQueue } from '../../shared/kit/queue.js';
import type { Logger } from '../../shared/kit/log.js';
import type { Canonical } from '../../shared/model/canonical.js';
import { idTime } from '../../shared/model/id.js';
import type { Host, HostPart } from '../host/host.js';
import type { Entry, Journal } from '../journal/journal.js';
import { readHostPolicy, usablePolicy, type UsablePolicy } from '../policy/policy.js';
import { isFinalFailure, isUnreachable, runSteps, runUndo, withHost, type StepRunner } from './apply.js';
import { obeyEpoch } from './epoch.js';
import type { Intent } from './intent.js';
import { createMoved } from './moved.js';
import type { Plan } from './step.js';

/** Clocks may differ by this much when something is to be changed, ms. */
const skewMs = 10 * 60 * 1000;

/** Longest wait between two tries of recovery to reach the helper, ms. */
const recoveryWaitMs = 30_000;

/** One noun, as the engine needs it. */
export interface NounWork<Request, Wanted, Observed, Response> {
  readonly noun: string;
  /** The part of the host it is in. */
  readonly part: HostPart;
  /** Full name of the method, e.g. `reeve.agent.v1.UserService/ApplyUser`. */
  readonly method: string;
  /** Codecs of the method. */
  readonly request: { encode: (request: Request) => Buffer; decode: (bytes: Buffer) => Request };
  readonly response: { encode: (response: Response) => Buffer; decode: (bytes: Buffer) => Response };
  /** The wanted state. Errors: those of the noun's grammar. */
  readonly parse: (request: Request) => { intent: Intent; wanted: Wanted };
  readonly observe: (wanted: Wanted, operationId: string) => Promise<Observed>;
  /** The managed objects, each with its name. */
  readonly model: (observed: Observed) => readonly Canonical[];
  readonly plan: (wanted: Wanted, observed: Observed, policy: UsablePolicy) => Plan;
  readonly respond: (answer: Answer<Wanted, Observed>) => Response;
  readonly stepDone: () => void;
}

/** What a response is made of. */
export interface Answer<Wanted, Observed> {
  readonly wanted: Wanted;
  /** As it is now. */
  readonly observed: Observed;
  readonly changes: Plan['changes'];
  readonly digestBefore: Buffer;
  readonly digest: Buffer;
  readonly policyDigest: Buffer;
}

/** Any noun, when its types do not matter. */
export type AnyWork = NounWork<never, unknown, unknown, never>;

/** Runs mutating calls: the same checks, journal and undo for every noun. */
export interface Engine {
  /** Plans or applies. Errors: all of Intent, those of the noun. */
  run<Request, Wanted, Observed, Response>(work: NounWork<Request, Wanted, Observed, Response>, request: Request, signal: AbortSignal): Promise<Response>;
  /** Settles what a crash left open. Resolves when all is settled or the signal ends it. */
  recover(works: readonly AnyWork[], signal: AbortSignal): Promise<void>;
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

/** What the engine needs. */
export interface EngineOptions {
  readonly host: Host;
  readonly journal: Journal;
  readonly hostName: string;
  readonly log: Logger;
  /** An operation began or ended; with what was observed of its noun last. */
  readonly onChanged: (noun: string, seen: Seen | undefined) => void;
}

/** A new engine. Call recover() once. */
export function createEngine(options: EngineOptions): Engine {
  const { host, journal, hostName, log } = options;
  const queue = createKeyedQueue();
  const live = new Map<string, { digest: string; outcome: Promise<unknown> }>();
  const moved = createMoved();
  const seen = new Map<string, Seen>();
  let draining = false;

  const observe = async <Wanted, Observed>(work: NounWork<never, Wanted, Observed, never>, wanted: Wanted, id: string): Promise<{ observed: Observed; digest: Buffer }> => {
    const stamp = host.stamp(work.part);
    const observed = await work.observe(wanted, id);
    const model = work.model(observed);
    const digest = nounDigest(work.noun, model);
    moved.remember(work.noun, digest, model);
    seen.set(work.noun, { digest, stamp });
    return { observed, digest };
  };

  /** Everything up to the first change. */
  const prepare = async <Wanted, Observed>(work: NounWork<never, Wanted, Observed, never>, wanted: Wanted, intent: Intent, resumed: boolean) => {
    const policy = usablePolicy(readHostPolicy(host), hostName);
    if (!resumed) {
      if (intent.policyDigest !== undefined && !intent.policyDigest.equals(policy.digest)) throw reeveError('POLICY_CHANGED', { host: hostName });
      const applied = journal.generation(work.noun);
      if (intent.generation > 0 && intent.generation < applied) {
        throw reeveError('GENERATION_STALE', { value: String(intent.generation), noun: work.noun, wanted: String(applied), host: hostName });
      }
    }
    const { observed, digest } = await observe(work, wanted, intent.operationId);
    if (!resumed && intent.expectedDigest !== undefined && !intent.expectedDigest.equals(digest)) {
      throw reeveError('STATE_MOVED', { host: hostName, moved: moved.since(work.noun, intent.expectedDigest, work.model(observed)) });
    }
    const plan = work.plan(wanted, observed, policy);
    if (plan.problems.length > 0) throw new ReeveError(plan.problems);
    if (!resumed && !plan.steps.every((step) => step.removesAccess)) checkClock(host.clock.now(), intent, hostName);
    return { policy, observed, digest, plan };
  };

  const runner = (work: AnyWork, operationId: string): StepRunner => ({ helper: host.helper, hostName, operationId, stepDone: work.stepDone });

  const planOnly = async <Request, Wanted, Observed, Response>(work: NounWork<Request, Wanted, Observed, Response>, wanted: Wanted, intent: Intent): Promise<Response> => {
    const { policy, observed, digest, plan } = await prepare(work as never, wanted, intent, false);
    return work.respond({ wanted, observed, changes: plan.changes, digestBefore: digest, digest, policyDigest: policy.digest } as Answer<Wanted, Observed>);
  };

  /** Makes the changes of a journaled operation. `resumed`: after a crash, forward from wherever it stopped. */
  const carryOut = async <Request, Wanted, Observed, Response>(
    work: NounWork<Request, Wanted, Observed, Response>,
    entry: Entry,
    asked: { wanted: Wanted; intent: Intent; resumed: boolean },
  ): Promise<Response> => {
    const { wanted, intent } = asked;
    const before = (await prepare(work as never, wanted, intent, asked.resumed)) as Awaited<ReturnType<typeof prepare<Wanted, Observed>>>;
    let now = { observed: before.observed, digest: before.digest };
    if (before.plan.steps.length > 0) {
      if (!asked.resumed) {
        await journal.undoSaved(entry, before.plan.steps.flatMap((step) => (step.final || step.undo === undefined ? [] : [step.undo])));
        await journal.started(entry);
      }
      await runSteps(runner(work as unknown as AnyWork, entry.id), before.plan.steps);
      now = await observe(work as never, wanted, entry.id);
    }
    const { digest: digestBefore, plan, policy } = before;
    return work.respond({ wanted, ...now, changes: plan.changes, digestBefore, policyDigest: policy.digest });
  };

  const apply = async <Request, Wanted, Observed, Response>(
    work: NounWork<Request, Wanted, Observed, Response>,
    asked: { wanted: Wanted; intent: Intent; request: Buffer; digest: string },
  ): Promise<Response> => {
    const { intent } = asked;
    const entry = await journal.received({
      id: intent.operationId, method: work.method, noun: work.noun, digest: asked.digest, generation: intent.generation, request: asked.request,
    });
    options.onChanged(work.noun, undefined);
    try {
      const response = await carryOut(work, entry, { ...asked, resumed: false });
      await journal.done(entry, { kind: 'ok', response: work.response.encode(response) });
      return response;
    } catch (error) {
      const failure = withHost(error, hostName);
      if (failure.code === 'INTERNAL') log.error({ err: error, operationId: entry.id }, 'an operation failed in a way that is not in the catalogue');
      await journal.done(entry, { kind: 'failed', errors: failure.items });
      throw failure;
    } finally {
      options.onChanged(work.noun, seen.get(work.noun));
    }
  };

  /** The stored answer of an operation that came before; undefined: it has not, or it never began. */
  const stored = async <Response>(work: AnyWork, operationId: string, digest: string): Promise<Response | undefined> => {
    const entry = journal.find(operationId, work.method);
    if (entry === undefined) return undefined;
    if (entry.digest !== digest) throw reeveError('OPERATION_REUSED', { value: operationId });
    if (entry.endedAt === undefined || (entry.state === 'failed' && !entry.started)) return undefined;
    const ending = await journal.ending(entry);
    if (ending.kind === 'failed') throw new ReeveError(ending.errors);
    return (work.response.decode as (bytes: Buffer) => Response)(Buffer.from(ending.response));
  };

  return {
    async run(work, request, signal) {
      const { intent, wanted } = work.parse(request);
      if (draining) throw reeveError('BUSY', { rule: 'the agent is stopping' });
      await obeyEpoch(journal, hostName, intent.epoch);
      if (intent.mode === 'plan') {
        return queue.run(work.noun, () => planOnly(work, wanted, intent).catch((error: unknown) => { throw passOn(error, hostName); }));
      }
      const bytes = work.request.encode(request);
      const digest = sha256(bytes).toString('hex');
      const key = `${intent.operationId} ${work.method}`;
      const running = live.get(key);
      if (running !== undefined) {
        if (running.digest !== digest) throw reeveError('OPERATION_REUSED', { value: intent.operationId });
        return running.outcome as ReturnType<typeof planOnly> as never;
      }
      const outcome = queue.run(work.noun, async () => {
        const before = await stored(work as unknown as AnyWork, intent.operationId, digest);
        if (before !== undefined) return before as never;
        if (signal.aborted) throw reeveError('CANCELLED');
        return apply(work, { wanted, intent, request: bytes, digest });
      });
      live.set(key, { digest, outcome });
      try {
        return await outcome;
      } finally {
        live.delete(key);
      }
    },

    async recover(works, signal) {
      await Promise.all(
        works.map((work) =>
          queue.run(work.noun, async () => {
            for (const entry of journal.open().filter((open) => open.method === work.method)) {
              const key = `${entry.id} ${entry.method}`;
              live.set(key, { digest: entry.digest, outcome: Promise.resolve() });
              try {
                await settle(entry, work, signal);
              } finally {
                live.delete(key);
                options.onChanged(work.noun, seen.get(work.noun));
              }
            }
          }),
        ),
      );
    },

    read: (noun, task) => queue.run(noun, task),
    isLive: (entry) => live.has(`${entry.id} ${entry.method}`),
    async drain() {
      draining = true;
      await Promise.allSettled([...live.values()].map((run) => run.outcome));
    },
  };

  async function settle(entry: Entry, work: AnyWork, signal: AbortSignal): Promise<void> {
    if (!entry.started) {
      await journal.done(entry, { kind: 'failed', errors: [{ code: 'INTERRUPTED', fields: {} }] });
      return;
    }
    log.warn({ operationId: entry.id, noun: entry.noun }, 'finishing an operation that was interrupted');
    for (let waitMs = 500; !signal.aborted; waitMs = Math.min(2 * waitMs, recoveryWaitMs)) {
      try {
        const request = (work.request.decode as (bytes: Buffer) => never)(await journal.request(entry));
        const response = await carryOut(work as never, entry, { ...(work.parse(request) as { wanted: never; intent: Intent }), resumed: true });
        await journal.done(entry, { kind: 'ok', response: (work.response.encode as (response: unknown) => Buffer)(response) });
        return;
      } catch (error) {
        if (!isUnreachable(error)) {
          const saved = isFinalFailure(error) ? [] : await journal.undo(entry);
          const failure = await runUndo(runner(work, entry.id), saved, error);
          log.error({ err: failure, operationId: entry.id }, 'an interrupted operation could not be finished');
          await journal.done(entry, { kind: 'failed', errors: failure.items });
          return;
        }
        await waitFor(waitMs, signal);
      }
    }
  }
}

/** An error of planning: catalogue errors with the host's name, bugs as they are. */
function passOn(error: unknown, hostName: string): unknown {
  return error instanceof ReeveError ? withHost(error, hostName) : error;
}

function checkClock(now: number, intent: Intent, hostName: string): void {
  const asked = idTime(intent.operationId);
  if (Math.abs(now - asked) <= skewMs) return;
  throw reeveError('CLOCK_SKEW', { host: hostName, value: formatTime(now), wanted: formatTime(asked) });
}

/** An id can carry times that no date has. */
function formatTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${String(ms)} ms` : date.toISOString();
}

import type { AgentStatusInput } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { HoldInput } from '../../shared/gen/proto/reeve/type/v1/Hold.js';
import type { StatusGetReply } from '../../shared/gen/privd.js';
import { ReeveError } from '../../shared/errors/error.js';
import { backoffMs } from '../../shared/kit/backoff.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import type { Logger } from '../../shared/kit/log.js';
import { random } from '../../shared/kit/random.js';
import { formatHold } from '../../shared/rpc/hold.js';
import { factsMoved } from '../fact/observe.js';
import { readLocalHolds } from '../hold/hold.js';
import type { HostPart, Volume } from '../host/host.js';
import { allows, readHostPolicy } from '../policy/policy.js';
import { buildStatus, type StatusSources } from './build.js';
import { same, type ObservedNoun, type Snapshot } from './snapshot.js';

/** Touches of files that come together are looked at once, ms. */
const settleMs = 300;

/** What the relay counts is told at most so often, ms. */
const relayMs = 1000;

/** How often files are compared whether or not anybody said that they were touched, ms. */
const pollMs = 5 * 60_000;

/** How long after a change reverts by itself it is looked at, and how often where it has not yet, ms. */
const revertMs = { settle: 5_000, again: 60_000 };

/** How often facts are gathered while somebody watches, and after how long they are told although little moved, ms. */
const factsMs = 60_000;
const factsTellMs = 10 * 60_000;

/** Knows the state of the agent, its helper and its nouns, and tells who watches. */
export interface StatusHub {
  snapshot(): Snapshot;
  /** Resolves at the next change, after `timeoutMs`, or when the signal ends. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Resolves when everything was looked at once, and so has `also`. */
  ready(also: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** An operation of a noun began (undefined) or ended; `stamp` is of before it was observed. */
  operated(noun: string, seen: { digest: Buffer; stamp: string } | undefined): void;
  /** What the relay has to tell is another. */
  relayed(): void;
  /** What the control root has told this host is newer. */
  told(): void;
  /** The certificate of the agent is another. */
  certificate(notAfter: number): void;
  /** Why the last renewal failed; empty: it did not. */
  renewal(problem: string): void;
  /** Looks anew at what nobody tells of: helper and file systems. */
  refresh(): Promise<void>;
  /** Somebody watches; facts are gathered while at least one does. `gathered` resolves when there are some; call `stop` when the watch ends. */
  watchFacts(): { readonly gathered: Promise<void>; readonly stop: () => void };
  /** How many watch. */
  readonly watchers: number;
  /** The agent stops: there is nothing more to tell. */
  readonly closed: boolean;
  close(): void;
}

/** What the hub needs. */
export interface StatusHubOptions extends StatusSources {
  readonly nouns: readonly ObservedNoun[];
  readonly certificateNotAfter: number;
  readonly log: Logger;
}

/** A new hub; it begins to look at once. Close it. */
export function createStatusHub(options: StatusHubOptions): StatusHub {
  return new Hub(options);
}

class Hub implements StatusHub {
  readonly #options: StatusHubOptions;
  readonly #digests = new Map<string, Buffer>();
  readonly #stamps = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #watch: { close(): void };
  readonly #looked: Promise<unknown>;
  #helper: { reply: StatusGetReply | undefined; state: string } = { reply: undefined, state: 'not asked yet' };
  #attempt = 0;
  #certificateNotAfter: number;
  #renewalProblem = '';
  #volumes: readonly Volume[] = [];
  #snapshot: Snapshot;
  #watchers = 0;
  #factsToldAt = -Infinity;
  #gathered: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: StatusHubOptions) {
    this.#options = options;
    this.#certificateNotAfter = options.certificateNotAfter;
    this.#snapshot = { status: { value: this.#buildStatus(), count: 1 }, digests: { value: [], count: 1 }, facts: { value: undefined, count: 0 } };
    this.#watch = options.host.watch((part) => this.#later(`touched ${part}`, settleMs, () => this.#touched(part)));
    this.#stamps.set('policy', options.host.stamp('policy'));
    this.#looked = this.#look();
    this.#poll();
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  get watchers(): number {
    return this.#watchers;
  }

  changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted || this.#closed) done();
    });
  }

  async ready(also: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const wait = new AbortController();
    await Promise.race([Promise.all([this.#looked, also]), this.#timeout(timeoutMs, AbortSignal.any([signal, wait.signal]))]);
    wait.abort();
  }

  operated(noun: string, seen: { digest: Buffer; stamp: string } | undefined): void {
    if (seen === undefined) {
      this.#publish();
      return;
    }
    const known = this.#options.nouns.find((row) => row.noun === noun);
    this.#digests.set(noun, seen.digest);
    if (known !== undefined) {
      this.#stamps.set(noun, seen.stamp);
      this.#awaitRevert(known);
    }
    this.#publish();
    this.#later('helper', 0, () => this.#askHelper());
  }

  relayed(): void {
    // Figures that move all the time are told together.
    if (!this.#timers.has('relay')) this.#later('relay', relayMs, () => this.#publish());
  }

  told(): void {
    this.#publish();
  }

  certificate(notAfter: number): void {
    this.#certificateNotAfter = notAfter;
    this.#publish();
  }

  renewal(problem: string): void {
    this.#renewalProblem = problem.slice(0, 1024);
    this.#publish();
  }

  async refresh(): Promise<void> {
    await Promise.all([this.#askHelper(), this.#measure()]);
  }

  get closed(): boolean {
    return this.#closed;
  }

  watchFacts(): { gathered: Promise<void>; stop: () => void } {
    this.#watchers += 1;
    if (this.#watchers === 1) this.#gathered = this.#gather();
    let watching = true;
    const stop = (): void => {
      if (!watching) return;
      watching = false;
      this.#watchers -= 1;
      if (this.#watchers === 0) this.#cancel('facts');
    };
    return { gathered: this.#gathered, stop };
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    for (const wake of [...this.#waiting]) wake();
  }

  /** Only the time and the signal end this wait. */
  #timeout(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const stop = (): void => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }

  async #look(): Promise<void> {
    await this.refresh();
    for (const noun of this.#options.nouns) await this.#observe(noun);
  }

  #poll(): void {
    this.#later('poll', pollMs * (0.9 + 0.2 * random()), () => {
      for (const part of ['policy', 'accounts', 'keys', 'certs', 'vhost', 'hold'] as const) this.#touched(part);
      for (const noun of this.#options.nouns) void this.#ask(noun);
      void this.#measure();
      this.#poll();
    });
  }

  /** Asks a noun of which no file tells whether it has changed. */
  async #ask(noun: ObservedNoun): Promise<void> {
    const { host } = this.#options;
    if (noun.moved === undefined || noun.present?.() === false || !allows(readHostPolicy(host), noun.operation)) return;
    try {
      if (await noun.moved(newId(host.clock.now()))) await this.#observe(noun);
    } catch (error) {
      this.#unreachable(error);
    }
  }

  /** No file tells that the host has taken a change back. */
  #awaitRevert(noun: ObservedNoun): void {
    const dueAt = noun.dueAt?.();
    if (dueAt === undefined) {
      this.#cancel(`revert ${noun.noun}`);
      return;
    }
    const leftMs = dueAt - this.#options.host.clock.now();
    // The clock may have been turned since the deadline was set.
    const waitMs = leftMs < 0 ? revertMs.again : Math.min(leftMs, pollMs * 3) + revertMs.settle;
    this.#later(`revert ${noun.noun}`, waitMs, () => this.#observe(noun));
  }

  /** A part may have changed: its stamp tells. */
  #touched(part: HostPart): void {
    const { host, nouns } = this.#options;
    if (part === 'policy') {
      const stamp = host.stamp('policy');
      if (stamp === this.#stamps.get('policy')) return;
      this.#stamps.set('policy', stamp);
      // Another policy may allow what was denied, and the other way round.
      this.#publish();
      void this.#look();
      if (this.#watchers > 0) void this.#gather();
      return;
    }
    if (part === 'hold') {
      this.#publish();
      return;
    }
    const stamp = host.stamp(part);
    for (const noun of nouns) if (noun.part === part && this.#stamps.get(noun.noun) !== stamp) void this.#observe(noun);
  }

  async #askHelper(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#helper = { reply: await this.#options.host.helper.call('status.get', newId(this.#options.host.clock.now()), {}), state: 'ok' };
      this.#attempt = 0;
      this.#cancel('retry');
    } catch (error) {
      this.#unreachable(error);
    }
    this.#publish();
  }

  async #measure(): Promise<void> {
    if (this.#closed) return;
    this.#volumes = await this.#options.host.readVolumes();
    this.#publish();
  }

  async #observe(noun: ObservedNoun): Promise<void> {
    if (this.#closed) return;
    const { host } = this.#options;
    if (noun.present?.() === false || !allows(readHostPolicy(host), noun.operation)) {
      this.#digests.delete(noun.noun);
      this.#stamps.delete(noun.noun);
      this.#publish();
      return;
    }
    try {
      const stamp = host.stamp(noun.part);
      const digest = nounDigest(noun.noun, await noun.observe(newId(host.clock.now())));
      this.#digests.set(noun.noun, digest);
      this.#stamps.set(noun.noun, stamp);
      this.#awaitRevert(noun);
    } catch (error) {
      this.#unreachable(error);
    }
    this.#publish();
  }

  /** The helper does not answer, or refuses: a state to be told, and asked again later. */
  #unreachable(error: unknown): void {
    const reason = error instanceof ReeveError ? (error.fields['reason'] ?? error.code) : 'its answer cannot be used';
    if (!(error instanceof ReeveError)) this.#options.log.error({ err: error }, 'the helper could not be asked');
    if (error instanceof ReeveError && error.code !== 'HELPER_UNREACHABLE') this.#options.log.warn({ code: error.code }, 'the helper refused to be asked');
    else this.#helper = { reply: undefined, state: reason };
    const waitMs = 1000 + backoffMs(this.#attempt, { baseMs: 1000, maxMs: 300_000, random });
    this.#attempt += 1;
    this.#later('retry', waitMs, () => this.#look());
  }

  async #gather(): Promise<void> {
    const { host, log } = this.#options;
    this.#later('facts', factsMs, () => this.#gather());
    if (!allows(readHostPolicy(host), 'fact.read')) {
      if (this.#snapshot.facts.value !== undefined) this.#tell({ ...this.#snapshot, facts: { value: undefined, count: this.#snapshot.facts.count } });
      return;
    }
    try {
      const facts = await host.readFacts();
      const before = this.#snapshot.facts.value;
      const now = host.clock.monotonic();
      if (before !== undefined && !factsMoved(before, facts) && now - this.#factsToldAt < factsTellMs) return;
      this.#factsToldAt = now;
      this.#tell({ ...this.#snapshot, facts: { value: facts, count: this.#snapshot.facts.count + 1 } });
    } catch (error) {
      log.error({ err: error }, 'the facts could not be gathered');
    }
  }

  /** Builds status and digests anew, and tells when they differ. */
  #publish(): void {
    const { status, digests, facts } = this.#snapshot;
    const nextStatus = this.#buildStatus();
    const nextDigests = [...this.#digests].map(([noun, digest]) => ({ noun, digest, generation: this.#options.journal.generation(noun) }));
    const next: Snapshot = {
      status: same(status.value, nextStatus) ? status : { value: nextStatus, count: status.count + 1 },
      digests: same(digests.value, nextDigests) ? digests : { value: nextDigests, count: digests.count + 1 },
      facts,
    };
    if (next.status !== status || next.digests !== digests) this.#tell(next);
  }

  #tell(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const wake of [...this.#waiting]) wake();
  }

  #buildStatus(): AgentStatusInput {
    return buildStatus(this.#options, {
      helper: this.#helper, certificateNotAfter: this.#certificateNotAfter, holds: this.#holds(), renewalProblem: this.#renewalProblem, volumes: this.#volumes,
    });
  }

  /** The local holds; when the first of them ends it is told. */
  #holds(): HoldInput[] {
    const holds = readLocalHolds(this.#options.host);
    const ends = holds.flatMap((hold) => (hold.untilMs === undefined ? [] : [hold.untilMs - this.#options.host.clock.now()]));
    if (ends.length > 0) this.#later('hold', Math.min(pollMs, Math.max(1_000, Math.min(...ends))), () => this.#publish());
    return holds.map(formatHold);
  }

  #later(name: string, ms: number, task: () => unknown): void {
    this.#cancel(name);
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      task();
    }, ms);
    timer.unref();
    this.#timers.set(name, timer);
  }

  #cancel(name: string): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

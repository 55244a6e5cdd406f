import { formatMessage, ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { Vhost } from '../../shared/model/vhost.js';
import { callHelper } from '../engine/apply.js';
import type { StoredStep } from '../journal/line.js';
import { compareSites } from './adopt.js';
import { checkSet } from './check.js';
import type { Decision, WantedSite } from './decide.js';
import { decideNow, observeNow, oldModels, type Decided, type FrontOptions } from './look.js';
import { parkedItem } from './plan.js';
import { probeMade, probeWorked, type ProbeProblem } from './probe.js';
import type { ParkedSite } from './store.js';
import { pairMaker, shadowSet } from './shadow.js';
import type { WantedVhosts } from './wanted.js';

/** A part of a set that the helper has laid out. */
interface Staged {
  readonly part: number;
  /** Digest, hexadecimal. */
  readonly set: string;
  /** It is what is in place, and stays so: a file that was altered or taken away is made again although the set has the same digest. */
  readonly same: boolean;
  /** The sites that it makes, and those of them that are there, as they are; as far as that is known. */
  readonly made: readonly WantedSite[];
  readonly before: readonly Vhost[];
}

/** What became of an operation. */
export interface RoundOutcome {
  /** Sites that the web server refused, by name. */
  readonly refused: ReadonlyMap<string, ParkedSite>;
  /** What could not be compared of sites that are taken over. */
  readonly skipped: readonly string[];
}

/**
 * One change of the sites of a host, from the first look to the last settled part. The parts are laid out and tried one after another; the first one already when the host
 * is looked at, because only then it is known what the web server refuses.
 */
export interface Round extends RoundOutcome {
  readonly operationId: string;
  /** What was decided first. */
  readonly decided: Decided;
  /** Whether what would be in place is another set than what is. */
  readonly differs: boolean;
  /** Makes a step. Errors: VHOST_PROBE, VHOST_PARKED and VHOST_DRIFT when the others were made; those of the helper's verbs. */
  perform(step: StoredStep): Promise<void>;
  /** All parts are settled. */
  readonly ended: boolean;
}

/** Begins a round: has the helper try all that is to be made, unless `tries` is false. Errors: those of vhost.check. */
export async function beginRound(front: FrontOptions, wanted: WantedVhosts, of: { readonly operationId: string; readonly decided: Decided; readonly tries: boolean }): Promise<Round> {
  const round = new VhostRound(front, wanted, of.operationId, of.decided);
  if (of.tries) await round.tryAll();
  return round;
}

/** All sites that are not as wanted, by name. */
export function parkedOf(decisions: readonly Decision[], refused: ReadonlyMap<string, ParkedSite>): readonly ParkedSite[] {
  const stays = decisions.flatMap((decision): ParkedSite[] => {
    const [first] = decision.kind === 'stay' ? decision.problems : [];
    return decision.kind !== 'stay' || first === undefined ? [] : [{ name: decision.name, problem: formatMessage(first), before: decision.before }];
  });
  return [...stays, ...refused.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

class VhostRound implements Round {
  readonly operationId: string;
  readonly decided: Decided;
  readonly refused = new Map<string, ParkedSite>();
  skipped: readonly string[] = [];
  ended = false;
  readonly #front: FrontOptions;
  readonly #wanted: WantedVhosts;
  #staged: Staged | undefined;

  constructor(front: FrontOptions, wanted: WantedVhosts, operationId: string, decided: Decided) {
    this.#front = front;
    this.#wanted = wanted;
    this.operationId = operationId;
    this.decided = decided;
  }

  get differs(): boolean {
    const { decisions, parts, now, take } = this.decided;
    const todo = decisions.filter(({ kind }) => kind === 'make' || kind === 'go').some(({ name }) => !this.refused.has(name));
    const lost = [...this.refused.values()].some(({ name, before }) => !before && now.sites.has(name));
    return take !== undefined || ((todo || lost) && (parts.length > 1 || this.#staged?.same !== true));
  }

  /** All parts, the first one last: that stays laid out. */
  async tryAll(): Promise<void> {
    for (let part = this.decided.parts.length - 1; part >= 0; part -= 1) this.#staged = await this.#layOut(this.decided, part);
  }

  async perform(step: StoredStep): Promise<void> {
    const { part, removalsOnly, last, resumed } = step.request;
    if (step.verb === 'vhost.apply') await this.#apply(Number(part), { removalsOnly: removalsOnly === true, last: last === true });
    else if (step.verb === 'vhost.settle') await this.#settle({ resumed: resumed === true, last: last === true });
    else await callHelper(this.#front.host.helper, this.operationId, step);
  }

  async #layOut(decided: Decided, part: number): Promise<Staged> {
    const names = new Set(decided.parts[part] ?? []);
    const { now: observed, decisions, rendered, take } = decided;
    const { set, refused } = await checkSet(this.#front.host.helper, this.operationId, { observed, decisions, part: [...names], rendered, makePair: pairMaker(this.#front), take });
    for (const row of refused) this.refused.set(row.name, row);
    const made = decisions.flatMap((decision) => (decision.kind === 'make' && names.has(decision.name) && !this.refused.has(decision.name) ? [decision.wanted] : []));
    const old = oldModels(this.#front, decided);
    return { part, set, same: set === observed.set && made.length === 0, made, before: made.flatMap(({ site }) => old.get(site.name) ?? []) };
  }

  /** Lays a part out where it is not yet: the host is another since the parts before it, or a hold lets only removals through. */
  async #stage(part: number, removalsOnly: boolean): Promise<Staged> {
    if (this.#staged?.part === part && !removalsOnly) return this.#staged;
    const decided = await decideNow(this.#front, { ...this.#wanted, removalsOnly }, this.operationId);
    this.#staged = await this.#layOut(removalsOnly ? decided : { ...decided, parts: this.decided.parts }, part);
    return this.#staged;
  }

  async #apply(part: number, { removalsOnly, last }: { removalsOnly: boolean; last: boolean }): Promise<void> {
    const { host, store, limits } = this.#front;
    const { take } = this.decided;
    const taken = last && !removalsOnly ? take : undefined;
    if (taken !== undefined) await this.#compare(taken);
    const { set, same, made, before } = await this.#stage(part, removalsOnly);
    if (same && taken === undefined) return;
    const known = store.trial?.operationId === this.operationId ? store.trial : undefined;
    // When the helper did not answer, the set may be in place already: what worked before it is what was found the first time.
    const trial = known ?? { operationId: this.operationId, names: made.map(({ site }) => site.name), worked: await probeWorked(host, before, limits) };
    this.#keepModels();
    store.setTrial(trial);
    await host.helper.call('vhost.apply', this.operationId, { set: Buffer.from(set, 'hex'), ...(taken === undefined ? {} : { take: taken }) });
    await this.#require(await probeMade(host, made, trial.worked, limits));
  }

  async #settle({ resumed, last }: { resumed: boolean; last: boolean }): Promise<void> {
    const { host, store, limits } = this.#front;
    const { trial } = store;
    const mine = resumed && trial?.operationId === this.operationId ? trial : undefined;
    if (mine?.shadow === true) await this.#takeBack();
    else {
      if (mine !== undefined) {
        const { sites } = await observeNow(this.#front, this.operationId);
        const made = this.#wanted.sites.filter(({ site, sha }) => mine.names.includes(site.name) && sites.get(site.name)?.modelSha === sha);
        await this.#require(await probeMade(host, made, mine.worked, limits));
      }
      await host.helper.call('vhost.settle', this.operationId, { keep: true });
      store.setTrial(undefined);
    }
    this.#staged = undefined;
    if (last) this.#end();
  }

  /** Puts the set before back when something does not answer any more. */
  async #require(problem: ProbeProblem | undefined): Promise<void> {
    if (problem === undefined) return;
    await this.#takeBack();
    throw reeveError('VHOST_PROBE', { host: this.#front.hostName, value: problem.name, rule: problem.rule });
  }

  async #takeBack(): Promise<void> {
    const { host, store } = this.#front;
    await host.helper.call('vhost.settle', this.operationId, { keep: false });
    store.setTrial(undefined);
  }

  /** Compares sites that take the place of others with those, before anything of them is taken over. Errors: VHOST_ADOPT with all that differs. */
  async #compare(file: string): Promise<void> {
    const { host, hostName, store, limits } = this.#front;
    const decided = await decideNow(this.#front, this.#wanted, this.operationId);
    const set = await shadowSet(this.#front, decided, file);
    if (set.wanted.length === 0) return;
    // What was laid out is laid out again afterwards.
    this.#staged = undefined;
    const { set: sha, refused } = await checkSet(host.helper, this.operationId, set.check);
    const adopt = (rule: string): ErrorItem => ({ code: 'VHOST_ADOPT', fields: { host: hostName, value: file, rule: rule.slice(0, 1000) } });
    const bad = refused.find(({ name }) => set.wanted.some(({ site }) => site.name === name));
    if (bad !== undefined) throw new ReeveError([adopt(`site "${bad.name}" cannot be compared: ${bad.problem}`)]);
    store.setTrial({ operationId: this.operationId, names: [], worked: [], shadow: true });
    await host.helper.call('vhost.apply', this.operationId, { set: Buffer.from(sha, 'hex') });
    const problem = await probeMade(host, set.wanted, [], limits);
    const { differences, skipped } = problem === undefined ? await compareSites(host, set.shadows) : { differences: [`site "${problem.name}" cannot be compared: ${problem.rule}`], skipped: [] };
    await this.#takeBack();
    this.skipped = this.#wanted.acceptDifferences ? [...differences, ...skipped] : skipped;
    if (differences.length > 0 && !this.#wanted.acceptDifferences) throw new ReeveError(differences.slice(0, 50).map(adopt));
  }

  /** What can be made was made; who asked for the sake of what could not is told so. */
  #end(): void {
    const { hostName, store } = this.#front;
    this.ended = true;
    const { decisions } = this.decided;
    const parked = parkedOf(decisions, this.refused);
    store.setParked(parked);
    const drifted = new Map(decisions.flatMap((decision) => (decision.kind === 'stay' ? decision.problems.filter(({ code }) => code === 'VHOST_DRIFT').map((item) => [decision.name, item] as const) : [])));
    const items = parked.map((row): readonly [string, ErrorItem] => [row.name, drifted.get(row.name) ?? parkedItem(row, hostName)]);
    const mine = items.filter(([name]) => this.#wanted.about.has(name));
    if (mine.length > 0) throw new ReeveError([...mine, ...items.filter(([name]) => !this.#wanted.about.has(name))].map(([, item]) => item));
  }

  /** The models of all that is in place or will be. */
  #keepModels(): void {
    const inPlace = [...this.decided.now.sites.values()].map(({ modelSha }) => modelSha);
    this.#front.store.keepTexts(new Map(this.#wanted.sites.map(({ sha, text }) => [sha, text])), new Set(inPlace));
  }
}

import { ReeveError } from '../../shared/errors/error.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeFinished } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeFinished.js';
import type { ChangeOptionsInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { ChangeProgress } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeProgress.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { Change } from '../../shared/gen/proto/reeve/type/v1/Change.js';
import { newId } from '../../shared/kit/id.js';
import { vis } from '../../shared/model/vis.js';
import { renderInventory, renderResults, renderSummary, type Stage } from './change-text.js';
import { confirm, requireAnswerer } from './confirm.js';
import type { Api } from './connect.js';
import type { Context } from './context.js';
import { exitOfHost, exitOfOutcome, worstExit } from './exit.js';
import { failureJson, formatJson, toJson } from './json.js';
import { createProgress } from './progress.js';
import { formatBytes } from './size.js';
import { createWaits, type Wait } from './wait.js';

/** How far a command goes, as its options say. */
export interface ChangeFlags {
  readonly plan: boolean;
  readonly stage: boolean;
  readonly yes: boolean;
}

/** Makes the call of a change. */
export type StartChange = (api: Api, options: ChangeOptionsInput) => AsyncIterable<ChangeEvent>;

/** What is known of a change when its events end, however they end. */
interface Known {
  readonly planId: string;
  readonly operationId: string;
  readonly results: readonly HostResult[];
  /** What changes in the inventory itself. */
  readonly inventory: readonly Change[];
  readonly finished: ChangeFinished | undefined;
  /** How many results are of hosts that answered after the plan. */
  readonly answered: number;
  /** Changes that hosts would take back unless they were confirmed. */
  readonly waits: readonly Wait[];
  /** What hosts do that still waited when the events ended. */
  readonly outlook: readonly string[];
  /** What stands beside it in the JSON document. */
  readonly beside: Readonly<Record<string, unknown>>;
  /** Why the events ended early. */
  readonly broken: ReeveError | undefined;
}

/** Refuses what would have to be asked where nobody can be. Errors: FIELD_MISSING. */
export function requireDecided(context: Context, flags: ChangeFlags): void {
  if (!flags.plan && !flags.stage && !flags.yes) requireAnswerer(context, 'add --yes to apply without a question, or --plan to only see what would change');
}

/**
 * Plans, shows, asks, applies and waits, or the part of it that the options ask for. `beside` stands with the answer in its JSON document. Gives the exit code.
 */
export async function runChange(context: Context, flags: ChangeFlags, start: StartChange, beside: Readonly<Record<string, unknown>> = {}): Promise<number> {
  requireDecided(context, flags);
  const api = await context.api();
  const operationId = newId(context.clock.now());
  const collect = async (events: AsyncIterable<ChangeEvent>, operation: string): Promise<Known> => ({ ...(await follow(context, events, operation)), beside });
  if (flags.plan) return report(context, await collect(start(api, { mode: 'CHANGE_MODE_PLAN' }), ''), 'planned');
  if (flags.stage) return report(context, await collect(start(api, { mode: 'CHANGE_MODE_STAGE', operationId }), operationId), 'stored');
  if (flags.yes) return report(context, await collect(start(api, { mode: 'CHANGE_MODE_APPLY', operationId }), operationId), 'applied');

  const planned = await collect(start(api, { mode: 'CHANGE_MODE_PLAN' }), '');
  const exit = report(context, planned, 'planned');
  if (planned.planId === '' || nothingToDo(planned)) return exit;
  await confirm(context, 'Apply?');
  const known = await collect(start(api, { mode: 'CHANGE_MODE_APPLY', planId: planned.planId, operationId }), operationId);
  return report(context, known, 'applied', isTrouble);
}

/** What is still to be shown when the changes themselves were shown before. */
function isTrouble(result: HostResult): boolean {
  return result.outcome !== 'OUTCOME_OK';
}

function nothingToDo({ inventory, results }: Pick<Known, 'inventory' | 'results'>): boolean {
  return inventory.length === 0 && results.every((result) => result.outcome === 'OUTCOME_OK' && result.changes.length === 0);
}

/**
 * The events of one call to their end. A later result of a host and noun replaces the planned one. A call that ends early throws, unless it may have
 * changed something (it has an operation): then what is known is given with the error.
 */
async function follow(context: Context, events: AsyncIterable<ChangeEvent>, operationId: string): Promise<Omit<Known, 'beside'>> {
  const results = new Map<string, HostResult>();
  const keyOf = (result: HostResult): string => `${result.hostId} ${result.noun}`;
  const planned = new Map<string, HostResult>();
  let planId = '';
  let inventory: readonly Change[] = [];
  let finished: ChangeFinished | undefined;
  let broken: ReeveError | undefined;
  const progress = createProgress(context);
  const waits = createWaits(context.clock, progress);
  try {
    for await (const event of events) {
      if (event.planned) {
        ({ planId, inventory } = event.planned);
        for (const result of event.planned.hosts) planned.set(keyOf(result), result);
        progress.total(planned.size);
      } else if (event.host) {
        results.set(keyOf(event.host), event.host);
        progress.done(results.size);
        waits.settled(event.host);
      } else if (event.waiting) {
        waits.waiting(event.waiting);
      } else if (event.confirmed) {
        waits.confirmed(event.confirmed);
      } else if (event.progress) {
        progress.show(fetchText(event.progress));
      } else if (event.finished) {
        finished = event.finished;
      }
    }
    if (finished === undefined) throw new ReeveError([{ code: 'INTERNAL', fields: { correlation: 'the coordinator ended the answer early' } }]);
  } catch (error) {
    if (operationId === '' || !(error instanceof ReeveError) || (planned.size === 0 && results.size === 0 && waits.all().length === 0 && error.code !== 'CANCELLED')) throw error;
    broken = error;
  } finally {
    waits.close();
    progress.close();
  }
  const merged = mergeResults(planned, results, broken !== undefined);
  return { planId, operationId: finished?.operationId ?? operationId, results: sorted(merged), inventory, finished, answered: results.size, waits: waits.all(), outlook: waits.outlook(), broken };
}

/** What a host does before a change: `web1: fetching layer 2 of 5, 12.0 MiB of 40.0 MiB`. */
function fetchText({ hostName, progress }: ChangeProgress): string {
  const bytes = progress?.bytes ?? 0;
  const total = progress?.total ?? 0;
  return vis(`${hostName}: ${progress?.text ?? ''}${bytes === 0 ? '' : `, ${formatBytes(bytes)}`}${total === 0 ? '' : ` of ${formatBytes(total)}`}`);
}

/** What every host said last. Where others were told or the call ended early, a planned change without an answer is unknown: nobody said it was made. */
function mergeResults(planned: ReadonlyMap<string, HostResult>, results: ReadonlyMap<string, HostResult>, broken: boolean): HostResult[] {
  const rest = [...planned].filter(([key]) => !results.has(key)).map(([, result]) => result);
  const open = (result: HostResult): boolean => result.outcome === 'OUTCOME_OK' && (broken || (results.size > 0 && result.changes.length > 0));
  return [...rest.map((result) => (open(result) ? { ...result, outcome: 'OUTCOME_UNKNOWN' as const, changes: [] } : result)), ...results.values()];
}

function sorted(results: readonly HostResult[]): HostResult[] {
  const keyOf = (result: HostResult): string => `${result.hostName} ${result.noun}`;
  return [...results].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0));
}

/** Shows what is known and gives the exit code. */
function report(context: Context, known: Known, asked: Stage, shown: (result: HostResult) => boolean = () => true): number {
  const stage = wasRefused(known) ? 'planned' : asked;
  const exit = exitOf(known, stage);
  if (context.json) context.terminal.out(formatJson(documentOf(known)));
  else reportText(context, known, stage, shown);
  return exit;
}

/** Whether the call ended with its plan, because a host refused it: the rest reads as a plan then. */
function wasRefused(known: Known): boolean {
  return known.finished?.stored === false && known.answered === 0 && known.results.some((result) => result.outcome === 'OUTCOME_FAILED');
}

function exitOf(known: Known, stage: Stage): number {
  const results = stage === 'stored' ? known.results.filter((result) => result.outcome !== 'OUTCOME_PENDING') : known.results;
  const codes = results.map(exitOfHost);
  if (known.broken !== undefined) return worstExit([...codes, 3]);
  if (known.finished !== undefined && stage === 'applied' && worstExit(codes) === 0) codes.push(exitOfOutcome(known.finished.outcome));
  return worstExit(codes);
}

function documentOf(known: Known): Readonly<Record<string, ReturnType<typeof toJson>>> {
  const { planId, operationId, results, inventory, finished, waits, broken } = known;
  const failure = broken === undefined ? {} : (failureJson(broken) as Readonly<Record<string, ReturnType<typeof toJson>>>);
  return {
    planId,
    operationId,
    outcome: toJson(finished?.outcome ?? 'OUTCOME_UNKNOWN', 'outcome'),
    stored: finished?.stored ?? null,
    ...(inventory.length === 0 ? {} : { inventory: inventory.map((change) => toJson(change)) }),
    hosts: results.map((result) => toJson(result)),
    ...(waits.length === 0 ? {} : { confirmations: waits.map((wait) => toJson(wait)) }),
    ...Object.fromEntries(Object.entries(known.beside).map(([name, value]) => [name, toJson(value, name)])),
    ...failure,
  };
}

function reportText(context: Context, known: Known, stage: Stage, shown: (result: HostResult) => boolean): void {
  const { terminal } = context;
  terminal.out(renderInventory(terminal, known.inventory));
  terminal.out(renderResults(terminal, known.results.filter(shown), stage));
  if (known.broken === undefined) {
    terminal.out(`${closing(known, stage)}\n`);
    return;
  }
  const why = known.broken.code === 'CANCELLED' ? 'Cancelled' : known.broken.message;
  if (known.results.length > 0) terminal.out(`${renderSummary(known.results, stage)}\n`);
  terminal.err(`reeve: ${why}; hosts that had not answered may still finish what they began.\n${known.outlook.map((text) => `  ${text}.\n`).join('')}  See: reeve operation show ${known.operationId}\n`);
}

function closing(known: Known, stage: Stage): string {
  if (stage === 'stored' && known.finished?.stored === false) return 'Nothing to store: it is wanted so already.';
  if (stage === 'stored' && known.results.length === 0) return 'Stored. To apply it: reeve apply';
  if (known.results.length === 0) return withoutHosts(known, stage);
  const summary = renderSummary(known.results, stage);
  const failed = known.results.some((result) => result.outcome === 'OUTCOME_FAILED');
  if (nothingToDo(known) && stage !== 'stored') return `Nothing to do. ${summary}.`;
  if (failed && stage === 'planned') return `${summary}. Nothing was stored.`;
  if (stage === 'stored') return `Stored. ${summary}. To apply it: reeve apply`;
  return `${summary}.`;
}

/** The last line of a change that no host has to be told of. */
function withoutHosts(known: Known, stage: Stage): string {
  if (stage === 'planned') return known.inventory.length === 0 ? 'Nothing to do.' : 'No host has to be told.';
  return 'Done. No host has to be told.';
}

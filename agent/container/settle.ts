import { ReeveError } from '../../shared/errors/error.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { newId } from '../../shared/kit/id.js';
import type { Logger } from '../../shared/kit/log.js';
import type { ObservedContainer } from '../../shared/model/container-state.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import { isUnreachable } from '../engine/apply.js';
import type { WorkPlace } from '../engine/ticket.js';
import { allows, readHostPolicy } from '../policy/policy.js';
import { takeBack } from './change.js';
import { observeContainers } from './observe.js';

/** Waits between two tries to reach the helper, ms. */
const settleWait = { firstMs: 1_000, longestMs: 60_000 };

/** Takes back what no operation that is open owns any more: what was pending when an agent died, or when nobody answered. */
export interface Settler {
  /** Looks, and takes back; resolves when nothing is pending, or the signal has ended it. One at a time. */
  run(): Promise<void>;
}

/** What a settler needs. */
export interface SettlerOptions {
  readonly place: WorkPlace;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Runs a task between the changes of the noun. */
  readonly between: (task: () => Promise<void>) => Promise<void>;
}

/** A new settler. */
export function createSettler(options: SettlerOptions): Settler {
  let running: Promise<void> | undefined;
  return {
    run() {
      running ??= settleUntilDone(options).finally(() => (running = undefined));
      return running;
    },
  };
}

async function settleUntilDone({ place, log, signal, between }: SettlerOptions): Promise<void> {
  if (!allows(readHostPolicy(place.host), 'observe.container')) return;
  for (let waitMs = settleWait.firstMs; !signal.aborted; waitMs = Math.min(2 * waitMs, settleWait.longestMs)) {
    try {
      await between(() => settleLeft(place, log));
      return;
    } catch (error) {
      if (!(error instanceof ReeveError) || !(isUnreachable(error) || error.code === 'BUSY')) {
        log.warn({ err: error }, 'containers that are pending cannot be looked for');
        return;
      }
      await waitFor(waitMs, signal);
    }
  }
}

async function settleLeft(place: WorkPlace, log: Logger): Promise<void> {
  const operationId = newId(place.host.clock.now());
  const { containers } = await observeContainers(place.host.helper, operationId, 'managed');
  for (const container of containers.filter(({ pending }) => pending)) {
    const problems = await settleOne(place, operationId, container);
    const what = { container: container.name, operationId };
    if (problems.length === 0) log.warn(what, 'a change of a container that nobody finished was taken back');
    else log.error({ ...what, problems }, 'a change of a container that nobody finished could not be taken back');
  }
}

/** Nobody knows how far the change went: it is stopped, put back, and started again when it should run. */
async function settleOne(place: WorkPlace, operationId: string, { name, spec, fresh }: ObservedContainer): Promise<readonly string[]> {
  if (spec === undefined) return ['its record cannot be read'];
  const left = await takeBack({
    place, operationId, name, spec, text: formatContainerText(spec), adopt: false, build: false, pending: true, note: () => undefined,
    action: 'restart', before: fresh ? 'absent' : 'unknown',
  });
  return left.map(({ fields }) => fields['rule'] ?? '');
}

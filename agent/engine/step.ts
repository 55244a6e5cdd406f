import type { ErrorItem } from '../../shared/errors/error.js';
import type { Change } from '../../shared/model/change.js';
import type { StoredStep } from '../journal/line.js';

/** One step of a plan: a verb of the helper, or of a noun that is the agent's own. */
export interface Step extends StoredStep {
  /**
   * What takes it back when a later step fails. undefined: it stands. Locks stand (a revocation is never taken back because something else failed), and
   * what is final.
   */
  readonly undo: StoredStep | undefined;
  /** From the first final step on nothing is taken back any more: a repeat goes on where this one stopped. Final steps come last. */
  readonly final: boolean;
  /** Whether it only takes access away: such steps are made whatever the clocks say. */
  readonly removesAccess: boolean;
}

/** What a planner answers. */
export interface Plan {
  readonly steps: readonly Step[];
  /** In the order of the steps. */
  readonly changes: readonly Change[];
  /** All that is known to stand in the way; when there is one, nothing is done. */
  readonly problems: readonly ErrorItem[];
}

/** A step for people: verb and the object it is about. */
export function formatStep(step: StoredStep): string {
  const { name, group } = step.request;
  return [step.verb, name, group].filter((part) => part !== undefined).join(' ');
}

import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { heldItem, holdOn, type Hold } from '../../shared/model/hold.js';
import { idTime } from '../../shared/model/id.js';
import type { Intent } from './intent.js';

/** Clocks may differ by this much when something is to be changed, ms. */
const skewMs = 10 * 60 * 1000;

/** Letting go is nothing that a held host does; a plan is shown all the same. Errors: HOST_HELD. */
export function requireNotHeld(noun: string, hostName: string, intent: Intent, found: { holds: readonly Hold[]; changes: number }): void {
  const hold = holdOn(found.holds, noun);
  if (hold !== undefined && intent.mode === 'apply' && found.changes > 0) throw new ReeveError([heldItem(hostName, noun, hold)]);
}

/** Changes that give something are not made while the clocks differ. Errors: CLOCK_SKEW. */
export function checkClock(now: number, intent: Intent, hostName: string): void {
  const asked = idTime(intent.operationId);
  if (Math.abs(now - asked) <= skewMs) return;
  throw reeveError('CLOCK_SKEW', { host: hostName, value: formatTime(now), wanted: formatTime(asked) });
}

/** An id can carry times that no date has. */
function formatTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${String(ms)} ms` : date.toISOString();
}

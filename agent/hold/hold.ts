import { ReeveError } from '../../shared/errors/error.js';
import type { Hold } from '../../shared/model/hold.js';
import type { Host } from '../host/host.js';
import { holdsInForce, parseStoredHolds, type HoldClocks } from './stored.js';

/** As much of a host as holds need. */
export type HoldHost = Pick<Host, 'clock' | 'readHolds' | 'bootMark' | 'monotonicMs'>;

/** When each hold was first seen on a host, by its text. */
const seen = new WeakMap<HoldHost, Map<string, number>>();

/** The clocks of a host now. */
export function clocksOf(host: HoldHost): HoldClocks {
  const known = seen.get(host) ?? new Map<string, number>();
  seen.set(host, known);
  const bootMs = host.monotonicMs();
  const firstSeenMs: HoldClocks['firstSeenMs'] = (hold) => {
    const key = JSON.stringify(hold);
    const first = known.get(key) ?? bootMs;
    known.set(key, first);
    return first;
  };
  return { nowMs: host.clock.now(), bootId: host.bootMark(), bootMs, firstSeenMs };
}

/**
 * The local holds in force now: the file is read at every use, so that one set by hand counts at once. A file that is there and cannot be used holds
 * everything until it is repaired: whoever wrote it wanted a hold.
 */
export function readLocalHolds(host: HoldHost): readonly Hold[] {
  const file = host.readHolds();
  if (file.kind === 'none') return [];
  const unusable = (reason: string): readonly Hold[] => [
    { noun: '', by: 'root', reason: `the file of holds cannot be used (${reason}); repair it with: reeve-agent hold --end`, sinceMs: 0, untilMs: undefined, local: true },
  ];
  if (file.kind === 'fault') return unusable(file.reason);
  try {
    return holdsInForce(parseStoredHolds(file.text), clocksOf(host));
  } catch (error) {
    if (error instanceof ReeveError) return unusable(`${error.fields['field'] ?? '?'} is not allowed`);
    if (error instanceof SyntaxError) return unusable('it is no JSON');
    throw error;
  }
}

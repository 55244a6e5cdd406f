import { ReeveError } from '../../shared/errors/error.js';
import type { Hold } from '../../shared/model/hold.js';
import type { Host } from '../host/host.js';
import { holdsInForce, parseStoredHolds } from './stored.js';

/**
 * The local holds in force now: the file is read at every use, so that one set by hand counts at once. A file that is there and cannot be used holds
 * everything until it is repaired: whoever wrote it wanted a hold.
 */
export function readLocalHolds(host: Pick<Host, 'clock' | 'readHolds' | 'bootId' | 'bootMs'>): readonly Hold[] {
  const file = host.readHolds();
  if (file.kind === 'none') return [];
  const unusable = (reason: string): readonly Hold[] => [
    { noun: '', by: 'root', reason: `the file of holds cannot be used (${reason}); repair it with: reeve-agent hold --end`, sinceMs: 0, untilMs: undefined, local: true },
  ];
  if (file.kind === 'fault') return unusable(file.reason);
  try {
    return holdsInForce(parseStoredHolds(file.text), { nowMs: host.clock.now(), bootId: host.bootId(), bootMs: host.bootMs() });
  } catch (error) {
    if (error instanceof ReeveError) return unusable(`${error.fields['field'] ?? '?'} is not allowed`);
    if (error instanceof SyntaxError) return unusable('it is no JSON');
    throw error;
  }
}

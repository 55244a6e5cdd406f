import { reeveError } from '../../shared/errors/error.js';
import type { Journal } from '../journal/journal.js';

/** Obeys a coordinator with this epoch or a higher one from now on. Errors: EPOCH_STALE; AUDIT_UNWRITABLE when a higher one cannot be remembered. */
export async function obeyEpoch(journal: Journal, hostName: string, epoch: number): Promise<void> {
  if (epoch < journal.epoch) throw reeveError('EPOCH_STALE', { value: String(epoch), wanted: String(journal.epoch), host: hostName });
  if (epoch > journal.epoch) await journal.raiseEpoch(epoch);
}

import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import type { Logger } from '../../shared/kit/log.js';
import { createRateLimiter } from '../../shared/rpc/rate.js';
import { addAudit, type AuditEntry } from '../inventory/audit.js';
import type { Database } from '../inventory/database.js';
import { writing } from '../inventory/write.js';

/** Refusals that are written to the audit one by one, a second: who floods us must not fill the disk. */
const recordRate = { perSecond: 5, burst: 50 };

/** How long refusals that were only counted wait for their record, ms. */
const countMs = 10_000;

/** The refused calls of one door. Close it. */
export interface Refusals {
  /** Records a refusal, or counts it when there are too many. Never throws: who was refused is refused, whatever the disk says. */
  note(method: string, caller: string, error: Pick<ErrorItem, 'code'>): void;
  /** Records how many were only counted. */
  flush(): void;
  close(): void;
}

/** Refusals into the audit of an inventory; undefined while there is none. */
export function createRefusals(options: { readonly db: () => Database | undefined; readonly clock: Clock; readonly log: Logger }): Refusals {
  const { clock, log } = options;
  const limiter = createRateLimiter();
  let counted = 0;
  const record = (db: Database, entry: Pick<AuditEntry, 'principal' | 'action' | 'arguments' | 'code'>): boolean => {
    try {
      writing(db, () => addAudit(db, { ...entry, timeMs: clock.now(), phase: 'refused', operationId: '' }));
      return true;
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      log.error({ err: error }, 'a refusal could not be recorded; it is counted');
      return false;
    }
  };
  const flush = (): void => {
    const db = options.db();
    if (db === undefined || counted === 0) return;
    const entry = { principal: 'reeved', action: 'refusals', arguments: `${String(counted)} more refusals were counted and not recorded one by one`, code: '' };
    if (record(db, entry)) counted = 0;
  };
  const timer = setInterval(flush, countMs);
  timer.unref();
  return {
    note(method, caller, { code }) {
      const db = options.db();
      if (db === undefined) return;
      if (!limiter.take('refusals', recordRate, clock.monotonic()) || !record(db, { principal: caller, action: method, arguments: '', code })) counted += 1;
    },
    flush,
    close() {
      clearInterval(timer);
      flush();
    },
  };
}

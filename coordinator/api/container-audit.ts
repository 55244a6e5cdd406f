import { ReeveError } from '../../shared/errors/error.js';
import { newId } from '../../shared/kit/id.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { addAudit } from '../inventory/audit.js';
import type { HostRow } from '../inventory/host.js';
import { noting, writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import type { WorkEvent } from '../reconcile/container-agent.js';
import type { OperatorCaller } from './caller.js';

/** A piece of work on a host that is no change of what should be. */
export interface AuditedWork {
  readonly host: HostRow;
  /** "container restart", "image pull". */
  readonly action: string;
  /** What else it is about; never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;
  /** Does it; the id stands in the audit of the host. */
  readonly work: (operationId: string) => AsyncIterable<WorkEvent>;
}

/** Has a host do a piece of work, with a record in the audit before and after it. A caller that goes ends it, and that is recorded, too. */
export async function* auditedWork(office: Office, { principal }: Pick<CallContext<OperatorCaller>, 'principal'>, { host, action, detail, work }: AuditedWork): AsyncGenerator<WorkEvent> {
  const { db, clock, log } = office;
  const operationId = newId(clock.now());
  // Which hosts a record is about is told by how its arguments begin.
  const entry = { principal: principal.name, action: `${action} ${host.name}`, arguments: `${action} ${host.id} ${JSON.stringify(detail)}`, operationId };
  writing(db, () => addAudit(db, { ...entry, timeMs: clock.now(), phase: 'intent', code: '' }));
  let ended: { phase: 'ok' | 'failed'; code: string } = { phase: 'failed', code: 'CANCELLED' };
  try {
    for await (const event of work(operationId)) {
      if (event.kind === 'result') ended = { phase: 'ok', code: '' };
      yield event;
    }
  } catch (error) {
    ended = { phase: 'failed', code: error instanceof ReeveError ? error.code : 'INTERNAL' };
    throw error;
  } finally {
    noting(db, log, () => addAudit(db, { ...entry, timeMs: clock.now(), ...ended }));
  }
}

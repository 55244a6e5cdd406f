import { reeveError } from '../../shared/errors/error.js';
import type { OperationInput } from '../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import { parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Database } from '../inventory/database.js';
import { getHost } from '../inventory/host.js';
import { getOperation, listOperations, listOperationsOf, operationHosts, worstOutcome, type OperationHostRow, type OperationRow } from '../inventory/operation.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { formatHostOutcome, outcomes } from './event.js';
import { reads } from './row.js';
import { inScope } from './select.js';

/** The journal of what was asked, for operators. */
export function operationService(office: () => Office): Service<OperatorCaller> {
  return defineService<OperationServiceDefinition, OperatorCaller>('reeve.coordinator.v1.OperationService', {
    GetOperation: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const id = parseId('operation id', request.id);
        const operation = getOperation(db, id);
        const parts = visibleParts(db, principal, id);
        const known = operation !== undefined && (principal.scope === undefined || parts.length > 0 || operation.operator === principal.account);
        if (!known) throw reeveError('OPERATION_UNKNOWN', { value: id });
        const hosts = parts.flatMap((part) => {
          const host = getHost(db, part.hostId);
          return host === undefined ? [] : [formatHostOutcome({ ...part, host, held: [], notes: [] })];
        });
        return Promise.resolve({ operation: format(seenBy(db, principal, operation)), hosts });
      },
    },
    ListOperation: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const { account, scope } = principal;
        const limit = parseLimit(request.limit);
        const rows = scope === undefined ? listOperations(db, limit) : listOperationsOf(db, { operator: account, scope }, limit);
        return Promise.resolve({ operations: rows.map((row) => format(seenBy(db, principal, row))) });
      },
    },
  });
}

/** A limit from the wire: 0 is 50. */
export function parseLimit(limit: number): number {
  return limit === 0 ? 50 : parseInteger('limit', limit, { min: 1, max: 1000 });
}

function visibleParts(db: Database, caller: OperatorCaller, id: string): OperationHostRow[] {
  return operationHosts(db, id).filter((part) => inScope(db, caller, part.hostId));
}

/** An operation as a caller with a scope sees it: how it ended is how it ended on the hosts of the scope. */
function seenBy(db: Database, caller: OperatorCaller, operation: OperationRow): OperationRow {
  const parts = caller.scope === undefined ? [] : visibleParts(db, caller, operation.id);
  return parts.length === 0 ? operation : { ...operation, outcome: worstOutcome(parts.map((part) => part.outcome)) };
}

function format(operation: OperationRow): OperationInput {
  return {
    id: operation.id,
    summary: operation.summary,
    operator: operation.operator,
    outcome: outcomes[operation.outcome],
    startedAt: toTimestamp(operation.startedAtMs),
    endedAt: operation.endedAtMs === undefined ? null : toTimestamp(operation.endedAtMs),
  };
}

import { reeveError } from '../../shared/errors/error.js';
import type { OperationInput } from '../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import { parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { getHost } from '../inventory/host.js';
import { getOperation, listOperations, operationHosts, type OperationRow } from '../inventory/operation.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { formatHostOutcome, outcomes } from './event.js';
import { reads } from './row.js';

/** The journal of what was asked, for operators. */
export function operationService(office: () => Office): Service<OperatorCaller> {
  return defineService<OperationServiceDefinition, OperatorCaller>('reeve.coordinator.v1.OperationService', {
    GetOperation: {
      ...reads,
      handle: (request) => {
        const { db } = office();
        const id = parseId('operation id', request.id);
        const operation = getOperation(db, id);
        if (operation === undefined) throw reeveError('OPERATION_UNKNOWN', { value: id });
        const hosts = operationHosts(db, id).flatMap((part) => {
          const host = getHost(db, part.hostId);
          return host === undefined ? [] : [formatHostOutcome({ ...part, host })];
        });
        return Promise.resolve({ operation: format(operation), hosts });
      },
    },
    ListOperation: {
      ...reads,
      handle: (request) => Promise.resolve({ operations: listOperations(office().db, parseLimit(request.limit)).map(format) }),
    },
  });
}

/** A limit from the wire: 0 is 50. */
export function parseLimit(limit: number): number {
  return limit === 0 ? 50 : parseInteger('limit', limit, { min: 1, max: 1000 });
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

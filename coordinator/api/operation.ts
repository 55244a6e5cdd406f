import { reeveError } from '../../shared/errors/error.js';
import type { OperationInput } from '../../shared/gen/proto/reeve/coordinator/v1/Operation.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import { fieldInvalid, parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { Database } from '../inventory/database.js';
import { getHost } from '../inventory/host.js';
import { countParts, getOperation, listOperations, operationHosts, worstOutcome, type OperationFilter, type OperationHostRow, type OperationRow, type OutcomeWord } from '../inventory/operation.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { formatHostOutcome, outcomes } from './event.js';
import { reads } from './row.js';
import { hostFor, inScope } from './select.js';

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
        return Promise.resolve({ operation: format(db, principal, seenBy(db, principal, operation)), hosts });
      },
    },
    ListOperation: {
      ...reads,
      handle: (request, { principal }) => {
        const { db } = office();
        const filter = {
          outcomes: request.outcomes.map(parseOutcome),
          hostId: request.host === '' ? undefined : hostFor(db, principal, request.host).id,
          before: request.before === '' ? undefined : parseId('before', request.before),
        };
        return Promise.resolve({ operations: seenOperations(db, principal, parseLimit(request.limit), filter).map((row) => format(db, principal, row)) });
      },
    },
  });
}

/** The newest operations that fit, as the caller sees them. */
export function seenOperations(db: Database, caller: OperatorCaller, limit: number, filter: Omit<OperationFilter, 'of'>): OperationRow[] {
  const { account, scope } = caller;
  if (scope === undefined) return listOperations(db, limit, filter);
  // How it ended is how it ended on the hosts of the scope: what others are stored as says nothing.
  const { outcomes = [], ...rest } = filter;
  const found: OperationRow[] = [];
  let { before } = rest;
  for (;;) {
    const rows = listOperations(db, limit, { ...rest, before, of: { operator: account, scope } });
    found.push(...rows.map((row) => seenBy(db, caller, row)).filter((row) => outcomes.length === 0 || outcomes.includes(row.outcome)));
    before = rows.at(-1)?.id;
    if (found.length >= limit || rows.length < limit) return found.slice(0, limit);
  }
}

function parseOutcome(wire: string): OutcomeWord {
  const word = (Object.keys(outcomes) as OutcomeWord[]).find((candidate) => outcomes[candidate] === wire);
  if (word === undefined) throw fieldInvalid('outcomes', wire, `one of ${Object.values(outcomes).join(', ')}`);
  return word;
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

function format(db: Database, caller: OperatorCaller, operation: OperationRow): OperationInput {
  const parts = caller.scope === undefined ? undefined : visibleParts(db, caller, operation.id);
  const counts = parts === undefined ? countParts(db, operation.id) : { parts: parts.length, partsEnded: parts.filter((part) => part.outcome !== 'running').length };
  return {
    ...counts,
    id: operation.id,
    summary: operation.summary,
    operator: operation.operator,
    outcome: outcomes[operation.outcome],
    startedAt: toTimestamp(operation.startedAtMs),
    endedAt: operation.endedAtMs === undefined ? null : toTimestamp(operation.endedAtMs),
  };
}

import type { OperatorInput } from '../../shared/gen/proto/reeve/coordinator/v1/Operator.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { fieldMissing } from '../../shared/model/field.js';
import { formatLabel, parseLabel, type Label } from '../../shared/model/label.js';
import { parseRole } from '../../shared/model/role.js';
import { parseAccountName } from '../../shared/model/user.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { addAudit } from '../inventory/audit.js';
import { addOperator, getOperator, listOperators, setOperator, type OperatorEdit, type OperatorRow } from '../inventory/operator.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { administersFleet, reads } from './row.js';

/** Operators, for operators. */
export function operatorService(office: () => Office): Service<OperatorCaller> {
  return defineService<OperatorServiceDefinition, OperatorCaller>('reeve.coordinator.v1.OperatorService', {
    AddOperator: {
      ...administersFleet,
      handle: (request, context) => {
        const { db, clock } = office();
        const operator = { name: parseAccountName(request.name, 'operator name'), role: parseRole(request.role), scope: parseScope(request.labels) };
        const details = JSON.stringify({ role: operator.role, scope: request.labels });
        const added = audited(office(), context.principal, `operator add ${operator.name}`, details, () => {
          addOperator(db, { ...operator, now: clock.now() });
          return getOperator(db, operator.name);
        });
        return Promise.resolve({ operator: added === undefined ? null : format(added) });
      },
    },
    SetOperator: {
      ...administersFleet,
      handle: (request, context) => {
        const name = parseAccountName(request.name, 'operator name');
        const edit: OperatorEdit = {
          ...(request.role === undefined ? {} : { role: parseRole(request.role) }),
          ...(request.disabled === undefined ? {} : { disabled: request.disabled }),
          ...(request.scope === null ? {} : { scope: parseScope(request.scope.labels) ?? null }),
        };
        if (Object.keys(edit).length === 0) throw fieldMissing('the alteration', 'role, scope, or disabled');
        const after = audited(office(), context.principal, `operator set ${name}`, JSON.stringify(edit), () => setOperator(office().db, name, edit));
        return Promise.resolve({ operator: format(after) });
      },
    },
    ListOperator: {
      ...reads,
      handle: (_request, { principal }) => {
        // The scopes of others name what is outside one's own.
        const rows = listOperators(office().db).filter((row) => principal.scope === undefined || row.name === principal.account);
        return Promise.resolve({ operators: rows.map(format) });
      },
    },
    WhoAmI: { ...reads, handle: (_request, { principal }) => Promise.resolve({ name: principal.account, role: principal.role, labels: principal.scope?.map(formatLabel) ?? [] }) },
  });
}

/** The labels of a scope; none: the whole fleet. Errors: FIELD_INVALID. */
function parseScope(labels: readonly string[]): readonly Label[] | undefined {
  return labels.length === 0 ? undefined : labels.map(parseLabel);
}

function format(row: OperatorRow): OperatorInput {
  return { name: row.name, role: row.role, disabled: row.disabled, labels: row.scope?.map(formatLabel) ?? [] };
}

/** Does something to the inventory together with its audit record: both or neither. */
export function audited<T>(office: Office, caller: OperatorCaller, action: string, details: string, work: () => T): T {
  return writing(office.db, () => {
    addAudit(office.db, { timeMs: office.clock.now(), principal: caller.name, action, arguments: details, phase: 'ok', operationId: '', code: '' });
    return work();
  });
}

import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { parseRole } from '../../shared/model/role.js';
import { parseAccountName } from '../../shared/model/user.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { addAudit } from '../inventory/audit.js';
import { addOperator, listOperators, setOperator } from '../inventory/operator.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { administers, reads } from './row.js';

/** Operators, for operators. */
export function operatorService(office: () => Office): Service<OperatorCaller> {
  return defineService<OperatorServiceDefinition, OperatorCaller>('reeve.coordinator.v1.OperatorService', {
    AddOperator: {
      ...administers,
      handle: (request, context) => {
        const operator = { name: parseAccountName(request.name, 'operator name'), role: parseRole(request.role) };
        audited(office(), context.principal, `operator add ${operator.name}`, `role=${operator.role}`, () => addOperator(office().db, { ...operator, now: office().clock.now() }));
        return Promise.resolve({ operator: { ...operator, disabled: false } });
      },
    },
    SetOperator: {
      ...administers,
      handle: (request, context) => {
        const name = parseAccountName(request.name, 'operator name');
        const edit = {
          ...(request.role === undefined ? {} : { role: parseRole(request.role) }),
          ...(request.disabled === undefined ? {} : { disabled: request.disabled }),
        };
        const after = audited(office(), context.principal, `operator set ${name}`, JSON.stringify(edit), () => setOperator(office().db, name, edit));
        return Promise.resolve({ operator: after });
      },
    },
    ListOperator: { ...reads, handle: () => Promise.resolve({ operators: listOperators(office().db) }) },
    WhoAmI: { ...reads, handle: (_request, context) => Promise.resolve({ name: context.principal.account, role: context.principal.role }) },
  });
}

/** Does something to the inventory together with its audit record: both or neither. */
export function audited<T>(office: Office, caller: OperatorCaller, action: string, details: string, work: () => T): T {
  return writing(office.db, () => {
    addAudit(office.db, { timeMs: office.clock.now(), principal: caller.name, action, arguments: details, phase: 'ok', operationId: '', code: '' });
    return work();
  });
}

import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { listAudit, verifyAudit } from '../inventory/audit.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { parseLimit } from './operation.js';
import { reads } from './row.js';
import { visibleHosts } from './select.js';

/** The audit, for operators. */
export function auditService(office: () => Office): Service<OperatorCaller> {
  return defineService<AuditServiceDefinition, OperatorCaller>('reeve.coordinator.v1.AuditService', {
    ListAudit: {
      ...reads,
      handle: (request, context) => {
        const { name, scope } = context.principal;
        const { action, before } = request;
        // What others did names hosts in its arguments: a caller with a scope sees its own records.
        const foreign = scope !== undefined && request.principal !== '' && request.principal !== name;
        const principal = scope !== undefined ? name : request.principal === '' ? undefined : request.principal;
        const rows = foreign ? [] : listAudit(office().db, parseLimit(request.limit), { principal, ...(action === '' ? {} : { action }), ...(before === 0 ? {} : { before }) });
        const records = rows.map(({ timeMs, ...record }) => ({ ...record, time: toTimestamp(timeMs) }));
        return Promise.resolve({ records });
      },
    },
    VerifyAudit: {
      ...reads,
      wholeFleet: true,
      handle: (_request, context) => {
        const { db } = office();
        const found = verifyAudit(db);
        const broken = visibleHosts(db, context.principal).filter((host) => host.auditBrokenAtMs !== undefined);
        if (!found.intact || broken.length === 0) return Promise.resolve(found);
        return Promise.resolve({ ...found, intact: false, reason: `the audit chain of ${broken.map((host) => host.name).join(', ')} does not continue the one seen before` });
      },
    },
  });
}

import { randomBytes } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { InviteOperatorRequest } from '../../shared/gen/proto/reeve/coordinator/v1/InviteOperatorRequest.js';
import type { InviteOperatorResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/InviteOperatorResponse.js';
import type { OperatorInput } from '../../shared/gen/proto/reeve/coordinator/v1/Operator.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { fieldMissing, parseInteger } from '../../shared/model/field.js';
import { formatLoginToken, parseReachableEndpoint } from '../../shared/model/join-token.js';
import { formatLabel, parseLabel, type Label } from '../../shared/model/label.js';
import { parseRole } from '../../shared/model/role.js';
import { parseAccountName } from '../../shared/model/user.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { fromDuration, toDuration, toTimestamp, type WireTime } from '../../shared/rpc/time.js';
import { addAudit } from '../inventory/audit.js';
import { addLoginToken, voidLoginTokens } from '../inventory/login-token.js';
import { addOperator, getOperator, listOperators, removeOperator, setOperator, type OperatorEdit, type OperatorRow } from '../inventory/operator.js';
import { loginsOf, revokeOperatorKeys } from '../inventory/operator-key.js';
import { raiseRelays } from '../inventory/relay.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { certificateLife } from '../pki/authority.js';
import type { OperatorCaller } from './caller.js';
import { reachable } from './reach.js';
import { administersFleet, reads } from './row.js';

/** Operators, for operators. */
export function operatorService(office: () => Office): Service<OperatorCaller> {
  return defineService<OperatorServiceDefinition, OperatorCaller>('reeve.coordinator.v1.OperatorService', {
    AddOperator: {
      ...administersFleet,
      handle: (request, { principal }) => {
        const { db, clock } = office();
        const name = parseAccountName(request.name, 'operator name');
        const certificateTtlMs = parseCertificateTtl(request.certificateTtl) ?? certificateLife.operatorMs.usual;
        const operator = { name, role: parseRole(request.role), scope: parseScope(request.labels), certificateTtlMs };
        audited(office(), principal, `operator add ${name}`, JSON.stringify(operator), () => addOperator(db, { ...operator, now: clock.now() }));
        return Promise.resolve({ operator: format(office(), { ...operator, disabled: false }) });
      },
    },
    SetOperator: {
      ...administersFleet,
      handle: (request, { principal }) => {
        const { db } = office();
        const name = parseAccountName(request.name, 'operator name');
        const certificateTtlMs = parseCertificateTtl(request.certificateTtl);
        const edit: OperatorEdit = {
          ...(request.role === undefined ? {} : { role: parseRole(request.role) }),
          ...(request.disabled === undefined ? {} : { disabled: request.disabled }),
          ...(request.scope === null ? {} : { scope: parseScope(request.scope.labels) ?? null }),
          ...(certificateTtlMs === undefined ? {} : { certificateTtlMs }),
        };
        if (Object.keys(edit).length === 0) throw fieldMissing('the alteration', 'role, scope, life of certificates, or disabled');
        const after = audited(office(), principal, `operator set ${name}`, JSON.stringify(edit), () => setOperator(db, name, edit));
        return Promise.resolve({ operator: format(office(), after) });
      },
    },
    InviteOperator: { ...administersFleet, handle: (request, { principal }) => Promise.resolve(invite(office(), principal, request)) },
    RevokeOperator: {
      ...administersFleet,
      handle: (request, { principal }) => Promise.resolve({ certificates: revoke(office(), principal, request.name, 'revoke') }),
    },
    RemoveOperator: {
      ...administersFleet,
      handle: (request, { principal }) => Promise.resolve({ certificates: revoke(office(), principal, request.name, 'remove') }),
    },
    ListOperator: {
      ...reads,
      handle: (_request, { principal }) => {
        // The scopes of others name what is outside one's own.
        const rows = listOperators(office().db).filter((row) => principal.scope === undefined || row.name === principal.account);
        return Promise.resolve({ operators: rows.map((row) => format(office(), row)) });
      },
    },
    WhoAmI: { ...reads, handle: (_request, { principal }) => Promise.resolve({ name: principal.account, role: principal.role, labels: principal.scope?.map(formatLabel) ?? [] }) },
  });
}

function invite(office: Office, caller: OperatorCaller, request: InviteOperatorRequest): InviteOperatorResponseInput {
  const { db, clock, authority } = office;
  const operator = parseAccountName(request.name, 'operator name');
  const ttlMs = parseInteger('ttl', fromDuration(request.ttl) ?? 30 * 60_000, { min: 60_000, max: 24 * 3_600_000 });
  if (!office.operatorsOpen) throw reeveError('OPERATORS_OFF');
  const now = clock.now();
  const secret = randomBytes(32);
  audited(office, caller, `operator invite ${operator}`, '', () => {
    const known = getOperator(db, operator);
    if (known === undefined) throw reeveError('OPERATOR_ABSENT', { value: operator });
    if (known.disabled) throw reeveError('OPERATOR_DISABLED', { value: operator });
    addLoginToken(db, { hash: sha256(secret), operator, now, expiresAtMs: now + ttlMs });
  });
  const token = formatLoginToken({ token: secret, pin: authority.pin, endpoints: reachable(office).enrolment.map((text) => parseReachableEndpoint(text)) });
  // printf is the shell's own, so the token is in no process's arguments.
  return { token, command: `printf '%s\\n' '${token}' | reeve login`, expiresAt: toTimestamp(now + ttlMs) };
}

/** Revokes an operator's certificates and tokens, and takes the operator out when asked. Answers how many certificates were good until now. */
function revoke(office: Office, caller: OperatorCaller, text: string, verb: 'revoke' | 'remove'): number {
  const { db, clock } = office;
  const name = parseAccountName(text, 'operator name');
  return audited(office, caller, `operator ${verb} ${name}`, '', () => {
    if (getOperator(db, name) === undefined) throw reeveError('OPERATOR_ABSENT', { value: name });
    voidLoginTokens(db, name);
    const certificates = revokeOperatorKeys(db, name, clock.now());
    if (verb === 'remove') removeOperator(db, name);
    return certificates;
  });
}

/** The labels of a scope; none: the whole fleet. Errors: FIELD_INVALID. */
function parseScope(labels: readonly string[]): readonly Label[] | undefined {
  return labels.length === 0 ? undefined : labels.map(parseLabel);
}

function parseCertificateTtl(wire: WireTime | null): number | undefined {
  const ms = fromDuration(wire);
  const { least, most } = certificateLife.operatorMs;
  return ms === undefined ? undefined : parseInteger('life of certificates (ms)', ms, { min: least, max: most });
}

function format(office: Office, row: OperatorRow): OperatorInput {
  const logins = loginsOf(office.db, row.name, office.clock.now()).map((login) => ({ since: toTimestamp(login.sinceMs), notAfter: toTimestamp(login.notAfterMs) }));
  return { name: row.name, role: row.role, disabled: row.disabled, labels: row.scope?.map(formatLabel) ?? [], certificateTtl: toDuration(row.certificateTtlMs), logins };
}

/** Does something to the inventory together with its audit record: both or neither. Hosts that pass bytes to others are told when those others are not the same
 * any more, and so are those that `work` names by `raise`: noun key was raised there.
 */
export function audited<T>(office: Office, caller: OperatorCaller, action: string, details: string, work: (raise: (hostIds: readonly string[]) => void) => T): T {
  const { result, raised } = writing(office.db, () => {
    addAudit(office.db, { timeMs: office.clock.now(), principal: caller.name, action, arguments: details, phase: 'ok', operationId: '', code: '' });
    const told: string[] = [];
    const result = work((hostIds) => told.push(...hostIds));
    return { result, raised: new Set([...raiseRelays(office.db, office.clock.now()), ...told]) };
  });
  for (const hostId of raised) office.converge(hostId);
  if (raised.size > 0) office.expiries.changed();
  return result;
}

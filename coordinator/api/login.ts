import { randomUUID, X509Certificate } from 'node:crypto';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { EnrolOperatorRequest } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolOperatorRequest.js';
import type { EnrolOperatorResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolOperatorResponse.js';
import type { LoginServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/LoginService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { roles } from '../../shared/model/role.js';
import { defineService, type AuthenticatedCall, type Service } from '../../shared/rpc/server.js';
import { certificateProblem, keyFingerprint } from '../../shared/rpc/tls.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { addAudit } from '../inventory/audit.js';
import type { Database } from '../inventory/database.js';
import { getHostKey } from '../inventory/key.js';
import { spendLoginToken } from '../inventory/login-token.js';
import { getOperator } from '../inventory/operator.js';
import { addOperatorKey, getOperatorKey, promoteOperatorKey, type OperatorKey } from '../inventory/operator-key.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { checkPublicKey } from '../pki/authority.js';
import { proofHolds } from '../pki/proof.js';
import type { OperatorCaller } from './caller.js';
import { signedRecords } from '../fleet/record.js';
import { reachable } from './reach.js';

/**
 * Who calls from another machine, from the certificate's key alone: key, operator, role. Asked on every call, and on streams every 10 s, so that disabling,
 * revoking and removing take effect. Errors: IDENTITY_REFUSED, OPERATOR_DISABLED.
 */
export function remoteOperatorOf(office: Office, call: AuthenticatedCall): OperatorCaller {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  const refused = (reason: string): ReeveError => reeveError('IDENTITY_REFUSED', { reason });
  if (raw === undefined) throw refused('there is none');
  const certificate = new X509Certificate(raw);
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' });
  const key = getOperatorKey(office.db, keyFingerprint(publicKey));
  if (key === undefined) throw refused('its key is not known');
  if (key.state !== 'current' && key.state !== 'staged') throw refused(`its key is ${key.state === 'revoked' ? 'revoked' : 'replaced'}`);
  const uri = formatIdentity({ kind: 'operator', fleetId: office.authority.fleetId, name: key.operator });
  const problem = certificateProblem(certificate, { uri, usage: 'client', now: office.clock.now() });
  if (problem !== undefined) throw refused(problem);
  const operator = getOperator(office.db, key.operator);
  if (operator === undefined) throw refused('its operator is not known any more');
  if (operator.disabled) throw reeveError('OPERATOR_DISABLED', { value: operator.name });
  if (key.state === 'staged') use(office.db, key);
  return { name: `operator:${operator.name}`, account: operator.name, role: operator.role, scope: operator.scope, publicKey };
}

/** A renewed key was used. A disk that refuses leaves it staged, which is as good. */
function use(db: Database, key: OperatorKey): void {
  try {
    writing(db, () => promoteOperatorKey(db, key));
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
  }
}

/** Renewal of an operator's certificate, for itself. */
export function loginService(office: () => Office): Service<OperatorCaller> {
  return defineService<LoginServiceDefinition, OperatorCaller>('reeve.coordinator.v1.LoginService', {
    RenewLogin: {
      roles,
      risk: 'identity',
      rate: { perSecond: 1 / 60, burst: 10 },
      maxBytes: 2_048,
      deadlineMs: 10_000,
      handle: (request, { principal }) => {
        const { db, clock } = office();
        const own = principal.publicKey;
        if (own === undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'a local account has none to renew' });
        const publicKey = checkPublicKey(request.publicKey);
        const proven = proofHolds({ domain: 'reeve-login-renew-v1', credential: own, publicKey, signature: request.signature, by: publicKey });
        if (!proven) throw reeveError('IDENTITY_REFUSED', { reason: 'the new key is not proven' });
        if (isUsed(db, publicKey)) throw reeveError('IDENTITY_REFUSED', { reason: 'the new key was used before' });
        const used = getOperatorKey(db, keyFingerprint(own));
        if (used === undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'its key is not known' });
        const now = clock.now();
        const certificate = writing(db, () => {
          addAudit(db, { timeMs: now, principal: principal.name, action: 'login renew', arguments: '', phase: 'ok', operationId: '', code: '' });
          // Keys that earlier renewals staged stay good until one of them is used: two commands may renew at the same time, and one of them is stored last.
          return issue(office(), { name: principal.account, publicKey, now }, { login: used.login, loginAtMs: used.loginAtMs, state: 'staged' });
        });
        failpoint('coordinator.login.renewed');
        return Promise.resolve({ certificate, operatorsApi: reachable(office()).operatorsApi, moved: signedRecords(office()).moved ?? null, time: toTimestamp(now) });
      },
    },
  });
}

/** A login with a token: decides and issues in one transaction. Every refusal is LOGIN_REFUSED. */
export function enrolOperator(office: Office, request: EnrolOperatorRequest, from: string): EnrolOperatorResponseInput {
  const publicKey = checkPublicKey(request.publicKey);
  const proven = proofHolds({ domain: 'reeve-login-v1', credential: request.token, publicKey, signature: request.signature, by: publicKey });
  const { db, clock, authority } = office;
  if (!proven || isUsed(db, publicKey)) throw reeveError('LOGIN_REFUSED');
  const now = clock.now();
  failpoint('coordinator.login.decided');
  const { name, certificate } = writing(db, () => {
    const spent = spendLoginToken(db, sha256(request.token), now);
    const operator = spent === undefined ? undefined : getOperator(db, spent);
    if (operator === undefined || operator.disabled) throw reeveError('LOGIN_REFUSED');
    addAudit(db, { timeMs: now, principal: `operator:${operator.name}`, action: 'login', arguments: `from ${from}`, phase: 'ok', operationId: '', code: '' });
    return { name: operator.name, certificate: issue(office, { name: operator.name, publicKey, now }, { login: randomUUID(), loginAtMs: now, state: 'current' }) };
  });
  failpoint('coordinator.login.stored');
  return { fleetId: authority.fleetId, name, certificate, operatorsApi: reachable(office).operatorsApi, time: toTimestamp(now) };
}

/** A certificate for an operator's key, and the key's row; in the caller's transaction. */
function issue(office: Office, to: { name: string; publicKey: Buffer; now: number }, row: Pick<OperatorKey, 'login' | 'loginAtMs' | 'state'>): string {
  const lifeMs = getOperator(office.db, to.name)?.certificateTtlMs ?? 0;
  const { certificate, notAfterMs } = office.authority.issueOperator({ ...to, lifeMs });
  addOperatorKey(office.db, { ...row, fingerprint: keyFingerprint(to.publicKey), operator: to.name, notAfterMs });
  return certificate;
}

function isUsed(db: Database, publicKey: Buffer): boolean {
  const fingerprint = keyFingerprint(publicKey);
  return getOperatorKey(db, fingerprint) !== undefined || getHostKey(db, fingerprint) !== undefined;
}

import { reeveError } from '../../shared/errors/error.js';
import type { EnrolRequest } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolRequest.js';
import type { EnrolResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolResponse.js';
import type { EnrolServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/EnrolService.js';
import { sha256 } from '../../shared/kit/digest.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { agentPort, isIpv4, isIpv6 } from '../../shared/model/host.js';
import { formatLink } from '../../shared/model/link.js';
import { createRateLimiter } from '../../shared/rpc/rate.js';
import { defineService, type CallContext, type Caller, type Service } from '../../shared/rpc/server.js';
import { keyFingerprint } from '../../shared/rpc/tls.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { addAudit } from '../inventory/audit.js';
import { getHost, setAgentVersion, setJoined, type HostRow } from '../inventory/host.js';
import { addHostKey, dropStagedKeys, getHostKey, promoteKey, revokeKeys } from '../inventory/key.js';
import { spendToken } from '../inventory/token.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { certificateLife, checkPublicKey } from '../pki/authority.js';
import { proofHolds } from '../pki/proof.js';
import { enrolOperator } from './login.js';
import { reachableFrom } from './reach.js';

/** A caller at the enrolment port: nobody yet. */
export interface Stranger extends Caller {
  readonly role: 'stranger';
}

/** How long the coordinator waits before it dials an agent that was readmitted, ms. */
const readmitRedialMs = 2_000;

/** Calls that the enrolment port answers. */
export interface EnrolLimits {
  /** Per remote address and minute. */
  readonly perAddress: number;
  /** In all per minute. */
  readonly total: number;
}

/** The bounds of R10. */
export const defaultEnrolLimits: EnrolLimits = { perAddress: 5, total: 60 };

/** Joining, readmission, and operators' logins. */
export function enrolService(office: Office, limits: EnrolLimits = defaultEnrolLimits): Service<Stranger> {
  const limiter = createRateLimiter();
  const perMinute = (count: number): { perSecond: number; burst: number } => ({ perSecond: count / 60, burst: count });
  const row = { roles: ['stranger'], risk: 'identity', rate: perMinute(limits.total), maxBytes: 2_048, deadlineMs: 10_000 } as const;
  /** Joins and logins share the bounds of an address, and of all. */
  const admitted = (context: CallContext<Stranger>, what: string): string => {
    const address = addressOf(context.peer);
    const now = office.clock.monotonic();
    const allowed = limiter.take(`address ${address}`, perMinute(limits.perAddress), now) && limiter.take('all', perMinute(limits.total), now);
    if (!allowed) throw reeveError('RATE_LIMITED', { value: what, rule: `${String(limits.perAddress)} a minute from one address` });
    return address;
  };
  return defineService<EnrolServiceDefinition, Stranger>('reeve.coordinator.v1.EnrolService', {
    Enrol: { ...row, handle: (request, context) => Promise.resolve(enrol(office, request, admitted(context, 'joins'))) },
    EnrolOperator: { ...row, handle: (request, context) => Promise.resolve(enrolOperator(office, request, admitted(context, 'logins'))) },
  });
}

/** Decides and issues, in one transaction: a spent token and a lost answer never leave two identities. */
function enrol(office: Office, request: EnrolRequest, from: string): EnrolResponseInput {
  const publicKey = checkPublicKey(request.publicKey);
  const proven = proofHolds({
    domain: 'reeve-enrol-v1',
    credential: request.credential === 'token' ? (request.token ?? Buffer.alloc(0)) : (request.lastPublicKey ?? Buffer.alloc(0)),
    publicKey,
    signature: request.signature,
    by: publicKey,
  });
  if (!proven) throw reeveError('JOIN_REFUSED');
  const { db, clock } = office;
  const now = clock.now();
  if (getHostKey(db, keyFingerprint(publicKey)) !== undefined) throw reeveError('JOIN_REFUSED');
  failpoint('coordinator.enrol.decided');
  const readmission = request.credential !== 'token';
  const { host, certificate, raised } = writing(db, () => {
    let told: readonly string[] = [];
    const hostId = request.credential === 'token' ? spendToken(db, sha256(request.token ?? Buffer.alloc(0)), now) : readmittedHost(office, request, publicKey, now);
    const found = hostId === undefined ? undefined : getHost(db, hostId);
    if (found === undefined || found.state === 'retired') throw reeveError('JOIN_REFUSED');
    const issued = office.authority.issueHost({ hostId: found.id, publicKey, now });
    addAudit(db, { timeMs: now, principal: `host:${found.id}`, action: readmission ? 'readmit' : 'join', arguments: `${found.name} from ${from}`, phase: 'ok', operationId: '', code: '' });
    const agentVersion = request.agentVersion.slice(0, 64);
    const key = { fingerprint: keyFingerprint(publicKey), hostId: found.id, publicKey, issuedAtMs: now, notAfterMs: issued.notAfterMs };
    if (readmission) {
      // As with a renewal, the last key stays good until the new one was used: an answer that is lost must not lock the host out.
      const last = getHostKey(db, keyFingerprint(request.lastPublicKey ?? Buffer.alloc(0)));
      if (last?.state === 'staged') promoteKey(db, last);
      dropStagedKeys(db, found.id);
      addHostKey(db, { ...key, state: 'staged' });
      setAgentVersion(db, found.id, agentVersion);
    } else {
      revokeKeys(db, found.id);
      addHostKey(db, { ...key, state: 'staged' });
      promoteKey(db, { ...key, state: 'staged' });
      const endpoint = found.link === 'direct' && (isIpv4(from) || isIpv6(from)) ? { address: from, port: agentPort } : undefined;
      const machineHint = request.machineHint.length === 32 ? request.machineHint : undefined;
      told = setJoined(db, found.id, { now, from: endpoint, agentVersion, machineHint });
    }
    return { host: found, certificate: issued.certificate, raised: told };
  });
  failpoint('coordinator.enrol.stored');
  for (const hostId of raised) office.converge(hostId);
  // An agent that comes back is running: it needs a moment to take the certificate into use.
  if (readmission) setTimeout(() => office.fleet.refresh(host.id), readmitRedialMs).unref();
  else office.fleet.refresh(host.id);
  return response(office, host, certificate, now);
}

/** The host that proves its last key and may come back: at once until 30 days after expiry, later with an operator's yes. */
function readmittedHost(office: Office, request: EnrolRequest, publicKey: Buffer, now: number): string {
  const last = request.lastPublicKey ?? Buffer.alloc(0);
  const key = getHostKey(office.db, keyFingerprint(last));
  const proven = proofHolds({ domain: 'reeve-enrol-v1', credential: last, publicKey, signature: request.lastSignature, by: last });
  const host = key === undefined ? undefined : getHost(office.db, key.hostId);
  if (!proven || key === undefined || host?.state !== 'joined' || (key.state !== 'current' && key.state !== 'staged')) throw reeveError('JOIN_REFUSED');
  const late = now > key.notAfterMs + certificateLife.readmitMs;
  if (late && (host.readmitUntilMs ?? 0) < now) throw reeveError('READMIT_NEEDS_OPERATOR');
  return host.id;
}

function response(office: Office, host: HostRow, certificate: string, now: number): EnrolResponseInput {
  const { authority } = office;
  return {
    fleetId: authority.fleetId,
    hostId: host.id,
    hostName: host.name,
    certificate,
    controlRoot: authority.controlRoot,
    agentsRoot: authority.agentsRoot,
    ...reachableFrom(office, host),
    link: formatLink(host.link),
    epoch: office.epoch,
    time: toTimestamp(now),
  };
}

/** The remote address of `address:port`, IPv4-mapped addresses as IPv4. */
export function addressOf(peer: string): string {
  const address = peer.slice(0, peer.lastIndexOf(':'));
  return address.replace(/^::ffff:/, '');
}

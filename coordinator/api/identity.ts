import { X509Certificate } from 'node:crypto';
import { reeveError } from '../../shared/errors/error.js';
import type { IdentityServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/IdentityService.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { formatLink } from '../../shared/model/link.js';
import { defineService, type AuthenticatedCall, type Caller, type Service } from '../../shared/rpc/server.js';
import { certificateProblem, keyFingerprint } from '../../shared/rpc/tls.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { addAudit } from '../inventory/audit.js';
import { noteInstance, type Speaker } from '../fleet/duplicate.js';
import { getHost, quarantined } from '../inventory/host.js';
import { addHostKey, dropStagedKeys, getHostKey, promoteKey } from '../inventory/key.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { checkPublicKey } from '../pki/authority.js';
import { proofHolds } from '../pki/proof.js';
import { reachableFrom } from './reach.js';
import { addressOf } from './enrol.js';
import { signedRecords } from '../fleet/record.js';

/** An agent at the agents' API. */
export interface AgentCaller extends Caller {
  /** forked: by a key that a newer one has replaced. It may call nothing; its renewal is looked at to tell a copy from the original. */
  readonly role: 'agent' | 'forked';
  readonly hostId: string;
  /** Public key of its certificate (SubjectPublicKeyInfo, DER). */
  readonly publicKey: Buffer;
}

/** Who calls, from the certificate's key alone: key, row, host. No request names a host. Errors: IDENTITY_REFUSED. */
export function agentOf(office: Office, call: AuthenticatedCall): AgentCaller {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  const refused = (reason: string): Error => reeveError('IDENTITY_REFUSED', { reason });
  if (raw === undefined) throw refused('there is none');
  const certificate = new X509Certificate(raw);
  const publicKey = certificate.publicKey.export({ type: 'spki', format: 'der' });
  const key = getHostKey(office.db, keyFingerprint(publicKey));
  if (key === undefined) throw refused('its key is not known');
  if (key.state === 'revoked') throw refused('its key is revoked; if this machine is a copy, run "reeve-agent reset" on it');
  const host = getHost(office.db, key.hostId);
  if (host?.state === 'quarantined') throw quarantined(host);
  if (host?.state !== 'joined') throw refused('its host is not part of the fleet');
  const uri = formatIdentity({ kind: 'host', fleetId: office.authority.fleetId, hostId: host.id });
  const problem = certificateProblem(certificate, { uri, usage: 'client', now: office.clock.now() });
  if (problem !== undefined) throw refused(problem);
  if (key.state === 'old') return { name: `replaced key of host:${host.id}`, role: 'forked', hostId: host.id, publicKey };
  return { name: `host:${host.id}`, role: 'agent', hostId: host.id, publicKey };
}

/** How long the coordinator waits before it dials an agent anew after a renewal, ms: time for the agent to take the certificate into use. */
const redialMs = 2_000;

/** Renewal, for agents. */
export function identityService(office: Office): Service<AgentCaller> {
  return defineService<IdentityServiceDefinition, AgentCaller>('reeve.coordinator.v1.IdentityService', {
    Renew: {
      roles: ['agent', 'forked'],
      risk: 'identity',
      rate: { perSecond: 1 / 60, burst: 10 },
      maxBytes: 2_048,
      deadlineMs: 10_000,
      handle: async (request, context) => {
        const { principal } = context;
        await noteInstance(office, office.fleet, principal.hostId, speakerOf(request, context.peer, principal.role === 'forked' ? 'renews with an older key' : 'renews'));
        if (principal.role === 'forked') throw reeveError('IDENTITY_REFUSED', { reason: 'its key is replaced by a newer one that was used; on a copy run "reeve-agent reset", or let it join again' });
        const publicKey = checkPublicKey(request.publicKey);
        const proven = proofHolds({ domain: 'reeve-renew-v1', credential: principal.publicKey, publicKey, signature: request.signature, by: publicKey });
        if (!proven) throw reeveError('IDENTITY_REFUSED', { reason: 'the new key is not proven' });
        if (getHostKey(office.db, keyFingerprint(publicKey)) !== undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'the new key was used before' });
        const now = office.clock.now();
        const issued = office.authority.issueHost({ hostId: principal.hostId, publicKey, now });
        writing(office.db, () => {
          addAudit(office.db, { timeMs: now, principal: principal.name, action: 'renew', arguments: '', phase: 'ok', operationId: '', code: '' });
          const used = getHostKey(office.db, keyFingerprint(principal.publicKey));
          if (used?.state === 'staged') promoteKey(office.db, used);
          dropStagedKeys(office.db, principal.hostId);
          addHostKey(office.db, { fingerprint: keyFingerprint(publicKey), hostId: principal.hostId, publicKey, state: 'staged', issuedAtMs: now, notAfterMs: issued.notAfterMs });
        });
        failpoint('coordinator.renew.stored');
        const host = getHost(office.db, principal.hostId);
        setTimeout(() => office.fleet.refresh(principal.hostId, { keepStreams: true }), redialMs).unref();
        return { certificate: issued.certificate, ...reachableFrom(office, host), link: formatLink(host?.link ?? 'direct'), moved: signedRecords(office).moved ?? null, denyList: signedRecords(office).denyList ?? null, time: toTimestamp(now), hostName: host?.name ?? '' };
      },
    },
  });
}

/** What an agent says of itself in a request, and where it spoke from. */
export function speakerOf(request: { readonly instanceId: string; readonly machineHint: Buffer }, peer: string, doing: string): Speaker {
  const machineHint = request.machineHint.length === 32 ? request.machineHint.toString('hex') : '';
  return { instanceId: request.instanceId.slice(0, 64), source: addressOf(peer), machineHint, doing };
}

import { X509Certificate } from 'node:crypto';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { certificateProblem } from '../../shared/rpc/tls.js';
import type { AgentIdentity } from './identity.js';

/** Checks what the coordinator answered before it is stored: certificate, key, roots and name belong together. Errors: IDENTITY_REFUSED. */
export function checkIdentity(identity: AgentIdentity, publicKey: Buffer, now: number): void {
  const certificate = new X509Certificate(identity.certificate);
  const root = new X509Certificate(identity.agentsRoot);
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(publicKey)) throw refused('the answer is for another key');
  if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) throw refused('the agents root has not signed the answer');
  const uri = formatIdentity({ kind: 'host', fleetId: identity.fleetId, hostId: identity.hostId });
  const problem = certificateProblem(certificate, { uri, usage: 'server', now }) ?? certificateProblem(certificate, { uri, usage: 'client', now });
  if (problem !== undefined) throw refused(`of the answer: ${problem}`);
}

function refused(reason: string): ReeveError {
  return reeveError('IDENTITY_REFUSED', { reason });
}

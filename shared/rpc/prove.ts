import { createHash, X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { reeveError, type ReeveError } from '../errors/error.js';
import { formatEndpoint, type Endpoint } from '../model/host.js';
import { formatIdentity } from '../model/identity.js';
import { certificateProblem, validityProblem } from './tls.js';

/** Longest wait for the coordinator's certificates, ms. */
const fetchMs = 10_000;

/** The coordinator as a pin proved it to be. */
export interface ProvedCoordinator {
  readonly fleetId: string;
  /** PEM. */
  readonly controlRoot: string;
}

/**
 * Fetches the certificates that an enrolment endpoint shows and checks them against the pin; nothing was sent to it by then. Errors:
 * COORDINATOR_UNREACHABLE, IDENTITY_REFUSED.
 */
export async function proveCoordinator(endpoint: Endpoint, pin: Uint8Array, now: number): Promise<ProvedCoordinator> {
  const [leaf, root] = await fetchChain(endpoint);
  if (leaf === undefined || root === undefined) throw refused('the server does not show the control root of its fleet');
  const spki = root.publicKey.export({ type: 'spki', format: 'der' });
  if (!createHash('sha256').update(spki).digest().equals(pin)) throw refused('the server is not the coordinator that made this token');
  if (!root.ca || !root.verify(root.publicKey)) throw refused('the control root is no proper root');
  const late = validityProblem(root, now);
  if (late !== undefined) throw refused(`of the control root: ${late}`);
  if (!leaf.checkIssued(root) || !leaf.verify(root.publicKey)) throw refused('the control root has not signed it');
  const fleetId = /^URI:reeve:\/\/([0-9a-f-]{36})\/role\/coordinator$/.exec(leaf.subjectAltName ?? '')?.[1];
  if (fleetId === undefined) throw refused('it is for somebody else');
  const problem = certificateProblem(leaf, { uri: formatIdentity({ kind: 'coordinator', fleetId }), usage: 'server', now });
  if (problem !== undefined) throw refused(problem);
  return { fleetId, controlRoot: root.toString() };
}

function fetchChain(endpoint: Endpoint): Promise<readonly X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const where = formatEndpoint(endpoint);
    const socket = connect({
      host: endpoint.address, port: endpoint.port, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3',
      // Whether it can be trusted is decided by the pin, before anything is sent.
      rejectUnauthorized: false,
    });
    socket.setTimeout(fetchMs, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', (error: Error) => reject(reeveError('COORDINATOR_UNREACHABLE', { value: where, reason: error.message }, { cause: error })));
    socket.once('close', () => reject(reeveError('COORDINATOR_UNREACHABLE', { value: where, reason: 'it closed the connection' })));
    socket.once('secureConnect', () => {
      const chain: X509Certificate[] = [];
      const seen = new Set<string>();
      // A root is its own issuer; the object has no fields at all when there is no certificate.
      for (let peer: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true); peer?.raw !== undefined && !seen.has(peer.raw.toString('hex')); peer = peer.issuerCertificate) {
        seen.add(peer.raw.toString('hex'));
        chain.push(new X509Certificate(peer.raw));
      }
      resolve(chain);
      socket.destroy();
    });
  });
}

function refused(reason: string): ReeveError {
  return reeveError('IDENTITY_REFUSED', { reason });
}

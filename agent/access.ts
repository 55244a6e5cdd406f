import { X509Certificate } from 'node:crypto';
import { reeveError } from '../shared/errors/error.js';
import type { Clock } from '../shared/kit/clock.js';
import { formatIdentity } from '../shared/model/identity.js';
import type { AuthenticatedCall, Caller } from '../shared/rpc/server.js';
import { certificateProblem, keyFingerprint } from '../shared/rpc/tls.js';

/** The only one who may call an agent. */
export interface Coordinator extends Caller {
  readonly name: 'coordinator';
  readonly role: 'coordinator';
}

const coordinator: Coordinator = { name: 'coordinator', role: 'coordinator' };

/** Coordinator keys that are refused although their certificates are still valid. */
export interface DenyList {
  /** Counts up; a lower one never replaces a higher one. */
  readonly version: number;
  /** Key fingerprints, lower-case hex. */
  readonly keys: ReadonlySet<string>;
}

/** Knows the caller of every call by its certificate. */
export interface Access {
  /** Throws IDENTITY_REFUSED. Cheap: a connection's certificate is parsed once, its validity checked every time. */
  authenticate(call: AuthenticatedCall): Coordinator;
  /** Forgets a connection that has gone. */
  forget(peer: string): void;
}

/** What the access check needs. */
export interface AccessOptions {
  readonly fleetId: string;
  readonly clock: Clock;
  readonly denied: () => DenyList;
  /** A connection's first call was good. */
  readonly onFirstCall: (peer: string) => void;
}

/** The access check of one server. */
export function createAccess(options: AccessOptions): Access {
  const uri = formatIdentity({ kind: 'coordinator', fleetId: options.fleetId });
  const seen = new Map<string, { certificate: X509Certificate; key: string }>();
  return {
    authenticate(call) {
      const peer = call.getPeer();
      const known = seen.get(peer);
      const caller = known ?? parsePeer(call);
      const problem = certificateProblem(caller.certificate, { uri, usage: 'client', now: options.clock.now() });
      if (problem !== undefined) throw reeveError('IDENTITY_REFUSED', { reason: problem });
      if (options.denied().keys.has(caller.key)) throw reeveError('IDENTITY_REFUSED', { reason: 'its key was revoked' });
      if (known === undefined) {
        seen.set(peer, caller);
        options.onFirstCall(peer);
      }
      return coordinator;
    },
    forget: (peer) => void seen.delete(peer),
  };
}

/** TLS has checked the chain: only what ends in the control root comes this far. */
function parsePeer(call: AuthenticatedCall): { certificate: X509Certificate; key: string } {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw === undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'there is none' });
  const certificate = new X509Certificate(raw);
  return { certificate, key: keyFingerprint(certificate.publicKey) };
}

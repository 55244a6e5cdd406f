import { constants, X509Certificate, createHash, type KeyObject } from 'node:crypto';
import { createSecureContext, type PeerCertificate, type SecureContext, type SecureContextOptions } from 'node:tls';
import { credentials, ServerCredentials, type ChannelCredentials } from '@grpc/grpc-js';

/** Key, certificate and trust of one side. PEM. */
export interface TlsIdentity {
  /** Private key. */
  readonly key: string;
  /** Own certificate, perhaps followed by its root (enrolment sends the root so that the join token's pin can be checked). */
  readonly certificate: string;
  /** The one root that the other side must chain to. */
  readonly trust: string;
}

/** Time a TLS handshake may take on the server, ms. */
const handshakeTimeoutMs = 5_000;

function contextOptions(identity: TlsIdentity): SecureContextOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.trust,
    minVersion: 'TLSv1.3',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Server credentials of every Reeve listener: TLS 1.3 only, no tickets and so no resumption (a resumed session outlives its certificate), a short
 * handshake, and a client certificate unless `requireClient` is false.
 */
export class ReeveServerCredentials extends ServerCredentials {
  constructor(identity: TlsIdentity, options: { requireClient: boolean }) {
    super(
      { requestCert: options.requireClient, rejectUnauthorized: options.requireClient, handshakeTimeout: handshakeTimeoutMs },
      contextOptions(identity),
    );
  }

  /** Uses another key, certificate or trust for new connections. */
  update(identity: TlsIdentity): void {
    this.updateSecureContextOptions(contextOptions(identity));
  }

  /** grpc-js asks whether two credentials may share a port: only the same object may. */
  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** What the dialling side demands of the server's certificate: an error to refuse it, undefined to go on. */
export type PeerCheck = (certificate: X509Certificate) => Error | undefined;

/**
 * Client credentials: TLS 1.3, the server's chain must end in the one trusted root, and `check` decides on its certificate. Node's host name check is
 * replaced: it falls back to the CN, and Reeve's certificates have no DNS names.
 */
export function clientCredentials(identity: TlsIdentity, check: PeerCheck): ChannelCredentials {
  return credentials.createFromSecureContext(clientContext(identity), {
    checkServerIdentity: (_name: string, peer: PeerCertificate) => check(new X509Certificate(peer.raw)),
  });
}

/** Contexts of identities: a coordinator shows the same one to all its hosts, and parsing it is a good part of a connection's cost. */
const contexts = new WeakMap<TlsIdentity, SecureContext>();

function clientContext(identity: TlsIdentity): SecureContext {
  const known = contexts.get(identity);
  if (known !== undefined) return known;
  const context = createSecureContext(contextOptions(identity));
  contexts.set(identity, context);
  return context;
}

/** sha256 of a certificate's or key's SubjectPublicKeyInfo (DER), lower-case hex: the identity of a key. */
export function keyFingerprint(key: KeyObject | Buffer): string {
  const der = Buffer.isBuffer(key) ? key : key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

/** Extended key usages, as node:crypto names them. */
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';

/**
 * Whether a verified certificate is for exactly this identity URI and use, and valid now. Answers why not, or undefined. The subject alternative name is
 * compared whole: a certificate with two names, or a DNS name, is refused.
 */
export function certificateProblem(certificate: X509Certificate, wanted: { uri: string; usage: 'client' | 'server'; now: number }): string | undefined {
  if (certificate.subjectAltName !== `URI:${wanted.uri}`) return 'it is for somebody else';
  const usages: readonly string[] = (certificate as { keyUsage?: string[] }).keyUsage ?? [];
  if (usages.length === 0 || !usages.every((usage) => usage === serverAuth || usage === clientAuth)) return 'its extended key usage is missing or wrong';
  if (!usages.includes(wanted.usage === 'client' ? clientAuth : serverAuth)) return 'its extended key usage is wrong';
  if (certificate.ca) return 'it is a certificate authority';
  return validityProblem(certificate, wanted.now);
}

/** When certificates are valid, unix ms: asked for at every call, and dates are slow to parse. */
const validities = new WeakMap<X509Certificate, { readonly from: number; readonly to: number }>();

/** Whether a certificate is valid now: why not, or undefined. */
export function validityProblem(certificate: X509Certificate, now: number): string | undefined {
  let validity = validities.get(certificate);
  if (validity === undefined) {
    validity = { from: Date.parse(certificate.validFrom), to: Date.parse(certificate.validTo) };
    validities.set(certificate, validity);
  }
  if (now < validity.from) return 'it is not valid yet';
  if (now >= validity.to) return 'it has expired';
  return undefined;
}

import { X509Certificate } from 'node:crypto';
import { sha256 } from './digest.js';
import { mostCerts, type CertFacts } from '../model/cert.js';
import { pemBlocks } from '../model/pem.js';

/** A chain that was read. */
export interface Chain {
  /** Of the first certificate; undefined: it cannot be read. */
  readonly facts: CertFacts | undefined;
  /** Why it cannot be used by a service, whatever the time; undefined: it can. */
  readonly problem: string | undefined;
}

/** Most certificates of a chain. */
const mostBlocks = 16;

/** A time that a certificate may begin in the future, s: clocks differ. */
const aheadS = 600;

/** What the first certificate of a PEM says, and whether each of the others leads on from the one before. */
export function readChain(pem: string): Chain {
  const blocks = pemBlocks(pem, 'CERTIFICATE') ?? [];
  if (blocks.length === 0 || blocks.length > mostBlocks) return { facts: undefined, problem: `1 to ${String(mostBlocks)} certificates are wanted, and nothing around them` };
  const certificates = blocks.map((base64) => read(Buffer.from(base64, 'base64')));
  const [leaf] = certificates;
  const facts = leaf === undefined ? undefined : factsOf(leaf);
  const broken = certificates.indexOf(undefined);
  if (broken >= 0) return { facts, problem: `block ${String(broken + 1)} is no X.509 certificate` };
  if (leaf !== undefined && facts === undefined) return { facts, problem: 'its public key cannot be used' };
  const apart = certificates.findIndex((certificate, index) => {
    const next = certificates[index + 1];
    return certificate !== undefined && next !== undefined && !isIssuedBy(certificate, next);
  });
  if (apart >= 0) return { facts, problem: `certificate ${String(apart + 2)} did not issue certificate ${String(apart + 1)}: that of the service comes first, then each authority` };
  return { facts, problem: undefined };
}

/** Why a certificate cannot be used now; undefined: it can. `now`: Unix ms. */
export function timeProblem({ notBefore, notAfter }: Pick<CertFacts, 'notBefore' | 'notAfter'>, now: number): string | undefined {
  const nowS = Math.floor(now / 1000);
  const text = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000', '');
  if (notAfter <= nowS) return `it expired ${text(notAfter)}`;
  return notBefore > nowS + aheadS ? `it is good only from ${text(notBefore)} on` : undefined;
}

function read(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

/** undefined: its public key, or a time, is of a kind that nobody can use. */
function factsOf(certificate: X509Certificate): CertFacts | undefined {
  try {
    const [notBefore, notAfter] = [Date.parse(certificate.validFrom) / 1000, Date.parse(certificate.validTo) / 1000];
    if (!Number.isSafeInteger(notBefore) || !Number.isSafeInteger(notAfter)) return undefined;
    return {
      names: namesOf(certificate).slice(0, mostCerts.names),
      notBefore, notAfter,
      fingerprint: sha256(certificate.raw).toString('hex'),
      spki: sha256(certificate.publicKey.export({ type: 'spki', format: 'der' })).toString('hex'),
      issuer: issuerOf(certificate).slice(0, 512),
    };
  } catch {
    return undefined;
  }
}

/** dNSName and iPAddress of the subjectAltName, in their order; without any the commonName. */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = (subjectAltName ?? '').split(', ').flatMap((part) => /^(?:DNS|IP Address):([^"]{1,253})$/.exec(part)?.[1] ?? []);
  return names.length > 0 ? names : [...subject.matchAll(/^CN=(.{1,253})$/gm)].map((match) => match[1] ?? '');
}

/** Who issued it: organization and commonName, for people. */
function issuerOf({ issuer }: X509Certificate): string {
  const parts = issuer.split('\n').filter((part) => /^(?:O|CN)=/.test(part)).map((part) => part.slice(part.indexOf('=') + 1));
  return parts.length > 0 ? parts.join(', ') : issuer.replaceAll('\n', ', ');
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

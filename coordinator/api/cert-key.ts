import { reeveError } from '../../shared/errors/error.js';
import { readChain } from '../../shared/kit/cert-chain.js';
import { checkPrivateKey } from '../../shared/kit/private-key.js';
import { mostCerts, type Cert, type CertFacts } from '../../shared/model/cert.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { HostRow } from '../inventory/host.js';

/** A private key on its way to a host. It is in no text, and overwritten with zeroes once it was passed on. */
export interface PassedKey {
  readonly pem: Buffer;
  /** SPKI sha256, hex. */
  readonly spki: string;
}

/** What a key came with. */
interface Brought {
  readonly host: HostRow;
  /** As it is to be. */
  readonly cert: Cert;
  /** Empty: none was given. */
  readonly keyPem: Buffer;
  /** Of the chain that is to be. */
  readonly facts: CertFacts | undefined;
  /** Another chain has to come with its key, unless the host has it. */
  readonly needed: boolean;
  /** As it is now; absent: it is new. */
  readonly before?: Cert;
}

/** The key of a certificate that is supplied, which has to fit it; undefined: none is needed. Errors: CERT_KEY, FIELD_INVALID, FIELD_MISSING. */
export function requireKey(brought: Brought): PassedKey | undefined {
  const { keyPem } = brought;
  if (keyPem.length > 0) return { pem: keyPem, spki: spkiOf(brought) };
  requireNone(brought);
  return undefined;
}

function spkiOf({ host, cert, keyPem, facts }: Brought): string {
  if (cert.source.kind === 'self-signed') throw fieldInvalid('key', 'given', 'nothing with a self-signed certificate: its key is made on the host');
  if (keyPem.length > mostCerts.keyBytes) throw fieldInvalid('key', `${String(keyPem.length)} bytes`, `at most ${String(mostCerts.keyBytes)} bytes`);
  const found = checkPrivateKey(keyPem);
  if (found.kind === 'bad') throw reeveError('CERT_KEY', { value: cert.name, host: host.name, rule: found.problem });
  if (found.spki !== facts?.spki) throw reeveError('CERT_KEY', { value: cert.name, host: host.name, rule: 'it is of another certificate' });
  return found.spki;
}

/** The key that the host has goes with another chain of the same public key. */
function requireNone({ host, cert, facts, needed, before }: Brought): void {
  if (!needed || cert.source.kind === 'self-signed') return;
  if (before === undefined) throw fieldMissing('key', 'the private key of a certificate that is supplied');
  const had = before.source.kind === 'supplied' ? readChain(before.source.chainPem).facts?.spki : undefined;
  if (had !== facts?.spki) throw reeveError('CERT_KEY', { value: cert.name, host: host.name, rule: 'the certificate has another public key than the one before: give its private key, too' });
}

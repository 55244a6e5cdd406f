import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { formatPem } from '../../shared/model/pem.js';
import { bits, der, integer, octets, oid, sequence, setOf, time, utf8, yes } from './der.js';

/** What a self-signed certificate is for. */
export interface SelfSignedOptions {
  /** Names of DNS in it, A-labels, 1 to 64; the first is its subject, too, where it fits there. A wildcard is `*.example.org`. */
  readonly names: readonly string[];
  /** How long it is good for from now on, days; 1 to 3650. */
  readonly days: number;
  /** Unix ms. */
  readonly now: number;
}

/** A certificate and its key. */
export interface KeyPair {
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

const dayMs = 86_400_000;
/** Clocks of clients that are behind take it, too. */
const earlierMs = 3_600_000;
/** Upper bound of a commonName (RFC 5280, ub-common-name). */
const mostCommonName = 64;

/** ecdsa-with-SHA256 (RFC 5758 3.2). */
const algorithm = sequence(oid('1.2.840.10045.4.3.2'));

/**
 * A new P-256 key and a certificate that it signed itself: X.509 v3 for servers (RFC 5280), no authority, with a random serial number. Good from an hour before `now`. Two calls never give
 * the same.
 */
export function makeSelfSigned(options: SelfSignedOptions): KeyPair {
  const { certPem, key } = signItself(options);
  return { certPem, keyPem: String(key.export({ type: 'pkcs8', format: 'pem' })) };
}

/** As makeSelfSigned(), with a key that is no text yet. */
export function signItself({ names, days, now }: SelfSignedOptions): { readonly certPem: string; readonly key: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const name = subjectOf(names[0] ?? '');
  const body = sequence(
    der(0xa0, integer(Uint8Array.of(2))),
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(now - earlierMs), time(now + days * dayMs)),
    name,
    spki,
    der(0xa3, sequence(...extensions(names, spki))),
  );
  // The nonce of ECDSA is OpenSSL's.
  const certificate = sequence(body, algorithm, bits(sign('sha256', body, privateKey)));
  return { certPem: formatPem([certificate.toString('base64')], 'CERTIFICATE'), key: privateKey };
}

/** 128 random bits, the first two fixed so that it is positive and always as long. */
function serialNumber(): Uint8Array {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function subjectOf(first: string): Buffer {
  const attribute = (id: string, text: string): Buffer => setOf(sequence(oid(id), utf8(text)));
  const organization = attribute('2.5.4.10', 'Self-signed by Reeve');
  return first.length > 0 && first.length <= mostCommonName ? sequence(organization, attribute('2.5.4.3', first)) : sequence(organization);
}

function extensions(names: readonly string[], spki: Uint8Array): readonly Buffer[] {
  const extension = (id: string, value: Uint8Array, critical = false): Buffer => sequence(oid(id), ...(critical ? [yes] : []), octets(value));
  return [
    extension('2.5.29.19', sequence(), true), // basicConstraints: no authority
    extension('2.5.29.15', bits(Uint8Array.of(0x80), 7), true), // keyUsage: digitalSignature
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))), // extendedKeyUsage: serverAuth
    extension('2.5.29.17', sequence(...names.map((text) => der(0x82, Buffer.from(text, 'latin1'))))), // subjectAltName: dNSName
    extension('2.5.29.14', octets(createHash('sha1').update(keyBits(spki)).digest())), // subjectKeyIdentifier, RFC 5280 4.2.1.2 (1)
  ];
}

/** The point of a P-256 key, which is the end of its SubjectPublicKeyInfo. */
function keyBits(spki: Uint8Array): Uint8Array {
  return spki.subarray(-65);
}

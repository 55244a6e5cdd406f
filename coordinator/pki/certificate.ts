import { createHash, randomBytes, sign, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import { formatPem } from '../../shared/model/pem.js';

/**
 * Writes X.509 certificates. node-forge's asn1 module only writes DER here (its own X.509 knows RSA only); keys are made, signatures made and verified,
 * and everything from outside parsed by node:crypto.
 */
const { asn1 } = forge;
type Node = forge.asn1.Asn1;

/** What a certificate says. */
export interface CertificateContent {
  /** For people; nothing compares it. */
  readonly subject: string;
  readonly issuer: string;
  /** SubjectPublicKeyInfo, DER, written by node:crypto. */
  readonly publicKey: Buffer;
  /** SubjectPublicKeyInfo of the issuer, DER. */
  readonly issuerPublicKey: Buffer;
  /** Unix ms. */
  readonly notBefore: number;
  /** Unix ms. */
  readonly notAfter: number;
  /** A root, or a leaf with its one URI and its uses. */
  readonly profile: { readonly kind: 'root' } | { readonly kind: 'leaf'; readonly uri: string; readonly usages: readonly ('client' | 'server')[] };
}

const oids = {
  ecdsaSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  subjectKeyId: '2.5.29.14',
  authorityKeyId: '2.5.29.35',
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
} as const;

/** Signs a certificate with an ECDSA P-256 key (RFC 5280 4.1). Answers PEM. */
export function signCertificate(content: CertificateContent, issuerKey: KeyObject): string {
  const algorithm = sequence([oid(oids.ecdsaSha256)]);
  const tbs = sequence([
    context(0, [integer(Buffer.from([2]))]),
    integer(newSerial()),
    algorithm,
    name(content.issuer),
    sequence([time(content.notBefore), time(content.notAfter)]),
    name(content.subject),
    parsed(content.publicKey),
    context(3, [sequence(extensions(content))]),
  ]);
  const signature = sign('sha256', der(tbs), issuerKey);
  const certificate = der(sequence([tbs, sequence([oid(oids.ecdsaSha256)]), bitString(signature)]));
  return formatPem([certificate.toString('base64')], 'CERTIFICATE');
}

function extensions(content: CertificateContent): Node[] {
  const common = [
    extension(oids.subjectKeyId, false, octets(keyId(content.publicKey))),
    extension(oids.authorityKeyId, false, sequence([asn1.create(asn1.Class.CONTEXT_SPECIFIC, 0, false, binary(keyId(content.issuerPublicKey)))])),
  ];
  if (content.profile.kind === 'root') {
    const basic = sequence([boolean(true), integer(Buffer.from([0]))]);
    // keyCertSign and cRLSign: bits 5 and 6 (RFC 5280 4.2.1.3).
    return [extension(oids.basicConstraints, true, basic), extension(oids.keyUsage, true, bitString(Buffer.from([0x06]), 1)), ...common];
  }
  const usages = content.profile.usages.map((usage) => oid(oids[usage]));
  const uri = asn1.create(asn1.Class.CONTEXT_SPECIFIC, 6, false, content.profile.uri);
  return [
    extension(oids.basicConstraints, true, sequence([])),
    // digitalSignature: bit 0.
    extension(oids.keyUsage, true, bitString(Buffer.from([0x80]), 7)),
    extension(oids.extendedKeyUsage, true, sequence(usages)),
    extension(oids.subjectAltName, true, sequence([uri])),
    ...common,
  ];
}

/** A positive serial of 159 random bits (RFC 5280 4.1.2.2 allows 20 bytes). */
function newSerial(): Buffer {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** First 20 bytes of the key's sha256 (RFC 7093 2 method 1). */
function keyId(publicKey: Buffer): Buffer {
  return createHash('sha256').update(publicKey).digest().subarray(0, 20);
}

const binary = (bytes: Buffer): string => bytes.toString('latin1');
const universal = (type: forge.asn1.Type, constructed: boolean, value: string | Node[]): Node => asn1.create(asn1.Class.UNIVERSAL, type, constructed, value);
const sequence = (items: Node[]): Node => universal(asn1.Type.SEQUENCE, true, items);
const context = (tag: number, items: Node[]): Node => asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, items);
const integer = (bytes: Buffer): Node => universal(asn1.Type.INTEGER, false, binary(bytes));
const boolean = (value: boolean): Node => universal(asn1.Type.BOOLEAN, false, value ? '\xff' : '\0');
const octets = (bytes: Buffer): Node => universal(asn1.Type.OCTETSTRING, false, binary(bytes));
const bitString = (bytes: Buffer, unused = 0): Node => universal(asn1.Type.BITSTRING, false, String.fromCharCode(unused) + binary(bytes));
const oid = (text: string): Node => universal(asn1.Type.OID, false, asn1.oidToDer(text).getBytes());
const parsed = (bytes: Buffer): Node => asn1.fromDer(binary(bytes));
const der = (node: Node): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'latin1');

function extension(id: string, critical: boolean, value: Node): Node {
  return sequence([oid(id), ...(critical ? [boolean(true)] : []), octets(der(value))]);
}

function name(commonName: string): Node {
  const set = universal(asn1.Type.SET, true, [sequence([oid(oids.commonName), universal(asn1.Type.UTF8, false, commonName)])]);
  return sequence([set]);
}

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280 4.1.2.5). Whole seconds. */
function time(ms: number): Node {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const year = Number(text.slice(0, 4));
  return year < 2050 ? universal(asn1.Type.UTCTIME, false, `${text.slice(2)}Z`) : universal(asn1.Type.GENERALIZEDTIME, false, `${text}Z`);
}

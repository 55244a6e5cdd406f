import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import forge from 'node-forge';

/**
 * Certificates that Reeve itself would never make: any names, any use, any time, any issuer. Only for tests; node-forge's asn1 module writes the DER here
 * as it does in coordinator/pki.
 */
const { asn1 } = forge;
type Node = forge.asn1.Asn1;

/** Who signs. */
export interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
  readonly pem: string;
}

/** One subject alternative name. */
export type ForgedName = { readonly uri: string } | { readonly dns: string };

/** What a forged certificate says. */
export interface Forged {
  readonly names: readonly ForgedName[];
  /** Extended key usages by object identifier; undefined: the extension is missing. */
  readonly usages: readonly string[] | undefined;
  readonly issuer: Issuer;
  readonly commonName: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca: boolean;
  readonly key: KeyObject;
}

/** Object identifiers of extended key usages. */
export const usage = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2', any: '2.5.29.37.0', code: '1.3.6.1.5.5.7.3.3' } as const;

/** A new P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/** A key as PEM. */
export function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SubjectPublicKeyInfo of a private key, DER. */
export function publicPart(key: KeyObject): Buffer {
  return createPublicKey(keyPem(key)).export({ type: 'spki', format: 'der' });
}

/** The roots of a coordinator's state folder, with their private keys: what a thief of the folder could sign with. */
export function stolenRoots(stateDir: string): { control: Issuer; agents: Issuer } {
  const root = (name: string): Issuer => {
    const pem = readFileSync(join(stateDir, 'pki', `${name}-root.pem`), 'utf8');
    return { name: new X509Certificate(pem).subject.replace(/^CN=/, ''), key: createPrivateKey(readFileSync(join(stateDir, 'pki', `${name}-root.key`))), pem };
  };
  return { control: root('control'), agents: root('agents') };
}

/** An issuer of one's own making, that has the name of a true one. */
export function ownRoot(name: string): Issuer {
  const key = newKey();
  const day = 86_400_000;
  const self: Issuer = { name, key, pem: '' };
  const pem = forgeCertificate({ names: [], usages: undefined, issuer: self, commonName: name, notBefore: Date.now() - day, notAfter: Date.now() + day, ca: true, key });
  return { ...self, pem };
}

/** Signs a certificate; PEM. */
export function forgeCertificate(content: Forged): string {
  const algorithm = (): Node => sequence([oid('1.2.840.10045.4.3.2')]);
  const serial = randomBytes(16);
  serial[0] = 0x40;
  const tbs = sequence([
    tagged(0, [integer(Buffer.from([2]))]),
    integer(serial),
    algorithm(),
    name(content.issuer.name),
    sequence([time(content.notBefore), time(content.notAfter)]),
    name(content.commonName),
    asn1.fromDer(publicPart(content.key).toString('latin1')),
    tagged(3, [sequence(extensions(content))]),
  ]);
  const certificate = der(sequence([tbs, algorithm(), bits(sign('sha256', der(tbs), content.issuer.key))]));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extensions(content: Forged): Node[] {
  const names = content.names.map((item) =>
    'uri' in item ? asn1.create(asn1.Class.CONTEXT_SPECIFIC, 6, false, item.uri) : asn1.create(asn1.Class.CONTEXT_SPECIFIC, 2, false, item.dns),
  );
  return [
    extension('2.5.29.19', true, sequence(content.ca ? [universal(asn1.Type.BOOLEAN, '\xff')] : [])),
    // digitalSignature; a root also signs certificates (RFC 5280 4.2.1.3).
    extension('2.5.29.15', true, bits(Buffer.from([content.ca ? 0x86 : 0x80]), content.ca ? 1 : 7)),
    ...(content.usages === undefined ? [] : [extension('2.5.29.37', true, sequence(content.usages.map(oid)))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', true, sequence(names))]),
    extension('2.5.29.14', false, universal(asn1.Type.OCTETSTRING, keyId(publicPart(content.key)))),
  ];
}

const keyId = (publicKey: Buffer): string => createHash('sha256').update(publicKey).digest().subarray(0, 20).toString('latin1');
const universal = (type: forge.asn1.Type, value: string | Node[]): Node => asn1.create(asn1.Class.UNIVERSAL, type, Array.isArray(value), value);
const sequence = (items: Node[]): Node => universal(asn1.Type.SEQUENCE, items);
const tagged = (tag: number, items: Node[]): Node => asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, items);
const integer = (bytes: Buffer): Node => universal(asn1.Type.INTEGER, bytes.toString('latin1'));
const bits = (bytes: Buffer, unused = 0): Node => universal(asn1.Type.BITSTRING, String.fromCharCode(unused) + bytes.toString('latin1'));
const oid = (text: string): Node => universal(asn1.Type.OID, asn1.oidToDer(text).getBytes());
const der = (node: Node): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'latin1');

function extension(id: string, critical: boolean, value: Node): Node {
  return sequence([oid(id), ...(critical ? [universal(asn1.Type.BOOLEAN, '\xff')] : []), universal(asn1.Type.OCTETSTRING, der(value).toString('latin1'))]);
}

function name(commonName: string): Node {
  return sequence([universal(asn1.Type.SET, [sequence([oid('2.5.4.3'), universal(asn1.Type.UTF8, commonName)])])]);
}

function time(ms: number): Node {
  return universal(asn1.Type.UTCTIME, `${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`);
}

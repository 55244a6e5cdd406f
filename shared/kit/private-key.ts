import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { sha256 } from './digest.js';

/** Whether bytes are a private key that a service can use, and of which public key. */
export type PrivateKeyCheck =
  | { readonly kind: 'good'; /** sha256 of its SubjectPublicKeyInfo, hex. */ readonly spki: string; readonly key: KeyObject }
  | { readonly kind: 'bad'; /** Why not; nothing of the key. */ readonly problem: string };

/** Sizes of RSA keys, bits. */
const rsaBits = { min: 2048, max: 16_384 };

const curves: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1'];
const head = '-----BEGIN PRIVATE KEY-----\n';
const tail = '-----END PRIVATE KEY-----\n';
const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');

/** Looks at a private key in PEM. Neither the answer nor an error holds anything of it but its public key. */
export function checkPrivateKey(pem: Uint8Array): PrivateKeyCheck {
  const bytes = Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength);
  if (bytes.includes('ENCRYPTED')) return { kind: 'bad', problem: 'it has a passphrase; without one: openssl pkey -in FILE' };
  const key = parse(bytes);
  if (key === undefined) return { kind: 'bad', problem: 'it is no private key in PEM' };
  const problem = kindProblem(key);
  if (problem !== undefined) return { kind: 'bad', problem };
  return { kind: 'good', key, spki: sha256(createPublicKey(key).export({ type: 'spki', format: 'der' })).toString('hex') };
}

/** A key as one block of PKCS#8, of which no copy is left: the caller overwrites it with zeroes after use. */
export function exportPrivateKey(key: KeyObject): Buffer {
  const der = key.export({ type: 'pkcs8', format: 'der' });
  try {
    return encodePem(der);
  } finally {
    der.fill(0);
  }
}

/** PEM without a text of the key in between, which nobody could overwrite. */
function encodePem(der: Uint8Array): Buffer {
  const characters = 4 * Math.ceil(der.length / 3);
  const out = Buffer.alloc(head.length + characters + Math.ceil(characters / 64) + tail.length);
  let at = out.write(head, 'latin1');
  for (let from = 0, column = 0; from < der.length; from += 3) {
    const [a = 0, b = 0, c = 0] = der.subarray(from, from + 3);
    const left = der.length - from;
    const digits = [a >> 2, ((a & 3) << 4) | (b >> 4), ((b & 15) << 2) | (c >> 6), c & 63];
    for (const [index, digit] of digits.entries()) out[at + index] = index > left ? 0x3d : (alphabet[digit] ?? 0);
    at += 4;
    column += 4;
    if (column === 64 || left <= 3) {
      out[at] = 0x0a;
      at += 1;
      column = 0;
    }
  }
  at += out.write(tail, at, 'latin1');
  return out.subarray(0, at);
}

function parse(pem: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // What OpenSSL says of it may tell of what stands in it.
    return undefined;
  }
}

function kindProblem({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  switch (asymmetricKeyType) {
    case 'rsa': {
      const bits = asymmetricKeyDetails?.modulusLength ?? 0;
      return bits >= rsaBits.min && bits <= rsaBits.max ? undefined : `it is RSA of ${String(bits)} bits, and ${String(rsaBits.min)} to ${String(rsaBits.max)} are wanted`;
    }
    case 'ec':
      return curves.includes(asymmetricKeyDetails?.namedCurve ?? '') ? undefined : `its curve is ${asymmetricKeyDetails?.namedCurve ?? 'unknown'}, and P-256, P-384 or P-521 is wanted`;
    case 'ed25519':
      return undefined;
    default:
      return `it is of kind "${asymmetricKeyType ?? 'unknown'}", and RSA, EC or Ed25519 is wanted`;
  }
}

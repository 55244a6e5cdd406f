import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A new key and its public half as the wire has it. */
export interface NewKey {
  readonly key: KeyObject;
  /** PKCS#8, PEM. */
  readonly pem: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
}

/** Makes a P-256 key. It never leaves the machine it is made on. */
export function makeKey(): NewKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { key: privateKey, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey: publicKey.export({ type: 'spki', format: 'der' }) };
}

/** A stored key. */
export function loadKey(pem: string): NewKey {
  const key = createPrivateKey(pem);
  return { key, pem, publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }) };
}

/** What a proof is for: a host's certificate, or an operator's, the first one or the next. */
export type ProofPurpose = 'reeve-enrol-v1' | 'reeve-renew-v1' | 'reeve-login-v1' | 'reeve-login-renew-v1';

/** What a key signs to be given a certificate: the purpose, a zero byte, the sha256 of the right to ask, and the new public key (enrol.proto, identity.proto, login.proto). */
export function proofBytes(purpose: ProofPurpose, right: Uint8Array, publicKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${purpose}\0`), createHash('sha256').update(right).digest(), publicKey]);
}

/** ECDSA-SHA256, DER. */
export function signProof(key: KeyObject, bytes: Uint8Array): Buffer {
  return sign('sha256', bytes, key);
}

import { createHash, createPublicKey, verify } from 'node:crypto';

/** Whether `signature` (ECDSA-SHA256, DER) by the key was made over domain, zero byte, sha256 of the credential, and the new public key. */
export function proofHolds(proof: { domain: 'reeve-enrol-v1' | 'reeve-renew-v1'; credential: Buffer; publicKey: Buffer; signature: Buffer; by: Buffer }): boolean {
  const message = Buffer.concat([Buffer.from(`${proof.domain}\0`), createHash('sha256').update(proof.credential).digest(), proof.publicKey]);
  try {
    return verify('sha256', message, createPublicKey({ key: proof.by, format: 'der', type: 'spki' }), proof.signature);
  } catch {
    return false;
  }
}

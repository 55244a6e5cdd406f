import { createPublicKey, verify } from 'node:crypto';
import { proofBytes, type ProofPurpose } from '../../shared/rpc/key.js';

/** Whether `signature` (ECDSA-SHA256, DER) by the key was made over domain, zero byte, sha256 of the credential, and the new public key. */
export function proofHolds(proof: { domain: ProofPurpose; credential: Buffer; publicKey: Buffer; signature: Buffer; by: Buffer }): boolean {
  const message = proofBytes(proof.domain, proof.credential, proof.publicKey);
  try {
    return verify('sha256', message, createPublicKey({ key: proof.by, format: 'der', type: 'spki' }), proof.signature);
  } catch {
    return false;
  }
}

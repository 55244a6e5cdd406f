import { createHash } from 'node:crypto';
import { canonicalJson, type Canonical } from '../model/canonical.js';

/** Digest of a noun's managed objects: sha256 of `reeve-<noun>-v1`, a zero byte, and the canonical JSON of the normalised model. 32 bytes. */
export function nounDigest(noun: string, model: Canonical): Buffer {
  return createHash('sha256').update(`reeve-${noun}-v1\0`).update(canonicalJson(model)).digest();
}

/** sha256 of bytes. */
export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}

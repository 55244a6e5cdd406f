import { sha256 } from '../../shared/kit/digest.js';
import { blobOf, type PublicKey } from '../../shared/model/key.js';

/** sha256 of a key's blob, hex. */
export function fingerprintOf(key: PublicKey): string {
  return sha256(blobOf(key)).toString('hex');
}

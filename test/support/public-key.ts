import { randomBytes } from 'node:crypto';
import { sha256 } from '../../shared/kit/digest.js';
import { formatFingerprint } from '../../shared/model/fingerprint.js';

/** An SSH public key that nobody has the other half of. */
export interface TestKey {
  readonly type: 'ssh-ed25519';
  readonly blob: Buffer;
  readonly fingerprint: string;
  /** As a .pub file has it, without a comment. */
  readonly text: string;
}

/** A new one: the point is random bytes, which nothing here looks into. */
export function makePublicKey(): TestKey {
  const text = Buffer.from('ssh-ed25519');
  const field = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const blob = Buffer.concat([field(text), field(randomBytes(32))]);
  return { type: 'ssh-ed25519', blob, fingerprint: formatFingerprint(sha256(blob).toString('hex')), text: `ssh-ed25519 ${blob.toString('base64')}` };
}

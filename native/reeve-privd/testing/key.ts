/** Key files for the tests of the helper. */
import { createHash } from 'node:crypto';

/** First line of a managed file, and of one that was let go. */
export const managedHead = '# Managed by Reeve: changes made here are undone. See reeve-agent(8).\n';
export const leftHead = '# Left by Reeve: plain configuration, yours to edit.\n';

/** The policy of these tests: everything of noun key but root's keys. */
export const keyPolicy = `version 1
allow observe.user
allow user.add
allow user.adopt
allow user.release
allow user.remove
allow observe.key
allow key.put
allow key.remove
allow key.purge
allow key.release
`;

/** A blob of ssh-ed25519; the same for the same number. */
export function blob(number: number): Buffer {
  const head = Buffer.from('0000000b7373682d6564323535313900000020', 'hex');
  return Buffer.concat([head, createHash('sha256').update(String(number)).digest()]);
}

/** A line of that key, canonical when `options` and `comment` are. */
export function line(number: number, options = '', comment = 'ada: grant 12'): string {
  return [options, 'ssh-ed25519', blob(number).toString('base64'), comment].filter((part) => part !== '').join(' ');
}

/** A managed file with these lines. */
export const file = (...lines: readonly string[]): Buffer => Buffer.from(managedHead + lines.map((text) => `${text}\n`).join(''));

/** A file that was let go. */
export const left = (...lines: readonly string[]): Buffer => Buffer.from(leftHead + lines.map((text) => `${text}\n`).join(''));

/** sha256, as the helper tells it. */
export const sum = (bytes: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(bytes).digest());

/** The option of a key that works until `seconds` from now. */
export const until = (seconds: number): string =>
  `expiry-time="${new Date(Date.now() + seconds * 1000).toISOString().replace(/[-:T]|\.\d{3}/g, '')}"`;

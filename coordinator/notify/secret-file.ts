import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Most bytes of a secret. */
const mostBytes = 1024;

/**
 * A secret that stands alone in a file, without the end of its line. Read anew each time, so that it can be replaced. Throws, without a word of what is in it, when there is no
 * such file, others than its owner may alter it, or others than owner and group may read it.
 */
export function readSecretFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error(`${path} is not a file`);
    if ((stat.mode & 0o037) !== 0) throw new Error(`${path} may be read or altered by others: chmod 0640 it, with group reeved`);
    const bytes = Buffer.alloc(mostBytes + 1);
    const text = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0)).toString('utf8').replace(/\r?\n$/, '');
    if (text === '' || text.length > mostBytes || /[\r\n\0]/.test(text)) throw new Error(`${path} has to hold one line of 1 to ${String(mostBytes)} bytes`);
    return text;
  } finally {
    closeSync(file);
  }
}

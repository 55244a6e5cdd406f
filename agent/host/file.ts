import { closeSync, constants, existsSync, fchmodSync, fstatSync, fsyncSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The agent's writes to its own state folder: whole, fsynced, swapped by rename, so that power loss leaves the old or the new content. */

/** Makes a folder and those above it; 0700. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Writes a whole file and fsyncs it and its folder; the old content is there until the new one is. */
export function writeWhole(path: string, content: string | Uint8Array, mode = 0o600): void {
  const staged = `${path}.new`;
  rmSync(staged, { force: true });
  const file = openSync(staged, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, mode);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at)) continue;
    fchmodSync(file, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(staged, path);
  syncFolder(dirname(path));
}

/** Adds to the end of a file and fsyncs it; one that is not there is made, 0600. Of what is added, power loss may leave a beginning. */
export function appendWhole(path: string, content: string): void {
  const made = !existsSync(path);
  const file = openSync(path, constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
  try {
    const bytes = Buffer.from(content, 'utf8');
    for (let at = 0; at < bytes.length; at += writeSync(file, bytes, at)) continue;
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (made) syncFolder(dirname(path));
}

/** Points a symbolic link at another target in one step. */
export function swapLink(path: string, target: string): void {
  const staged = `${path}.new`;
  rmSync(staged, { force: true });
  symlinkSync(target, staged);
  renameSync(staged, path);
  syncFolder(dirname(path));
}

/** Renames, and fsyncs the folder. */
export function moveWhole(from: string, to: string): void {
  renameSync(from, to);
  syncFolder(dirname(to));
}

/** Removes a file or a folder with what is in it; what is not there is fine. */
export function removeWhole(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** Removes everything in a folder, which stays; a folder that is not there is empty. */
export function emptyFolder(path: string): void {
  if (!existsSync(path)) return;
  for (const name of readdirSync(path)) removeWhole(join(path, name));
  syncFolder(path);
}

/** Makes what was done in a folder last. */
export function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Reads a whole small file of which the size cannot be trusted; undefined when it is larger than `mostBytes`. Throws as openSync does. */
export function readCapped(path: string, mostBytes: number, flags = constants.O_RDONLY): { bytes: Buffer; uid: number; mode: number; regular: boolean } | undefined {
  const file = openSync(path, flags);
  try {
    const stat = fstatSync(file);
    const about = { uid: stat.uid, mode: stat.mode & 0o7777, regular: stat.isFile() };
    if (!about.regular) return { ...about, bytes: Buffer.alloc(0) };
    const bytes = Buffer.alloc(mostBytes + 1);
    let length = 0;
    for (;;) {
      const got = readSync(file, bytes, length, bytes.length - length, null);
      length += got;
      if (length > mostBytes) return undefined;
      if (got === 0) return { ...about, bytes: Buffer.from(bytes.subarray(0, length)) };
    }
  } finally {
    closeSync(file);
  }
}

/** Gives a file its final mode, and makes its content last: an editor does not. */
export function setMode(path: string, mode: number): void {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fchmodSync(file, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

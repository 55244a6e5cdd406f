import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reeveError } from '../errors/error.js';
import { packageNames, parsePackageFile, type PackageFile } from '../model/package.js';

/** Where the Debian package reeve-agent-packages puts them. */
export const defaultPackageDir = '/usr/share/reeve/packages';

/** Largest piece of a package that is sent at once, bytes. */
const pieceBytes = 64 * 1024;

/** One package of the folder. */
export interface StoredPackage extends PackageFile {
  readonly sha256: Buffer;
  readonly sizeBytes: number;
}

/** The folder of the agent's packages: Debian's own file names, `NAME_VERSION_ARCHITECTURE.deb`. It may be filled anew at any time. */
export interface PackageFolder {
  /** What a host of an architecture needs, in the order to install it. Errors: PACKAGE_UNKNOWN when one is missing. */
  list(architecture: string): Promise<readonly StoredPackage[]>;
  /** The bytes of one package in pieces. Errors: PACKAGE_UNKNOWN. */
  read(wanted: PackageFile): AsyncGenerator<Buffer>;
}

/** A folder; nothing is read before it is asked for. */
export function openPackageFolder(folder: string): PackageFolder {
  /** sha256 by path, size and time of a file: a package of 35 MB is not read for every host. */
  const digests = new Map<string, Buffer>();

  const newest = async (architecture: string): Promise<Map<string, { file: PackageFile; path: string; mtimeMs: number; size: number }>> => {
    const found = new Map<string, { file: PackageFile; path: string; mtimeMs: number; size: number }>();
    for (const entry of await namesIn(folder)) {
      const file = parsePackageFile(entry);
      if (file?.architecture !== architecture) continue;
      const path = join(folder, entry);
      const about = await stat(path);
      const known = found.get(file.name);
      if (about.isFile() && (known === undefined || about.mtimeMs > known.mtimeMs)) found.set(file.name, { file, path, mtimeMs: about.mtimeMs, size: about.size });
    }
    return found;
  };

  return {
    async list(architecture) {
      const found = await newest(architecture);
      const stored: StoredPackage[] = [];
      for (const name of packageNames) {
        const one = found.get(name);
        if (one === undefined) throw reeveError('PACKAGE_UNKNOWN', { value: `"${name}" for architecture "${architecture}"` });
        const key = `${one.path} ${String(one.size)} ${String(one.mtimeMs)}`;
        const sha256 = digests.get(key) ?? (await digestOf(one.path));
        digests.set(key, sha256);
        stored.push({ ...one.file, sha256, sizeBytes: one.size });
      }
      return stored;
    },
    async *read(wanted) {
      const names = await namesIn(folder);
      const name = `${wanted.name}_${wanted.version}_${wanted.architecture}.deb`;
      // Only what the folder itself lists is opened: no name that a caller gave ever becomes part of a path.
      const entry = names.find((known) => known === name && parsePackageFile(known) !== undefined);
      if (entry === undefined) throw reeveError('PACKAGE_UNKNOWN', { value: `"${wanted.name}" ${wanted.version} for architecture "${wanted.architecture}"` });
      const file = await open(join(folder, entry));
      try {
        for (;;) {
          const { bytesRead, buffer } = await file.read(Buffer.alloc(pieceBytes), 0, pieceBytes);
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
  };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}

async function digestOf(path: string): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest();
}

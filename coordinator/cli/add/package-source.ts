import { createHash } from 'node:crypto';
import { reeveError } from '../../../shared/errors/error.js';
import { openPackageFolder } from '../../../shared/kit/package-folder.js';
import { packageNames } from '../../../shared/model/package.js';
import type { Api } from '../connect.js';
import { packageService } from '../service.js';

/** One package with its bytes. */
export interface Package {
  readonly name: (typeof packageNames)[number];
  readonly version: string;
  readonly sha256: Buffer;
  readonly bytes: Buffer;
}

/** The packages for an architecture, in the order to install them; fetched once, however many hosts need them. Errors: PACKAGE_UNKNOWN, COORDINATOR_UNREACHABLE. */
export type PackageSource = (architecture: string) => Promise<readonly Package[]>;

/** Largest package that is taken, bytes. */
const mostBytes = 512 * 1024 * 1024;

/** Packages of the coordinator, or of a folder on this machine. */
export function createPackageSource(api: () => Promise<Api>, folder: string | undefined): PackageSource {
  const fetched = new Map<string, Promise<readonly Package[]>>();
  const local = folder === undefined ? undefined : openPackageFolder(folder);
  const fetch = async (architecture: string): Promise<readonly Package[]> => {
    const listed = local === undefined ? (await (await api()).call(packageService, 'ListPackage', { architecture })).packages : await local.list(architecture);
    const packages: Package[] = [];
    for (const name of packageNames) {
      const wanted = listed.find((one) => one.name === name);
      if (wanted === undefined) throw reeveError('PACKAGE_UNKNOWN', { value: `"${name}" for architecture "${architecture}"` });
      const file = { name, version: wanted.version, architecture };
      const pieces = local === undefined ? remotePieces(await api(), file) : local.read(file);
      const bytes = await gather(pieces);
      const sha256 = createHash('sha256').update(bytes).digest();
      if (!sha256.equals(wanted.sha256)) throw reeveError('PACKAGE_UNKNOWN', { value: `"${name}" whose bytes are those that were announced` });
      packages.push({ name, version: wanted.version, sha256, bytes });
    }
    return packages;
  };
  return (architecture) => {
    const known = fetched.get(architecture) ?? fetch(architecture);
    fetched.set(architecture, known);
    return known;
  };
}

async function* remotePieces(api: Api, file: { name: string; version: string; architecture: string }): AsyncGenerator<Buffer> {
  for await (const { data } of api.stream(packageService, 'GetPackage', file)) yield data;
}

async function gather(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > mostBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'the package', rule: `at most ${String(mostBytes)} bytes` });
    all.push(piece);
  }
  return Buffer.concat(all, size);
}

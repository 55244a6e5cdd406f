import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackages } from '../../packaging/build.js';
import { parseBuildOptions } from '../../packaging/options.js';
import { buildPreviousPackages } from '../../packaging/previous.js';

/** Which packages: as they ship, with failpoints compiled in, or of the release before this one. */
export type PackageKind = 'normal' | 'test' | 'previous';

/** Names the folder of packages that `npm test` and `npm run demo` built once for all their programs. */
export const packageFolders: Readonly<Record<Exclude<PackageKind, 'previous'>, string>> = { normal: 'REEVE_PACKAGES', test: 'REEVE_PACKAGES_TEST' };

/** The .deb files by package name; built now unless the environment names a folder of them. */
export async function debs(kind: PackageKind): Promise<ReadonlyMap<string, string>> {
  const options = parseBuildOptions([], process.env);
  const folder = kind === 'previous' ? buildPreviousPackages(options.root, options.cache) : process.env[packageFolders[kind]];
  const files =
    folder !== undefined && existsSync(folder)
      ? readdirSync(folder).filter((file) => file.endsWith('.deb')).map((file) => join(folder, file))
      : await buildPackages(parseBuildOptions(kind === 'test' ? ['--test-build'] : [], process.env));
  return new Map(files.map((file) => [/([^/]+)_[^_/]+_[^_/]+\.deb$/.exec(file)?.[1] ?? file, file]));
}

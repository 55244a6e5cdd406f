/**
 * `npm run package [-- --test-build] [-- --out DIR] [-- --repository DIR]`: builds the Debian packages into build/packages (build/packages-test), and a signed apt
 * repository of them into build/repository. Two builds of one commit give the same bytes, but for signatures. REEVE_BUILD_CACHE keeps the compiled SQLite
 * addon elsewhere than in build/cache; options.ts has the other variables.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { recipes } from './contents.js';
import { buildDeb } from './deb.js';
import { parseBuildOptions, type BuildOptions } from './options.js';
import { buildRepository } from './repository.js';

/** Debian's names of the machines Node's release is carried for. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

/** Builds all packages, or the named ones; gives the paths of the .deb files. */
export async function buildPackages(options: BuildOptions, names: readonly string[] = Object.keys(recipes)): Promise<string[]> {
  const architecture = ARCHITECTURES[process.arch];
  if (architecture === undefined) throw new Error(`Cannot package for ${process.arch}: wanted ${Object.keys(ARCHITECTURES).join(' or ')}`);
  const work = mkdtempSync(join(tmpdir(), 'reeve-package-'));
  try {
    const files: string[] = [];
    for (const name of names) {
      const recipe = recipes[name];
      if (recipe === undefined) throw new Error(`There is no package ${JSON.stringify(name)}; there are ${Object.keys(recipes).join(', ')}`);
      const deb = await recipe(options, { root: options.root, work, testBuild: options.testBuild });
      files.push(buildDeb(deb, { version: options.version, architecture, epoch: options.epoch, maintainer: options.maintainer, work: join(work, 'trees'), out: options.out }));
    }
    return files;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = parseBuildOptions(process.argv.slice(2), process.env);
  const files = await buildPackages(options);
  for (const file of files) process.stdout.write(`${file} ${(statSync(file).size / 1e6).toFixed(1)} MB\n`);
  if (options.repository !== undefined) process.stdout.write(publish(options.repository, files, options));
}

function publish(out: string, debs: readonly string[], options: BuildOptions): string {
  const made = buildRepository({
    debs, out, signingKey: options.signingKey, url: options.repositoryUrl, epoch: options.epoch,
    developmentKey: join(options.root, 'build/signing/development-key.asc'),
  });
  const who = made.development ? 'a DEVELOPMENT key kept in build/signing (for a real repository set REEVE_SIGNING_KEY)' : 'the key of REEVE_SIGNING_KEY';
  return `${out} ${String(made.packages)} packages, signed by ${made.fingerprint}, ${who}\n`;
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What a package build needs to know. */
export interface BuildOptions {
  /** The source tree. */
  readonly root: string;
  /** Where the .deb files go. */
  readonly out: string;
  /** What survives between builds: the compiled SQLite addon. */
  readonly cache: string;
  /** Failpoints compiled in; such packages are for tests only and carry "+test" in their version. */
  readonly testBuild: boolean;
  readonly version: string;
  /** Seconds since 1970 that every file of the packages is dated (https://reproducible-builds.org/specs/source-date-epoch/). */
  readonly epoch: number;
}

/** Reads `--test-build`, `--out DIR`, REEVE_BUILD_CACHE, SOURCE_DATE_EPOCH (default: the last commit's time). */
export function parseBuildOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): BuildOptions {
  const root = resolve(import.meta.dirname, '..');
  let testBuild = false;
  let out: string | undefined;
  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === '--test-build') testBuild = true;
    else if (arg === '--out') out = left.shift();
    else throw new Error(`Unknown argument ${JSON.stringify(arg)}; wanted: [--test-build] [--out DIR]`);
  }
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    root,
    testBuild,
    out: resolve(out ?? join(root, 'build', testBuild ? 'packages-test' : 'packages')),
    cache: resolve(env['REEVE_BUILD_CACHE'] ?? join(root, 'build', 'cache')),
    version: testBuild ? `${manifest.version}+test` : manifest.version,
    epoch: Number(env['SOURCE_DATE_EPOCH'] ?? lastCommit(root)),
  };
}

function lastCommit(root: string): string {
  return execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim();
}

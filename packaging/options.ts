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
  /** Who answers for the packages: "Name <address>". */
  readonly maintainer: string;
  /** Where the signed apt repository goes; undefined: none is made. */
  readonly repository: string | undefined;
  /** File of the private key that signs it; undefined: a development key. */
  readonly signingKey: string | undefined;
  /** Address of the repository, for the hosts' sources file. */
  readonly repositoryUrl: string;
}

/** Stands where nobody said who answers for the packages. */
const PLACEHOLDER_MAINTAINER = 'The Reeve developers <reeve@localhost>';
const PLACEHOLDER_URL = 'https://packages.example.org/reeve';

/**
 * Reads `--test-build`, `--out DIR`, `--repository DIR`, REEVE_BUILD_CACHE, SOURCE_DATE_EPOCH (default: the last commit's time), REEVE_MAINTAINER,
 * REEVE_SIGNING_KEY and REEVE_REPOSITORY_URL. Plain builds make build/repository too; test builds and builds with --out make none unless they name one.
 */
export function parseBuildOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): BuildOptions {
  const root = resolve(import.meta.dirname, '..');
  let testBuild = false;
  let out: string | undefined;
  let repository: string | undefined;
  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === '--test-build') testBuild = true;
    else if (arg === '--out') out = left.shift();
    else if (arg === '--repository') repository = left.shift();
    else throw new Error(`Unknown argument ${JSON.stringify(arg)}; wanted: [--test-build] [--out DIR] [--repository DIR]`);
  }
  if (repository === undefined && !testBuild && out === undefined) repository = join(root, 'build/repository');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    root,
    testBuild,
    out: resolve(out ?? join(root, 'build', testBuild ? 'packages-test' : 'packages')),
    cache: resolve(env['REEVE_BUILD_CACHE'] ?? join(root, 'build', 'cache')),
    version: testBuild ? `${manifest.version}+test` : manifest.version,
    epoch: Number(env['SOURCE_DATE_EPOCH'] ?? lastCommit(root)),
    maintainer: parseMaintainer(env['REEVE_MAINTAINER'] ?? PLACEHOLDER_MAINTAINER),
    repository: repository === undefined ? undefined : resolve(repository),
    signingKey: env['REEVE_SIGNING_KEY'] === undefined ? undefined : resolve(env['REEVE_SIGNING_KEY']),
    repositoryUrl: parseUrl(env['REEVE_REPOSITORY_URL'] ?? PLACEHOLDER_URL),
  };
}

function lastCommit(root: string): string {
  return execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim();
}

function parseMaintainer(text: string): string {
  if (!/^[^\n<>]+ <[^\s<>@]+@[^\s<>@]+>$/.test(text)) throw new Error(`REEVE_MAINTAINER ${JSON.stringify(text)} is not allowed: wanted "Name <address@example.org>" in one line`);
  return text;
}

function parseUrl(text: string): string {
  if (!/^(?:https?:\/\/|file:\/)\S+$/.test(text)) throw new Error(`REEVE_REPOSITORY_URL ${JSON.stringify(text)} is not allowed: wanted http://, https:// or file:/ and a place`);
  return text;
}

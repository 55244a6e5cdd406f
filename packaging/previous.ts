import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.js';
import { RUNTIME } from './native.js';

/** The release before this one, as packaging/previous.json names it. A release's commit changes that file when the next one is begun. */
export interface PreviousRelease {
  readonly version: string;
  readonly commit: string;
}

/** Reads packaging/previous.json of a source tree. */
export function previousRelease(root: string): PreviousRelease {
  return JSON.parse(readFileSync(join(root, 'packaging/previous.json'), 'utf8')) as PreviousRelease;
}

/**
 * Builds the packages of the release before this one from the repository's own history, once per commit; gives their folder.
 * Its dependencies are today's: the lock file may have moved since, its source has not.
 */
export function buildPreviousPackages(root: string, cache: string): string {
  const { version, commit } = previousRelease(root);
  const folder = join(root, 'build/previous', commit);
  if (existsSync(folder)) return folder;
  const git = (...args: string[]): string => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  let date: string;
  try {
    date = git('log', '-1', '--format=%ct', commit);
  } catch (error) {
    throw new Error(`Release ${version} cannot be built: commit ${commit} is not in this clone. Fetch the whole history: git fetch --unshallow`, { cause: error });
  }
  const work = join(root, 'build/previous', `building-${String(process.pid)}`);
  const tree = join(work, 'tree');
  try {
    mkdirSync(tree, { recursive: true });
    git('archive', '--format=tar', `--output=${join(work, 'tree.tar')}`, commit);
    command(['tar', '--extract', '--file', join(work, 'tree.tar'), '--directory', tree]);
    symlinkSync(realpathSync(join(root, 'node_modules')), join(tree, 'node_modules'));
    const modules = join(RUNTIME, '..');
    symlinkSync(realpathSync(join(root, modules)), join(tree, modules));
    const run = (...args: string[]): string =>
      command([process.execPath, '--import', 'tsx', ...args], { cwd: tree, env: { HOME: work, SOURCE_DATE_EPOCH: date, REEVE_BUILD_CACHE: cache } });
    for (const generator of ['proto/generate.ts', 'native/generate.ts']) run(generator);
    run('packaging/build.ts', '--out', join(work, 'packages'));
    renameSync(join(work, 'packages'), folder);
  } catch (error) {
    // Somebody else built the same meanwhile: theirs is as good.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (!readdirSync(folder).some((file) => file.startsWith(`reeve-agent_${version}_`))) throw new Error(`Commit ${commit} made no packages of version ${version}`);
  return folder;
}

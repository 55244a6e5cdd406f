import { cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Parts of the packages that a tree may lack while it is being written, and the smallest thing that stands in. */
const STUBS: Readonly<Record<string, string>> = {
  'agent/main.ts': "import { failpoint } from '../shared/kit/failpoint.js';\nimport * as grpc from '@grpc/grpc-js';\nconsole.log(process.version, typeof grpc.Server, typeof failpoint);\n",
  'coordinator/main.ts': "import Sqlite from 'better-sqlite3';\nconsole.log(process.version, new Sqlite(':memory:').prepare('select 1 + 1').pluck().get());\n",
  'coordinator/cli/main.ts': 'declare const REEVE_VERSION: string;\nconsole.log(REEVE_VERSION);\n',
};

/** The tree to build packages from: this one when it is whole, else a copy in which stand-ins fill the gaps. `dispose` the folder `made`. */
export function packageTree(): { readonly root: string; readonly made: string | undefined } {
  const missing = Object.entries(STUBS).filter(([path]) => !existsSync(join(ROOT, path)));
  if (missing.length === 0) return { root: ROOT, made: undefined };
  const made = mkdtempSync(join(tmpdir(), 'reeve-tree-'));
  for (const name of ['package.json', 'LICENSE', 'tsconfig.json', 'shared', 'agent', 'coordinator', 'native', 'proto', 'packaging']) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(made, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(made, 'node_modules'));
  for (const [path, text] of missing) {
    mkdirSync(dirname(join(made, path)), { recursive: true });
    writeFileSync(join(made, path), text);
  }
  process.stderr.write(`packages under test: stand-ins for ${missing.map(([path]) => path).join(', ')}\n`);
  return { root: made, made };
}

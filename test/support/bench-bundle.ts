import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../packaging/bundle.js';
import { RUNTIME, sqliteAddon } from '../../packaging/native.js';
import { parseBuildOptions } from '../../packaging/options.js';
import { programFile, programs, runtimeFile } from './bench-process.js';

/**
 * Bundles the programs as the packages' programs are bundled, into `folder`, and puts the packages' runtime beside them, so that what is measured is what ships:
 * the loader that runs TypeScript in development wraps every function it makes, and the node of development is another.
 */
export async function bundlePrograms(root: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const entry of programs) {
    const { code } = await bundle({ root, entry, version: 'bench', testBuild: false });
    writeFileSync(join(folder, programFile(entry)), code);
  }
  copyFileSync(sqliteAddon(root, parseBuildOptions([], process.env).cache), join(folder, 'better_sqlite3.node'));
  rmSync(join(folder, runtimeFile), { force: true });
  symlinkSync(join(root, RUNTIME, 'bin/node'), join(folder, runtimeFile));
}

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../packaging/bundle.js';
import { programFile, programs } from './bench-process.js';

/**
 * Bundles the programs as the packages' programs are bundled, into `folder`, so that what is measured is what ships: the loader that runs TypeScript in
 * development wraps every function it makes.
 */
export async function bundlePrograms(root: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const entry of programs) {
    const { code } = await bundle({ root, entry, version: 'bench', testBuild: false });
    writeFileSync(join(folder, programFile(entry)), code);
  }
  copyFileSync(join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'), join(folder, 'better_sqlite3.node'));
}

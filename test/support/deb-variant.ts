import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** How a package differs from the one it is made of. */
export interface DebVariant {
  readonly version: string;
  /** Version of reeve-runtime that it depends on; absent: the one it had. */
  readonly runtime?: string;
  /** Alters the unpacked tree; the maintainer scripts are in DEBIAN/. */
  readonly edit?: (tree: string) => void;
}

/** Makes another version of a package: later, broken in one place, or both. Gives the file's path in `out`. */
export function debVariant(deb: string, out: string, variant: DebVariant): string {
  const work = mkdtempSync(join(tmpdir(), 'reeve-variant-'));
  try {
    const tree = join(work, 'tree');
    execFileSync('dpkg-deb', ['--raw-extract', deb, tree]);
    const path = join(tree, 'DEBIAN/control');
    const before = readFileSync(path, 'utf8');
    const own = /^Version: (.*)$/m.exec(before)?.[1] ?? '';
    let control = before.replace(/^Version: .*$/m, `Version: ${variant.version}`);
    if (variant.runtime !== undefined) control = control.replace(/reeve-runtime \(= [^)]*\)/, `reeve-runtime (= ${variant.runtime})`);
    writeFileSync(path, control);
    // The scripts have their own version written into them.
    for (const script of ['preinst', 'postinst']) {
      const file = join(tree, 'DEBIAN', script);
      try {
        writeFileSync(file, readFileSync(file, 'utf8').replaceAll(own, variant.version));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    variant.edit?.(tree);
    mkdirSync(out, { recursive: true });
    const file = join(out, basename(deb).replace(own, variant.version));
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z1', '--build', tree, file], { stdio: 'ignore' });
    return file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

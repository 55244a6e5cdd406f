import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Top of the tree. */
export const top = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The files of the project: what git knows or would add, without generated ones. */
export function projectFiles(...endings: string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: top, encoding: 'utf8' });
  return listed
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(top, file)))
    .filter((file) => endings.length === 0 || endings.some((ending) => file.endsWith(ending)));
}

/** A file's text. */
export function textOf(file: string): string {
  return readFileSync(join(top, file), 'utf8');
}

/** What a TypeScript file imports: packages as they are named, files as paths from the top. */
export function importsOf(file: string): string[] {
  const found: string[] = [];
  for (const match of textOf(file).matchAll(/^(?:import|export)\b[^;'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm)) {
    const name = match[1] ?? match[2] ?? match[3] ?? '';
    found.push(name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '.ts') : name);
  }
  return found;
}

/** Program files: TypeScript that ships. */
export function shippedFiles(): string[] {
  return projectFiles('.ts').filter((file) => /^(?:agent|coordinator|shared)\//.test(file) && !file.endsWith('.test.ts') && !file.includes('/testing/'));
}

import { createHash } from 'node:crypto';
import { chmodSync, cpSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { command } from './command.js';

/** One thing in a package. `mode` defaults to 0644; folders are 0755 and arise by themselves. */
export type Content =
  | { readonly kind: 'text'; readonly path: string; readonly text: string | Uint8Array; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly from: string; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

export interface DebPackage {
  readonly name: string;
  readonly depends: readonly string[];
  /** What it does without, but for a part of what it is for. */
  readonly recommends?: readonly string[];
  readonly section: string;
  /** First line: up to 60 characters; the rest: the long description. */
  readonly description: readonly [string, ...string[]];
  readonly contents: readonly Content[];
  /** Files that dpkg asks about before replacing an edited one. */
  readonly conffiles?: readonly string[];
  /** Folder of postinst, prerm, postrm, as far as they exist. */
  readonly scripts?: string;
  /** What stands for @NAME@ in the scripts; @VERSION@ is the package's own. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface DebOptions {
  readonly version: string;
  readonly architecture: string;
  readonly epoch: number;
  /** "Name <address>". */
  readonly maintainer: string;
  readonly work: string;
  readonly out: string;
}

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'];

/** Builds a .deb and gives its path. The same contents, version and epoch give the same bytes. */
export function buildDeb(deb: DebPackage, options: DebOptions): string {
  const tree = join(options.work, deb.name);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  for (const content of deb.contents) place(tree, content);
  const files = listFiles(tree).filter((path) => !path.startsWith('DEBIAN/'));
  const regular = files.filter((path) => lstatSync(join(tree, path)).isFile());
  const meta = (name: string, text: string | Buffer, mode = 0o644): void => {
    writeFileSync(join(tree, 'DEBIAN', name), text);
    chmodSync(join(tree, 'DEBIAN', name), mode);
  };
  const sizeKib = regular.reduce((sum, path) => sum + Math.ceil(lstatSync(join(tree, path)).size / 1024), 0);
  meta('control', renderControl(deb, options, sizeKib));
  meta('md5sums', regular.map((path) => `${createHash('md5').update(readFileSync(join(tree, path))).digest('hex')}  ${path}\n`).join(''));
  if (deb.conffiles !== undefined && deb.conffiles.length > 0) meta('conffiles', deb.conffiles.map((path) => `${path}\n`).join(''));
  for (const script of deb.scripts === undefined ? [] : readdirSync(deb.scripts)) {
    if (!SCRIPTS.includes(script)) throw new Error(`${join(deb.scripts ?? '', script)} is no maintainer script; wanted: ${SCRIPTS.join(', ')}`);
    meta(script, fillIn(readFileSync(join(deb.scripts ?? '', script), 'utf8'), { ...deb.values, VERSION: options.version }), 0o755);
  }
  dateAll(tree, options.epoch);
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `${deb.name}_${options.version}_${options.architecture}.deb`);
  // One version in the folder: "dpkg -i NAME_*.deb" means this one. The repository's pool keeps the others.
  for (const old of readdirSync(options.out).filter((name) => name.startsWith(`${deb.name}_`) && name.endsWith('.deb'))) rmSync(join(options.out, old));
  // zstd: Debian 12's dpkg and every later one read it; the runtime takes seconds instead of the minute xz needs, for a few MB more.
  // One thread, because the number of threads shows in the bytes.
  command(['dpkg-deb', '--root-owner-group', '-Zzstd', '-z9', '--threads-max=1', '--build', tree, file], { env: { SOURCE_DATE_EPOCH: String(options.epoch) } });
  return file;
}

function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/@([A-Z_]+)@/g, (mark, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`A maintainer script has ${mark}, which nothing stands for; there are ${Object.keys(values).join(', ')}`);
    return value;
  });
}

function place(tree: string, content: Content): void {
  const target = join(tree, content.path);
  mkdirSync(dirname(target), { recursive: true });
  if (content.kind === 'link') {
    symlinkSync(content.to, target);
    return;
  }
  if (content.kind === 'text') writeFileSync(target, content.text);
  else cpSync(content.from, target);
  chmodSync(target, content.mode ?? 0o644);
}

function renderControl(deb: DebPackage, options: DebOptions, sizeKib: number): string {
  const [synopsis, ...long] = deb.description;
  return [
    `Package: ${deb.name}`,
    `Version: ${options.version}`,
    `Architecture: ${options.architecture}`,
    `Maintainer: ${options.maintainer}`,
    `Installed-Size: ${String(sizeKib)}`,
    ...(deb.depends.length === 0 ? [] : [`Depends: ${deb.depends.join(', ')}`]),
    ...(deb.recommends === undefined ? [] : [`Recommends: ${deb.recommends.join(', ')}`]),
    `Section: ${deb.section}`,
    'Priority: optional',
    `Description: ${synopsis}`,
    ...long.map((line) => ` ${line === '' ? '.' : line}`),
    '',
  ].join('\n');
}

/** Every file and link below a folder, from it, sorted. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function dateAll(folder: string, epoch: number): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) dateAll(path, epoch);
    lutimesSync(path, epoch, epoch);
  }
  chmodSync(folder, 0o755);
  lutimesSync(folder, epoch, epoch);
}

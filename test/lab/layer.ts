import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheDir, ensureBase } from './base.js';
import { execute, executeOk, startTimeOf } from './process.js';

/** A layer that nobody has used for this long is taken away, ms. */
const UNUSED_MS = 3_600_000;
/** Part of the key: raise it when what is done below changes. */
const RECIPE = 1;

/**
 * Gives a layer of the base tree in which packages are installed, as in the image that a machine is made from: their scripts have run, nothing of them has ever been
 * started. Made once for each set of packages; hosts that share it need no installation of their own, which takes longer than their boot.
 */
export function ensureLayer(files: readonly string[]): Promise<string> {
  const name = files.join(' ');
  const asked = made.get(name) ?? layerOf(files);
  made.set(name, asked);
  return asked;
}

/** What was asked for in this process: hosts of a fleet are made side by side. */
const made = new Map<string, Promise<string>>();

async function layerOf(files: readonly string[]): Promise<string> {
  const base = await ensureBase();
  const key = createHash('sha256').update(JSON.stringify([RECIPE, base]));
  for (const file of files) key.update(readFileSync(file));
  const layer = join(cacheDir(), `layer-${key.digest('hex').slice(0, 16)}`);
  if (!existsSync(layer)) await build(base, layer, files);
  utimesSync(layer, new Date(), new Date());
  return join(layer, 'upper');
}

async function build(base: string, layer: string, files: readonly string[]): Promise<void> {
  removeUnused();
  const building = join(cacheDir(), `build-${String(process.pid)}-${startTimeOf(process.pid) ?? ''}-${basename(layer)}`);
  rmSync(building, { recursive: true, force: true });
  for (const folder of ['upper', 'work', 'root']) mkdirSync(join(building, folder), { recursive: true });
  const root = join(building, 'root');
  await executeOk(['mount', '-t', 'overlay', '-o', `lowerdir=${base},upperdir=${join(building, 'upper')},workdir=${join(building, 'work')}`, 'reeve-lab-layer', root]);
  try {
    for (const file of files) copyFileSync(file, join(root, 'root', basename(file)));
    const install = ['chroot', root, 'dpkg', '--install', ...files.map((file) => `/root/${basename(file)}`)];
    // What a package has to find configured before it is unpacked (Pre-Depends) is so after the first time only.
    if ((await execute(install, { timeoutMs: 300_000 })).code !== 0) await executeOk(install, { timeoutMs: 300_000 });
    for (const file of files) rmSync(join(root, 'root', basename(file)));
  } finally {
    await executeOk(['umount', root]);
  }
  try {
    renameSync(building, layer);
  } catch (error) {
    // Somebody else built the same one meanwhile: theirs is as good.
    if (!existsSync(layer)) throw error;
    rmSync(building, { recursive: true, force: true });
  }
}

function removeUnused(): void {
  for (const name of readdirSync(cacheDir())) {
    const path = join(cacheDir(), name);
    // Another process may take the same ones away at the same time.
    const found = name.startsWith('layer-') ? statSync(path, { throwIfNoEntry: false }) : undefined;
    if (found !== undefined && Date.now() - found.mtimeMs > UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../shared/kit/version.js';

/** A file that pages load. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

/** Files that pages load, with their types; there are no others. */
const types = { 'reeve.css': 'text/css; charset=utf-8', 'reeve.js': 'text/javascript; charset=utf-8', 'icon.svg': 'image/svg+xml' } as const;

/** Reads them once: beside the bundle in a package, where they stand in development. */
export function loadAssets(): ReadonlyMap<string, Asset> {
  const here = dirname(fileURLToPath(import.meta.url));
  const folder = [join(here, `asset-${version}`), join(here, 'asset')].find((candidate) => existsSync(candidate));
  if (folder === undefined) throw new Error(`The folder "asset-${version}" is missing from this installation`);
  return new Map(Object.entries(types).map(([name, type]) => [name, { type, body: readFileSync(join(folder, name)) }]));
}

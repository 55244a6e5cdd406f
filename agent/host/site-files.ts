import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDenied, type WatchedFolder } from './folder-watch.js';

/** Where a web server's sites are. */
export interface SiteFolders {
  /** The web server's own: `/etc/nginx`. */
  readonly engine: string;
}

const ours = 'reeve';
const current = 'current';
const included = { folder: 'conf.d', file: 'reeve.conf' } as const;

/** Everything of which a touch means that managed sites may have changed: the set in place with its files, and what includes it. */
export function sitePaths({ engine }: SiteFolders): readonly string[] {
  const set = join(engine, ours, current);
  const names = unlessDenied(() => (statSync(set, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(set).sort()));
  return names === undefined ? [] : [set, ...names.map((name) => join(set, name)), join(engine, included.folder, included.file)];
}

/** The folders of all that: they come with the web server and the first set, and each set has its own. */
export function siteWatches({ engine }: SiteFolders): readonly WatchedFolder<'vhost'>[] {
  const only = (wanted: string) => (name: string) => name === wanted;
  return [
    { folder: engine, matters: only(ours), part: 'vhost' },
    { folder: join(engine, ours), matters: only(current), part: 'vhost' },
    { folder: join(engine, ours, current), part: 'vhost' },
    { folder: join(engine, included.folder), matters: only(included.file), part: 'vhost' },
  ];
}

/** What another account may not look into is as good as not there. */
function unlessDenied<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isDenied(error)) return undefined;
    throw error;
  }
}

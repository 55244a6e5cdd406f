import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../shared/kit/log.js';

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

/** Tells of touched files of sites. */
export interface SiteWatch {
  /** Looks which folders there are now: they come with the web server and the first set, and each set has its own. */
  look(): void;
  close(): void;
}

/** Watches over the files of sites; what is not there yet is watched from the next look on. Close it. */
export function watchSites({ engine }: SiteFolders, onTouched: () => void, log: Logger): SiteWatch {
  const watched = new Map<string, { readonly inode: bigint; readonly watcher: FSWatcher }>();
  const drop = (folder: string): void => {
    watched.get(folder)?.watcher.close();
    watched.delete(folder);
  };
  const folders: readonly (readonly [folder: string, name: string | undefined])[] = [
    [engine, ours], [join(engine, ours), current], [join(engine, ours, current), undefined], [join(engine, included.folder), included.file],
  ];
  const look = (): void => {
    for (const [folder, wanted] of folders) {
      const inode = unlessDenied(() => statSync(folder, { bigint: true, throwIfNoEntry: false })?.ino);
      if (inode === watched.get(folder)?.inode) continue;
      drop(folder);
      if (inode === undefined) continue;
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          if (name !== null && wanted !== undefined && name !== wanted) return;
          look();
          onTouched();
        });
        watcher.on('error', (error) => {
          log.warn({ err: error, folder }, 'a folder of sites cannot be watched any more; it is looked at every 5 minutes');
          drop(folder);
        });
        watched.set(folder, { inode, watcher });
      } catch (error) {
        log.warn({ err: error, folder }, 'a folder of sites cannot be watched; it is looked at every 5 minutes');
      }
    }
  };
  look();
  return {
    look,
    close() {
      for (const folder of [...watched.keys()]) drop(folder);
    },
  };
}

/** What another account may not look into is as good as not there. */
function unlessDenied<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return undefined;
    throw error;
  }
}

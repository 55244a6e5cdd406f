import { statSync, watch, type FSWatcher } from 'node:fs';
import type { Logger } from '../../shared/kit/log.js';

/** A folder in which files are touched. */
export interface WatchedFolder<Part extends string> {
  readonly folder: string;
  /** Whether a file of this name matters; absent: all do. */
  readonly matters?: (name: string) => boolean;
  /** What is told of. */
  readonly part: Part;
}

/** Tells of touched files. */
export interface FolderWatch {
  /** Looks which folders there are now: what came since the last look is watched from here on. */
  look(): void;
  close(): void;
}

/**
 * Watches over folders, of which any may come and go; of one folder there may be several rows. A folder that appears in another one that is watched is found at
 * once when its name matters there; any other, and one that could not be watched, at the next look. Close it.
 */
export function watchFolders<Part extends string>(folders: readonly WatchedFolder<Part>[], onTouched: (part: Part) => void, log: Logger): FolderWatch {
  const watched = new Map<WatchedFolder<Part>, { readonly identity: string; readonly watcher: FSWatcher }>();
  const warned = new Set<string>();
  const drop = (row: WatchedFolder<Part>): void => {
    watched.get(row)?.watcher.close();
    watched.delete(row);
  };
  const warn = (error: unknown, folder: string): void => {
    if (!warned.has(folder)) log.warn({ err: error, folder }, 'a folder cannot be watched; it is looked at every 5 minutes');
    warned.add(folder);
  };
  const begin = (row: WatchedFolder<Part>, identity: string): void => {
    const { folder, matters, part } = row;
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name !== null && matters?.(name) === false) return;
        look();
        onTouched(part);
      });
      watcher.on('error', (error) => {
        warn(error, folder);
        drop(row);
      });
      watched.set(row, { identity, watcher });
      warned.delete(folder);
    } catch (error) {
      // Who makes a folder may open it to others a moment later: that touches it once more.
      if (!isDenied(error)) warn(error, folder);
    }
  };
  let closed = false;
  const look = (): void => {
    if (closed) return;
    for (const row of folders) {
      const identity = identityOf(row.folder);
      if (identity === watched.get(row)?.identity) continue;
      drop(row);
      if (identity !== undefined) begin(row, identity);
    }
  };
  look();
  return {
    look,
    close() {
      closed = true;
      for (const row of [...watched.keys()]) drop(row);
    },
  };
}

/** Tells a folder from the one that was there before it: inode numbers are given again. Undefined: there is none, or it is not to be seen; a link that leads nowhere is none. */
function identityOf(folder: string): string | undefined {
  try {
    const stat = statSync(folder, { bigint: true });
    return [stat.dev, stat.ino, stat.birthtimeNs].join(':');
  } catch {
    return undefined;
  }
}

/** Whether an error says that another account may not look there. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EACCES';
}

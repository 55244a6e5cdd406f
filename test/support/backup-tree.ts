import type { LabHost } from '../lab/lab.js';

/**
 * All below a folder as lines: path, kind, mode, owner, group, number of links, time of change, target of links, size, and a line of sha256 for each file. What is
 * different for folders by what was left out of them (links, size, time) is left out. Sorted.
 */
export async function treeOf(host: LabHost, folder: string): Promise<readonly string[]> {
  const script = [
    'cd "$1" || exit 1',
    "find . ! -type d -printf '%p %y %m %U %G %n %T@ %l %s\\n' -o -type d -printf '%p %y %m %U %G\\n'",
    "find . -type f -print0 | sort -z | xargs -0 -r sha256sum",
  ].join('\n');
  const listed = await host.run(['/bin/sh', '-c', script, 'tree', folder], { timeoutMs: 300_000 });
  return listed.split('\n').filter((line) => line !== '').sort();
}

/** Makes all snapshots of a job older, as though so much time had passed since: their names are their times. */
export async function shiftSnapshots(store: LabHost, folder: string, seconds: number): Promise<void> {
  const names = (await store.run(['ls', `${folder}/snapshots`])).split('\n').filter((name) => name !== '');
  const older = (name: string): string => {
    const iso = name.replace(/^(.{13})(..)(..)Z$/, '$1:$2:$3.000Z');
    return new Date(Date.parse(iso) - seconds * 1000).toISOString().replace(/^(.{13}):(..):(..)\.000Z$/, '$1$2$3Z');
  };
  // Oldest first, so that no name is taken.
  const moves = names.flatMap((name) => ['snapshots', 'info'].map((part) => `mv -T '${folder}/${part}/${name}' '${folder}/${part}/${older(name)}'`));
  if (moves.length > 0) await store.run(['/bin/sh', '-ec', moves.join('\n')]);
}

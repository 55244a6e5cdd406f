import type { LabHost } from '../lab/lab.js';

/**
 * All below a folder as lines: path, kind, mode, owner, group, size of files, time of change, target of links, number of links, sha256. Names are escaped by find. Sorted.
 */
export async function treeOf(host: LabHost, folder: string): Promise<readonly string[]> {
  const script = [
    'cd "$1" || exit 1',
    // %P would leave the folder itself without a name.
    "find . -printf '%p %y %m %U %G %n %T@ %l %s\\n' | sed -E 's/^(\\S+ d .*) [0-9]+$/\\1/'",
    "find . -type f -print0 | sort -z | xargs -0 -r sha256sum",
  ].join('\n');
  const listed = await host.run(['/bin/sh', '-c', script, 'tree', folder], { timeoutMs: 300_000 });
  return listed.split('\n').filter((line) => line !== '').sort();
}

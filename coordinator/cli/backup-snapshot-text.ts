import type { KeptSnapshot } from '../../shared/gen/proto/reeve/coordinator/v1/KeptSnapshot.js';
import type { BackupEntry } from '../../shared/gen/proto/reeve/type/v1/BackupEntry.js';
import { snapshotTime } from '../../shared/model/backup.js';
import { formatAge } from '../../shared/model/duration.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { pathText, sourcePathText } from './path-text.js';
import { formatBytes } from './size.js';
import { renderRows, renderTable, type Cell } from './table.js';
import type { Terminal } from './terminal.js';
import { formatTime } from './time.js';

/** The letter of ls(1) for what a file is. */
const kindLetters: Readonly<Record<string, string>> = { file: '-', directory: 'd', symlink: 'l', fifo: 'p', socket: 's', char: 'c', block: 'b' };

/** What is said where not all is shown. */
const more = 'There is more than is shown.\n';

/** Snapshots as a table, with the levels that keep them. */
export function renderSnapshots(terminal: Pick<Terminal, 'color'>, snapshots: readonly KeptSnapshot[], now: number): string {
  const rows = snapshots.map(({ snapshot, levels }): Cell[] => {
    if (snapshot === null) return [];
    const at = snapshotTime(snapshot.name);
    const whole: Cell = snapshot.complete ? 'yes' : { text: 'no', tone: 'yellow' };
    const kept: Cell = levels.length === 0 ? { text: '-', tone: 'dim' } : levels.join(' ');
    return [snapshot.name, at === undefined ? '' : formatAge(now - at), whole, String(snapshot.files), formatBytes(snapshot.bytes), formatBytes(snapshot.sentBytes), kept];
  });
  const going = snapshots.some(({ levels }) => levels.length === 0) ? 'What no level keeps (-) goes with the next rotation.\n' : '';
  return renderTable(terminal, ['snapshot', 'age', 'complete', 'files', 'size', 'sent', 'kept as'], rows, 'No snapshots. To make one: reeve backup run NAME') + going;
}

/** Kind and permission bits as ls(1) has them: `-rwsr-xr-t`. */
export function modeText(kind: string, mode: number): string {
  const bits = (shift: number, special: number, letter: string): string => {
    const three = mode >> shift;
    const run = (three & 1) !== 0;
    const marked = (mode & special) !== 0;
    return `${(three & 4) !== 0 ? 'r' : '-'}${(three & 2) !== 0 ? 'w' : '-'}${marked ? (run ? letter : letter.toUpperCase()) : run ? 'x' : '-'}`;
  };
  return `${(Object.hasOwn(kindLetters, kind) ? kindLetters[kind] : undefined) ?? '?'}${bits(6, 0o4000, 's')}${bits(3, 0o2000, 's')}${bits(0, 0o1000, 't')}`;
}

function nameText({ path, target, problem }: BackupEntry): string {
  return `${sourcePathText(path)}${target.length === 0 ? '' : ` -> ${pathText(target)}`}${problem === '' ? '' : ` (${problem})`}`;
}

function modifiedText({ modifiedMs }: BackupEntry): string {
  return formatTime(toTimestamp(modifiedMs));
}

/** Files of a folder, a line each, as `ls -lh` has them; owners are numbers, as the names of another host say nothing here. */
export function renderEntries(terminal: Pick<Terminal, 'color'>, entries: readonly BackupEntry[], truncated: boolean): string {
  if (entries.length === 0) return 'No files.\n';
  const sizes = entries.map(({ kind, size }) => (kind === 'directory' ? '' : formatBytes(size)));
  const width = Math.max(...sizes.map((size) => size.length));
  const rows = entries.map((entry, index): Cell[] => [modeText(entry.kind, entry.mode), String(entry.uid), String(entry.gid), (sizes[index] ?? '').padStart(width), modifiedText(entry), nameText(entry)]);
  return renderRows(terminal, rows) + (truncated ? more : '');
}

/** Files that were found, with the snapshots that have them. */
export function renderFound(terminal: Pick<Terminal, 'color'>, entries: readonly BackupEntry[], truncated: boolean): string {
  const rows = entries.map((entry): Cell[] => [entry.snapshot, entry.kind === 'directory' ? '' : formatBytes(entry.size), modifiedText(entry), nameText(entry)]);
  return renderTable(terminal, ['snapshot', 'size', 'modified', 'path'], rows, 'No snapshot has such a file.') + (truncated ? more : '');
}

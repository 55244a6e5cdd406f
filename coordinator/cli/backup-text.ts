import type { BackupRow } from '../../shared/gen/proto/reeve/coordinator/v1/BackupRow.js';
import type { ShowBackupResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ShowBackupResponse.js';
import type { Backup } from '../../shared/gen/proto/reeve/type/v1/Backup.js';
import { backupLevels } from '../../shared/model/backup.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { formatAge } from '../../shared/model/duration.js';
import { counted, proofCell, renderProof, renderRuns, runCell } from './backup-run-text.js';
import { renderFields, renderTable, type Cell, type Tone } from './table.js';
import type { Terminal } from './terminal.js';
import { formatSince, formatTime } from './time.js';

const healthTones: Readonly<Record<string, Tone>> = { good: 'green', unproven: 'yellow', late: 'red', failed: 'red', frozen: 'red', new: 'dim', inactive: 'dim' };

/** How often a job runs whose schedule follows what it keeps. */
const levelWords: Readonly<Record<string, string>> = { hourly: 'each hour', daily: 'each day', weekly: 'each Monday', monthly: 'each first of a month' };

function healthCell({ health }: BackupRow): Cell {
  const tone = Object.hasOwn(healthTones, health) ? healthTones[health] : undefined;
  return tone === undefined ? health : { text: health, tone };
}

/** `web1:/srv/shop (+2 folders)`; what has no folders is its databases. */
function sourceText({ source, folders, dumps }: Backup): string {
  const [first, ...more] = folders;
  if (first === undefined) return `${source}: ${counted(dumps.length, 'database')}`;
  return `${source}:${first}${more.length === 0 ? '' : ` (+${counted(more.length, 'folder')})`}`;
}

/** When something is to be, and how far away that is. */
function dueText(row: BackupRow, now: number): string {
  const ms = fromTimestamp(row.nextAt);
  if (ms === undefined) return '';
  return ms <= now ? 'due' : `in ${formatAge(ms - now)}`;
}

/** Jobs as a table. */
export function renderBackups(terminal: Pick<Terminal, 'color'>, rows: readonly BackupRow[], now: number): string {
  const cells = rows.map((row): Cell[] => {
    const { backup, lastGood } = row;
    if (backup === null) return [row.id, healthCell(row)];
    const good = lastGood === null ? '' : `${formatSince(lastGood.endedAt, now)} ago`;
    return [backup.name, healthCell(row), sourceText(backup), `${backup.destination}:${backup.folder}`, good, dueText(row, now), proofCell(row.proof, now), row.reason];
  });
  return renderTable(terminal, ['job', 'health', 'from', 'to', 'last good', 'next', 'proof', 'why'], cells, 'No backup jobs. To add one: reeve backup add NAME --from HOST:/FOLDER --to HOST:/FOLDER');
}

function scheduleText({ schedule, retention, active }: Backup): Cell {
  if (schedule === null) return 'only by command';
  const finest = retention === null ? undefined : backupLevels.find((level) => retention[level] > 0);
  const when = schedule.cron === '' ? (levelWords[finest ?? ''] ?? '') : schedule.cron;
  const text = `${when} (UTC)${schedule.windowMinutes === 0 ? '' : `, moved by up to ${counted(schedule.windowMinutes, 'minute')}`}`;
  return active ? text : { text: `inactive; else ${text}`, tone: 'yellow' };
}

function keepText({ retention }: Backup): string {
  return retention === null ? '' : backupLevels.flatMap((level) => (retention[level] > 0 ? [`${String(retention[level])} ${level}`] : [])).join(', ');
}

/** One job: as it should be, how it does, and its last runs. */
export function renderBackup(terminal: Pick<Terminal, 'color'>, { row, runs }: ShowBackupResponse, now: number): string {
  if (row === null) return '';
  const { backup, frozenAt, nextAt } = row;
  const job = backup === null ? '' : renderFields(terminal, [
    ['job', backup.name],
    ['health', healthCell(row)],
    ['why', row.reason],
    ['from host', backup.source],
    ...backup.folders.map((folder) => ['folder', folder] as const),
    ...backup.dumps.map(({ engine, database }) => ['database', `${engine}:${database}`] as const),
    ...backup.excludes.map((pattern) => ['left out', pattern] as const),
    ['system folders', backup.systemFolders ? 'copied, too' : ''],
    ['to', `${backup.destination}:${backup.folder}`],
    ['runs', scheduleText(backup)],
    ['next run', nextAt === null ? '' : `${formatTime(nextAt)} (${dueText(row, now)})`],
    ['keeps', keepText(backup)],
    ['bandwidth', backup.bandwidthKib === 0 ? '' : `at most ${String(backup.bandwidthKib)} KiB/s`],
    ['time limit', counted(backup.timeLimitMinutes, 'minute')],
    ['freezes', backup.shrinkPercent === 0 ? 'when a run brings nothing' : `when a run brings less than ${String(backup.shrinkPercent)}% of the last good one`],
    ['frozen since', frozenAt === null ? '' : { text: formatTime(frozenAt), tone: 'red' }],
    ['verified', `each ${counted(backup.verifyDays, 'day')}`],
    ['drill', backup.drill === null ? '' : `each ${counted(backup.drill.everyDays, 'day')} to ${backup.drill.host}:${backup.drill.folder}`],
    ['last run', runCell(row.last, now)],
    ['last good run', runCell(row.lastGood, now)],
    ['added', `${formatTime(row.addedAt)} by ${row.addedBy}`],
  ]);
  const proof = row.proof === null ? 'Nothing has proved yet that its snapshots can be restored.\n' : renderProof(terminal, row.proof, now);
  return `${job}\n${proof}\n${renderRuns(terminal, runs, { now, full: false })}`;
}

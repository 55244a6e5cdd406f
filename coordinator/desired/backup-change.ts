import { backupLevels, formatDump, type Backup } from '../../shared/model/backup.js';
import type { Change, FieldChange } from '../../shared/model/change.js';

/** The fields of a job in the order in which plans show them, as people read them; `nameOf` names a host. */
function fieldsOf(backup: Backup, nameOf: (hostId: string) => string): readonly (readonly [string, string])[] {
  const { schedule, drill } = backup;
  const yes = (flag: boolean): string => (flag ? 'yes' : 'no');
  return [
    ['source', nameOf(backup.source)],
    ['folders', backup.folders.join(' ')],
    ['dumps', backup.dumps.map(formatDump).join(' ')],
    ['destination', nameOf(backup.destination)],
    ['folder', backup.folder],
    ['excludes', backup.excludes.join(' ')],
    ['system folders', yes(backup.systemFolders)],
    ['schedule', schedule === undefined ? 'never' : `${schedule.cron === '' ? 'by the retention' : schedule.cron}, within ${String(schedule.windowMinutes)} minutes`],
    ['retention', backupLevels.map((level) => `${level} ${String(backup.retention[level])}`).join(', ')],
    ['bandwidth', backup.bandwidthKib === 0 ? '' : `${String(backup.bandwidthKib)} KiB/s`],
    ['time limit', `${String(backup.timeLimitMinutes)} minutes`],
    ['active', yes(backup.active)],
    ['shrink', `${String(backup.shrinkPercent)} %`],
    ['verify', `every ${String(backup.verifyDays)} days`],
    ['drill', drill === undefined ? '' : `${nameOf(drill.host)}:${drill.folder}, every ${String(drill.everyDays)} days`],
  ];
}

/** What changes when a job becomes another one; undefined: nothing. One that is new has no `before`, one that goes no `after`. */
export function backupChange(before: Backup | undefined, after: Backup | undefined, nameOf: (hostId: string) => string): Change | undefined {
  const subject = after?.name ?? before?.name ?? '';
  if (after === undefined) return { kind: 'remove', noun: 'backup', subject, fields: [] };
  const was = before === undefined ? [] : fieldsOf(before, nameOf);
  const fields: FieldChange[] = fieldsOf(after, nameOf).flatMap(([field, to], index) => {
    const from = was[index]?.[1] ?? '';
    return from === to ? [] : [{ field, from, to }];
  });
  if (before !== undefined && fields.length === 0) return undefined;
  return { kind: before === undefined ? 'create' : 'update', noun: 'backup', subject, fields };
}

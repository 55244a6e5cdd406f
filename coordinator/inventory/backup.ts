import { reeveError } from '../../shared/errors/error.js';
import type { Backup, BackupDump } from '../../shared/model/backup.js';
import { mostRuns, type BackupJob, type BackupSize } from '../desired/backup.js';
import type { Database } from './database.js';
import { getHost } from './host.js';

interface Sql {
  id: string;
  name: string;
  source_id: string;
  destination_id: string;
  folders: string;
  folder: string;
  excludes: string;
  system_folders: number;
  cron: string | null;
  window_minutes: number | null;
  hourly: number;
  daily: number;
  weekly: number;
  monthly: number;
  bandwidth_kib: number;
  time_limit_minutes: number;
  dumps: string;
  active: number;
  shrink_percent: number;
  verify_days: number;
  drill_host_id: string | null;
  drill_folder: string | null;
  drill_days: number | null;
  frozen_at_ms: number | null;
  frozen_reason: string;
  baseline_files: number | null;
  baseline_bytes: number | null;
  by: string;
  added_at_ms: number;
}

/** Columns that a command sets, in the order of the table. */
const edited = [
  'source_id', 'destination_id', 'folders', 'folder', 'excludes', 'system_folders', 'cron', 'window_minutes', 'hourly', 'daily', 'weekly', 'monthly', 'bandwidth_kib', 'time_limit_minutes', 'dumps',
  'active', 'shrink_percent', 'verify_days', 'drill_host_id', 'drill_folder', 'drill_days',
] as const;

function fromSql(row: Sql): BackupJob {
  const { drill_host_id: host, drill_folder: folder, drill_days: days } = row;
  return {
    id: row.id,
    backup: {
      name: row.name,
      source: row.source_id,
      folders: JSON.parse(row.folders) as string[],
      destination: row.destination_id,
      folder: row.folder,
      excludes: JSON.parse(row.excludes) as string[],
      systemFolders: row.system_folders === 1,
      schedule: row.cron === null ? undefined : { cron: row.cron, windowMinutes: row.window_minutes ?? 0 },
      retention: { hourly: row.hourly, daily: row.daily, weekly: row.weekly, monthly: row.monthly },
      bandwidthKib: row.bandwidth_kib,
      timeLimitMinutes: row.time_limit_minutes,
      dumps: JSON.parse(row.dumps) as BackupDump[],
      active: row.active === 1,
      shrinkPercent: row.shrink_percent,
      verifyDays: row.verify_days,
      drill: host === null || folder === null || days === null ? undefined : { host, folder, everyDays: days },
    },
    frozen: row.frozen_at_ms === null ? undefined : { atMs: row.frozen_at_ms, reason: row.frozen_reason },
    baseline: row.baseline_files === null || row.baseline_bytes === null ? undefined : { files: row.baseline_files, bytes: row.baseline_bytes },
    by: row.by,
    addedAtMs: row.added_at_ms,
  };
}

function toSql(backup: Backup): Record<(typeof edited)[number], string | number | null> {
  const { schedule, drill, retention } = backup;
  return {
    source_id: backup.source,
    destination_id: backup.destination,
    folders: JSON.stringify(backup.folders),
    folder: backup.folder,
    excludes: JSON.stringify(backup.excludes),
    system_folders: backup.systemFolders ? 1 : 0,
    cron: schedule?.cron ?? null,
    window_minutes: schedule?.windowMinutes ?? null,
    ...retention,
    bandwidth_kib: backup.bandwidthKib,
    time_limit_minutes: backup.timeLimitMinutes,
    dumps: JSON.stringify(backup.dumps.map(({ engine, database }) => ({ engine, database }))),
    active: backup.active ? 1 : 0,
    shrink_percent: backup.shrinkPercent,
    verify_days: backup.verifyDays,
    drill_host_id: drill?.host ?? null,
    drill_folder: drill?.folder ?? null,
    drill_days: drill?.everyDays ?? null,
  };
}

/** All jobs, by name. */
export function listBackups(db: Database): BackupJob[] {
  return (db.prepare('SELECT * FROM backup ORDER BY name').all() as Sql[]).map(fromSql);
}

/** A job by its name; undefined: there is none. */
export function findBackup(db: Database, name: string): BackupJob | undefined {
  const row = db.prepare('SELECT * FROM backup WHERE name = ?').get(name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** A job by its id; undefined: there is none. */
export function getBackup(db: Database, id: string): BackupJob | undefined {
  const row = db.prepare('SELECT * FROM backup WHERE id = ?').get(id) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Adds a job; its hosts are ids. Errors: BACKUP_EXISTS, BACKUP_FOLDER (another job keeps its snapshots there). */
export function addBackup(db: Database, job: Pick<BackupJob, 'id' | 'backup' | 'by' | 'addedAtMs'>): void {
  if (findBackup(db, job.backup.name) !== undefined) throw reeveError('BACKUP_EXISTS', { value: job.backup.name });
  requirePlace(db, job);
  const columns = ['id', 'name', ...edited, 'by', 'added_at_ms'];
  db.prepare(`INSERT INTO backup (${columns.join(', ')}) VALUES (${columns.map((column) => `@${column}`).join(', ')})`).run({
    id: job.id, name: job.backup.name, by: job.by, added_at_ms: job.addedAtMs, ...toSql(job.backup),
  });
}

/** Makes a job another one; name and id stay. Errors: BACKUP_FOLDER. */
export function setBackup(db: Database, id: string, backup: Backup): void {
  requirePlace(db, { id, backup });
  db.prepare(`UPDATE backup SET ${edited.map((column) => `${column} = @${column}`).join(', ')} WHERE id = @id`).run({ id, ...toSql(backup) });
}

/** Takes a job away with its runs and proofs. */
export function removeBackup(db: Database, id: string): void {
  db.prepare('DELETE FROM backup WHERE id = ?').run(id);
}

/** One folder keeps the snapshots of one job, and none below or above it. */
function requirePlace(db: Database, { id, backup }: Pick<BackupJob, 'id' | 'backup'>): void {
  const { destination, folder } = backup;
  const others = db.prepare('SELECT name, folder FROM backup WHERE destination_id = ? AND id <> ?').all(destination, id) as { name: string; folder: string }[];
  const taken = others.find((other) => other.folder === folder || other.folder.startsWith(`${folder}/`) || folder.startsWith(`${other.folder}/`));
  if (taken === undefined) return;
  const rule = `job "${taken.name}" keeps its snapshots in "${taken.folder}"`;
  throw reeveError('BACKUP_FOLDER', { value: folder, host: getHost(db, destination)?.name ?? destination, rule, remedy: 'Name a folder of its own.' });
}

/** Nothing of a job is rotated until that is taken back. One that is frozen stays so. */
export function freezeBackup(db: Database, id: string, frozen: { readonly atMs: number; readonly reason: string }): void {
  db.prepare('UPDATE backup SET frozen_at_ms = ?, frozen_reason = ? WHERE id = ? AND frozen_at_ms IS NULL').run(frozen.atMs, frozen.reason.slice(0, mostRuns.reason), id);
}

/** A job is rotated again, and its next run says what is usual. */
export function thawBackup(db: Database, id: string): void {
  db.prepare(`UPDATE backup SET frozen_at_ms = NULL, frozen_reason = '', baseline_files = NULL, baseline_bytes = NULL WHERE id = ?`).run(id);
}

/** Notes what is usual for a job. */
export function setBaseline(db: Database, id: string, { files, bytes }: BackupSize): void {
  db.prepare('UPDATE backup SET baseline_files = ?, baseline_bytes = ? WHERE id = ?').run(files, bytes, id);
}

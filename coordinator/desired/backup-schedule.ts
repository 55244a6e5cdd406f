import { backupLevels, type Backup, type BackupLevel } from '../../shared/model/backup.js';
import { nextCron } from './backup-cron.js';

/** When a job runs of which only the retention says how often: as often as its finest level. */
const usual: Readonly<Record<BackupLevel, string>> = { hourly: '0 * * * *', daily: '0 0 * * *', weekly: '0 0 * * 1', monthly: '0 0 1 * *' };

/** The line of crontab(5) by which a job runs; undefined: it never runs by itself. */
export function cronOf({ schedule, retention }: Pick<Backup, 'schedule' | 'retention'>): string | undefined {
  if (schedule === undefined) return undefined;
  if (schedule.cron !== '') return schedule.cron;
  return usual[backupLevels.find((level) => retention[level] > 0) ?? 'daily'];
}

/** By how much the starts of a job are moved, ms: within its window, by its name (FNV-1a), so that it is always the same. */
export function startOffsetMs({ name, schedule }: Pick<Backup, 'name' | 'schedule'>): number {
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return (hash % ((schedule?.windowMinutes ?? 0) + 1)) * 60_000;
}

/** The first start of a job by its schedule that is later than `afterMs`, unix ms; undefined: there is none. */
export function nextStart(backup: Pick<Backup, 'name' | 'schedule' | 'retention'>, afterMs: number): number | undefined {
  const cron = cronOf(backup);
  if (cron === undefined) return undefined;
  const offset = startOffsetMs(backup);
  const next = nextCron(cron, afterMs - offset);
  return next === undefined ? undefined : next + offset;
}

/**
 * When a job is due that began last at `lastMs` (or was added then): a start that was missed is in the past, and however many were missed, it is one. undefined: never.
 */
export function dueAt(backup: Backup, lastMs: number): number | undefined {
  return backup.active ? nextStart(backup, lastMs) : undefined;
}

/** From when on a job is late whose last good run began at `lastMs`: two starts by its schedule and its window later. undefined: never. */
export function lateAt(backup: Backup, lastMs: number): number | undefined {
  const first = nextStart(backup, lastMs);
  const second = first === undefined ? undefined : nextStart(backup, first);
  return second === undefined ? undefined : second + (backup.schedule?.windowMinutes ?? 0) * 60_000;
}

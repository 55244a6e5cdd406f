import { backupLevels, type BackupLevel } from '../../shared/model/backup.js';
import { formatUtc } from '../../shared/model/time.js';
import type { Cause } from './alert.js';
import type { BackupRun } from './backup.js';
import type { BackupFacts } from './backup-health.js';
import { backupProblem } from './backup-problem.js';

/** What is known of a job. */
export interface FedBackup {
  readonly facts: BackupFacts;
  /** The newest run of kind backup, however it stands; undefined: there was none. */
  readonly last: BackupRun | undefined;
}

const hourMs = 3_600_000;

/** How far apart the snapshots of a level are, ms. */
const periodMs: Readonly<Record<BackupLevel, number>> = { hourly: hourMs, daily: 24 * hourMs, weekly: 7 * 24 * hourMs, monthly: 31 * 24 * hourMs };

const kinds = { BACKUP_FROZEN: 'backup-frozen', BACKUP_FAILED: 'backup-failed', BACKUP_LATE: 'backup-late', BACKUP_UNPROVEN: 'backup-proof' } as const;

/**
 * What is wrong with backups, as the job's own health has it. A late job of which nothing began since it should have did not start. A level coarser than the finest is a cause of
 * its own when it has no good run for twice its time: what was told of the hours grows to a day, and to a week.
 */
export function backupCauses(backups: readonly FedBackup[], now: number): Cause[] {
  return backups.flatMap(({ facts, last }) => {
    const problem = backupProblem(facts, now);
    if (problem === undefined) return [];
    const { backup } = facts.job;
    const cause = { hostId: backup.source, subject: backup.name, severity: problem.severity, title: problem.title, text: problem.text, sinceMs: problem.since, folded: [] };
    if (problem.code === 'BACKUP_LATE' && !hasBegun(facts, last)) {
      const text = `nothing began since then; ${problem.text}`;
      return [{ ...cause, kind: 'backup-not-started' as const, title: `backup ${backup.name} did not start`, text }, ...levelCauses(facts, now)];
    }
    const levels = problem.code === 'BACKUP_LATE' || problem.code === 'BACKUP_FAILED' ? levelCauses(facts, now) : [];
    return [{ ...cause, kind: kinds[problem.code] }, ...levels];
  });
}

/** Whether something of a late job began after its last good run: then it is late, and not left undone. */
function hasBegun({ good, job }: BackupFacts, last: BackupRun | undefined): boolean {
  return last !== undefined && last.startedAtMs > (good?.startedAtMs ?? job.addedAtMs);
}

function levelCauses({ job, good }: BackupFacts, now: number): Cause[] {
  const { backup } = job;
  const from = good?.startedAtMs ?? job.addedAtMs;
  const kept = backupLevels.filter((level) => backup.retention[level] > 0).sort((a, b) => periodMs[a] - periodMs[b]);
  return kept.slice(1).flatMap((level) => {
    const lateMs = from + 2 * periodMs[level];
    if (now <= lateMs) return [];
    return {
      kind: 'backup-late',
      hostId: backup.source,
      subject: `${backup.name} ${level}`,
      severity: 'error',
      title: `backup ${backup.name} has no good ${level} run`,
      text: `${good === undefined ? 'there was no good run yet' : `the last good run began ${formatUtc(good.startedAtMs)}`}; see: reeve backup show ${backup.name}`,
      sinceMs: lateMs,
      folded: [],
    };
  });
}

import { backupHealth, type BackupFacts } from './backup-health.js';
import { lateAt } from './backup-schedule.js';

/** Something of a job that people have to know. */
export interface BackupProblem {
  readonly code: 'BACKUP_FROZEN' | 'BACKUP_FAILED' | 'BACKUP_LATE' | 'BACKUP_UNPROVEN';
  readonly title: string;
  readonly severity: 'warning' | 'error';
  readonly text: string;
  /** Unix ms. */
  readonly since: number;
}

/** What is wrong with a job; undefined: nothing, or it is not to run by itself. */
export function backupProblem(facts: BackupFacts, now: number): BackupProblem | undefined {
  const { job, ended, good, proof } = facts;
  const { health, reason } = backupHealth(facts, now);
  const { name } = job.backup;
  switch (health) {
    case 'frozen':
      return { code: 'BACKUP_FROZEN', severity: 'error', title: `backup ${name} is not rotated`, text: `${reason}; when the source is right: reeve backup set ${name} --thaw`, since: job.frozen?.atMs ?? now };
    case 'failed':
      return { code: 'BACKUP_FAILED', severity: 'error', title: `backup ${name} failed`, text: `${reason}; see: reeve backup log ${name}`, since: ended?.endedAtMs ?? now };
    case 'late':
      return { code: 'BACKUP_LATE', severity: 'error', title: `backup ${name} is late`, text: `${reason}; see: reeve backup show ${name}`, since: lateAt(job.backup, good?.startedAtMs ?? job.addedAtMs) ?? now };
    case 'unproven':
      return { code: 'BACKUP_UNPROVEN', severity: proof?.ok === false ? 'error' : 'warning', title: `backup ${name} is not proved`, text: `${reason}; to prove it: reeve backup verify ${name}`, since: proof?.atMs ?? good?.endedAtMs ?? now };
    case 'good':
    case 'new':
    case 'inactive':
      return undefined;
  }
}

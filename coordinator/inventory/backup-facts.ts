import type { BackupJob } from '../desired/backup.js';
import type { BackupFacts } from '../desired/backup-health.js';
import { lastProof } from './backup-proof.js';
import { lastRun } from './backup-run.js';
import type { Database } from './database.js';

/** What the inventory knows of how a job does. */
export function backupFacts(db: Database, job: BackupJob): BackupFacts {
  return {
    job,
    ended: lastRun(db, job.id, { kind: 'backup', states: ['done', 'failed', 'unknown'] }),
    good: lastRun(db, job.id, { kind: 'backup', states: ['done'] }),
    proof: lastProof(db, job.id),
  };
}

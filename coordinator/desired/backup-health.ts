import { formatUtc } from '../../shared/model/time.js';
import type { BackupHealth, BackupJob, BackupProof, BackupRun } from './backup.js';
import { lateAt } from './backup-schedule.js';

/** What is known of a job. */
export interface BackupFacts {
  readonly job: BackupJob;
  /** The last run of kind backup that ended and was not cancelled. */
  readonly ended: BackupRun | undefined;
  /** The last one that was good. */
  readonly good: BackupRun | undefined;
  readonly proof: BackupProof | undefined;
}

const dayMs = 86_400_000;

/** Whether a job has to be proved anew: it never was, or that is too long ago. A proof that failed is not repeated by itself before that. */
export function isProofDue({ job, proof }: Pick<BackupFacts, 'job' | 'proof'>, now: number): boolean {
  return proof === undefined || now - proof.atMs > job.backup.verifyDays * dayMs;
}

/** How a job does, and why it is not good. */
export function backupHealth(facts: BackupFacts, now: number): { readonly health: BackupHealth; readonly reason: string } {
  const { job, ended, good, proof } = facts;
  const { backup, frozen } = job;
  if (!backup.active) return { health: 'inactive', reason: 'it only runs by command' };
  if (frozen !== undefined) return { health: 'frozen', reason: frozen.reason };
  const late = lateAt(backup, good?.startedAtMs ?? job.addedAtMs);
  const since = good === undefined ? 'there was no good run yet' : `the last good run began ${formatUtc(good.startedAtMs)}`;
  if (ended !== undefined && ended.state !== 'done') {
    const what = ended.state === 'unknown' ? 'how the last run ended is not known yet' : 'the last run failed';
    return { health: 'failed', reason: `${what}${ended.reason === '' ? '' : `: ${ended.reason}`}; ${since}` };
  }
  if (late !== undefined && now > late) return { health: 'late', reason: since };
  if (good === undefined) return { health: 'new', reason: 'it has not run yet' };
  if (proof === undefined) return { health: 'unproven', reason: 'it was never proved that it can be restored' };
  if (!proof.ok) return { health: 'unproven', reason: `what was proved ${formatUtc(proof.atMs)} is not as it is on the source` };
  if (isProofDue(facts, now)) return { health: 'unproven', reason: `it was last proved ${formatUtc(proof.atMs)} that it can be restored` };
  return { health: 'good', reason: '' };
}

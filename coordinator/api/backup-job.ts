import { reeveError } from '../../shared/errors/error.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { parseBackup, parseBackupName, type Backup, type WireBackup } from '../../shared/model/backup.js';
import type { BackupJob } from '../desired/backup.js';
import { findBackup, listBackups } from '../inventory/backup.js';
import type { Database } from '../inventory/database.js';
import { changeableHost, inScope, listedHosts, type Scoped } from './select.js';

/** Whether a job exists for a caller: both of its hosts do. */
function isVisible(db: Database, caller: Scoped, { backup }: BackupJob): boolean {
  return inScope(db, caller, backup.source) && inScope(db, caller, backup.destination);
}

/** The job that a person names. Errors: BACKUP_UNKNOWN, FIELD_*. */
export function jobFor(db: Database, caller: Scoped, text: string): BackupJob {
  const name = parseBackupName('backup', text);
  const job = findBackup(db, name);
  if (job === undefined || !isVisible(db, caller, job)) throw reeveError('BACKUP_UNKNOWN', { value: name });
  return job;
}

/** The jobs of which a host is selected, by name. Errors: SELECTOR_*, HOST_UNKNOWN. */
export function jobsFor(db: Database, caller: Scoped, selector: string): BackupJob[] {
  const ids = new Set(listedHosts(db, caller, selector).map(({ id }) => id));
  return listBackups(db).filter((job) => isVisible(db, caller, job) && (ids.has(job.backup.source) || ids.has(job.backup.destination)));
}

/** Most of folders and patterns, bytes: they are in each grant, which is at most 48 KiB. */
const mostGrantedBytes = 40_000;

/** A job from the wire, with the ids of its hosts. Errors: FIELD_*, HOST_UNKNOWN, HOST_REVOKED. */
export function parseJob(db: Database, caller: Scoped, wire: WireBackup | null): Backup {
  if (wire === null) throw fieldMissing('backup', 'the job');
  const backup = parseBackup(wire);
  const bytes = Buffer.byteLength(JSON.stringify([backup.folders, backup.excludes]));
  if (bytes > mostGrantedBytes) throw fieldInvalid('exclude', `${String(bytes)} bytes`, `at most ${String(mostGrantedBytes)} bytes of folders and patterns`);
  const source = changeableHost(db, caller, backup.source);
  const destination = changeableHost(db, caller, backup.destination);
  if (source.id === destination.id) throw fieldInvalid('destination', destination.name, 'another host than the source');
  const { drill } = backup;
  const drilled = drill === undefined ? undefined : changeableHost(db, caller, drill.host);
  if (drilled?.id === destination.id) throw fieldInvalid('drill host', drilled.name, 'another host than the destination');
  return { ...backup, source: source.id, destination: destination.id, drill: drill === undefined || drilled === undefined ? undefined : { ...drill, host: drilled.id } };
}

import { addAudit } from './audit.js';
import type { Database } from './database.js';

/** A host is out for ever: jobs from it or to it go, and drills on it; each with an audit record, because their snapshots stay where they are. */
export function forgetBackups(db: Database, hostId: string, now: number): void {
  const jobs = db.prepare('SELECT id, name, folder FROM backup WHERE source_id = @hostId OR destination_id = @hostId ORDER BY name').all({ hostId }) as { id: string; name: string; folder: string }[];
  const entry = { timeMs: now, principal: 'reeved', phase: 'ok', operationId: '', code: '' } as const;
  for (const { id, name, folder } of jobs) {
    db.prepare('DELETE FROM backup WHERE id = ?').run(id);
    addAudit(db, { ...entry, action: `backup remove ${name}: a host of it was taken out; its snapshots stay in ${folder}`, arguments: JSON.stringify({ job: id, host: hostId }) });
  }
  const drills = db.prepare('SELECT id, name FROM backup WHERE drill_host_id = ? ORDER BY name').all(hostId) as { id: string; name: string }[];
  for (const { id, name } of drills) {
    db.prepare('UPDATE backup SET drill_host_id = NULL, drill_folder = NULL, drill_days = NULL WHERE id = ?').run(id);
    addAudit(db, { ...entry, action: `backup set ${name}: the host of its drills was taken out`, arguments: JSON.stringify({ job: id, host: hostId }) });
  }
}

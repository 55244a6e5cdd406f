import type { Database } from './database.js';

/** A host let go of its certificates, or is out for ever: nothing is wanted of them any more. */
export function forgetCerts(db: Database, hostId: string): void {
  db.prepare('DELETE FROM cert WHERE host_id = ?').run(hostId);
}

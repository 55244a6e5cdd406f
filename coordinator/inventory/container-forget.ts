import type { Database } from './database.js';

/** A host let go of its containers, or is out for ever: nothing is wanted of them any more. */
export function forgetContainers(db: Database, hostId: string): void {
  db.prepare('DELETE FROM container WHERE host_id = ?').run(hostId);
}

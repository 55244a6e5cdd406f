import type { Database } from './database.js';

/** A host let go of its sites, or is out for ever: nothing is wanted of them any more. */
export function forgetVhosts(db: Database, hostId: string): void {
  for (const table of ['vhost_listen', 'vhost_port', 'vhost']) db.prepare(`DELETE FROM ${table} WHERE host_id = ?`).run(hostId);
}

import type { Database } from './database.js';

/** A host let go of its forwards, or is out for ever: nothing is wanted of them any more. */
export function forgetNat(db: Database, hostId: string): void {
  for (const table of ['nat_forward', 'nat_masquerade']) db.prepare(`DELETE FROM ${table} WHERE host_id = ?`).run(hostId);
}

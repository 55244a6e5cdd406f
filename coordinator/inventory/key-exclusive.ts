import type { Database } from './database.js';

/** Sets whether sshd reads only the managed file of a user that is in the inventory; false when it is so. */
export function setExclusive(db: Database, hostId: string, user: string, exclusive: boolean): boolean {
  const sql = exclusive ? 'INSERT INTO key_exclusive VALUES (?, ?) ON CONFLICT DO NOTHING' : 'DELETE FROM key_exclusive WHERE host_id = ? AND user = ?';
  return db.prepare(sql).run(hostId, user).changes > 0;
}

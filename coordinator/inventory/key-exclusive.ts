import type { Database } from './database.js';

/** The users of a host whose own key files sshd does not read any more (their keys were adopted), sorted. */
export function exclusiveUsersOf(db: Database, hostId: string): string[] {
  return db.prepare('SELECT user FROM key_exclusive WHERE host_id = ? ORDER BY user').pluck().all(hostId) as string[];
}

/** Sets whether sshd reads only the managed file of a user that is in the inventory; false when it is so. */
export function setExclusive(db: Database, hostId: string, user: string, exclusive: boolean): boolean {
  const sql = exclusive ? 'INSERT INTO key_exclusive VALUES (?, ?) ON CONFLICT DO NOTHING' : 'DELETE FROM key_exclusive WHERE host_id = ? AND user = ?';
  return db.prepare(sql).run(hostId, user).changes > 0;
}

import { closeSpans } from './access-span.js';
import type { Database } from './database.js';

/**
 * A host let go of its keys: nothing is wanted of them any more, and grants to whole labels or to all hosts do not manage them again until an operator names
 * the host. The keys that its users hold to log in elsewhere stay. Repeatable.
 */
export function forgetKeys(db: Database, hostId: string, now: number): void {
  for (const table of ['access_grant', 'host_owner', 'break_glass', 'key_exclusive', 'key_removed']) db.prepare(`DELETE FROM ${table} WHERE host_id = ?`).run(hostId);
  closeSpans(db, hostId, now);
  db.prepare(
    `INSERT INTO key_list (host_id, content, resolved_at_ms, released) VALUES (?, NULL, ?, 1)
     ON CONFLICT DO UPDATE SET content = NULL, resolved_at_ms = excluded.resolved_at_ms, due_at_ms = NULL, forced = 0, released = 1`,
  ).run(hostId, now);
}

/** A host is out for ever: also the keys that its users held, and its memberships, are gone. Hosts that those let into are to be raised. */
export function retireKeys(db: Database, hostId: string, now: number): void {
  forgetKeys(db, hostId, now);
  for (const table of ['key_list', 'group_member', 'ssh_key']) db.prepare(`DELETE FROM ${table} WHERE host_id = ?`).run(hostId);
}

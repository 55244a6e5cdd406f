import type { Database } from './database.js';

/** The owners of a host, who may log in to all its managed users, sorted by name. */
export function ownersOf(db: Database, hostId: string): string[] {
  return db.prepare('SELECT person FROM host_owner WHERE host_id = ? ORDER BY person').pluck().all(hostId) as string[];
}

/** Ids of the hosts that a person owns. */
export function hostsOwnedBy(db: Database, person: string): string[] {
  return db.prepare('SELECT host_id FROM host_owner WHERE person = ? ORDER BY host_id').pluck().all(person) as string[];
}

/** Makes a person an owner of a host; false when it is one. */
export function addOwner(db: Database, hostId: string, person: string, now: number): boolean {
  return db.prepare('INSERT INTO host_owner VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(hostId, person, now).changes > 0;
}

/** A person is no owner of a host any more; false when it was none. */
export function removeOwner(db: Database, hostId: string, person: string): boolean {
  return db.prepare('DELETE FROM host_owner WHERE host_id = ? AND person = ?').run(hostId, person).changes > 0;
}

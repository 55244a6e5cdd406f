import type { EffectiveKey } from '../desired/key.js';
import type { Database } from './database.js';
import { keysAt } from './key-source.js';
import { touchedHosts } from './key-touched.js';

/** That a key lets into a user of a host now, and all ways by which it does. */
export interface Access extends EffectiveKey {
  readonly hostId: string;
  readonly user: string;
}

/** Who can log in to hosts now, as the inventory says: by host, user and place in the key file. `user`: only there. */
export function accessOf(db: Database, of: { readonly hostIds: readonly string[]; readonly user?: string }, now: number): Access[] {
  const index = keysAt(db, of.hostIds, now);
  return of.hostIds.flatMap((hostId) =>
    index.host(hostId).users.filter(({ user }) => of.user === undefined || user === of.user).flatMap(({ user, keys }) => keys.map((key) => ({ ...key, hostId, user }))),
  );
}

/** Where a person can log in now. */
export function accessOfPerson(db: Database, person: string, now: number): Access[] {
  const hostIds = touchedHosts(db, { kind: 'person', name: person });
  return accessOf(db, { hostIds }, now).filter(({ row }) => row.owner.kind === 'person' && row.owner.name === person);
}

/** A host that has not acknowledged what it is to be told of its keys. */
export interface OwingHost {
  readonly hostId: string;
  readonly name: string;
  readonly wanted: number;
  readonly applied: number;
  /** Why; may be empty. */
  readonly reason: string;
  /** Unix ms since when it owes. */
  readonly sinceMs: number;
}

/** Which of these hosts have not acknowledged their newest keys, by name. A revoked one never will. */
export function hostsOwing(db: Database, hostIds: readonly string[]): OwingHost[] {
  return db
    .prepare(
      `SELECT host.id AS hostId, host.name, wanted, applied, reason, since_ms AS sinceMs FROM json_each(?) AS asked JOIN host ON host.id = asked.value
       JOIN generation ON generation.host_id = host.id AND noun = 'key' WHERE applied < wanted AND state <> 'retired' ORDER BY host.name`,
    )
    .all(JSON.stringify([...new Set(hostIds)])) as OwingHost[];
}

/** Ids of the hosts that were told to let a holder in (a person's name, or `USER@HOST-ID`) and were not told otherwise since. */
export function hostsToldOf(db: Database, owner: string): string[] {
  return db
    .prepare(
      `SELECT DISTINCT host_id FROM access_key CROSS JOIN access_span ON access_span.key = access_key.id CROSS JOIN access_place ON access_place.id = place
       WHERE owner = ? AND closed_at_ms IS NULL ORDER BY host_id`,
    )
    .pluck()
    .all(owner) as string[];
}

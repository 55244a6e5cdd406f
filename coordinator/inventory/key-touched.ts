import type { Label } from '../../shared/model/label.js';
import type { Database } from './database.js';
import { raiseGeneration } from './generation.js';
import { storeKeys, type KeyChange } from './key-list.js';
import { keysAt } from './key-source.js';

/** What a change is about. */
export type KeySubject =
  | { readonly kind: 'person'; readonly name: string }
  | { readonly kind: 'key'; readonly id: number }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'grant'; readonly id: number }
  /** A host itself: its users, labels, owners, name, state; and the hosts that the keys of its users let into. */
  | { readonly kind: 'host'; readonly hostId: string }
  /** A label, on whatever host it is. */
  | { readonly kind: 'label'; readonly label: Label };

/** The hosts that a set of grants is for: `granted (id)`. CROSS JOIN keeps the order: a few grants first, never all labels. */
const hostsOfGrants = `
  SELECT access_grant.host_id FROM granted CROSS JOIN access_grant USING (id) WHERE access_grant.host_id IS NOT NULL
  UNION SELECT host_label.host_id FROM granted CROSS JOIN access_grant USING (id) CROSS JOIN host_label ON host_label.key = label_key AND host_label.value = label_value
  UNION SELECT host.id FROM (SELECT 1 FROM granted CROSS JOIN access_grant USING (id) WHERE host_id IS NULL AND label_key IS NULL LIMIT 1) CROSS JOIN host`;

/** The grants by which keys let in: `held (id)`. */
const grantsOfKeys = `
  SELECT access_grant.id FROM held CROSS JOIN access_grant ON access_grant.key_id = held.id
  UNION SELECT access_grant.id FROM held CROSS JOIN group_member ON group_member.key_id = held.id CROSS JOIN access_grant USING (key_group)`;

const grantsOfPerson = `
  SELECT id FROM access_grant WHERE person = @name
  UNION SELECT access_grant.id FROM group_member CROSS JOIN access_grant USING (key_group) WHERE group_member.person = @name`;

const ownedBy = 'SELECT host_id FROM host_owner WHERE person = ';

const queries: Readonly<Record<KeySubject['kind'], string>> = {
  person: `WITH held (id) AS (SELECT id FROM ssh_key WHERE person = @name), granted (id) AS (${grantsOfPerson} UNION ${grantsOfKeys}) ${hostsOfGrants} UNION ${ownedBy}@name`,
  key: `WITH held (id) AS (SELECT @id), holder (name) AS (SELECT person FROM ssh_key WHERE id = @id),
    granted (id) AS (
      ${grantsOfKeys} UNION SELECT id FROM access_grant WHERE person = (SELECT name FROM holder)
      UNION SELECT access_grant.id FROM group_member CROSS JOIN access_grant USING (key_group) WHERE group_member.person = (SELECT name FROM holder)
      UNION SELECT access_grant.id FROM group_member CROSS JOIN access_grant USING (key_group) WHERE group_member.host_id = (SELECT host_id FROM ssh_key WHERE id = @id))
    ${hostsOfGrants} UNION ${ownedBy}(SELECT name FROM holder)`,
  group: `WITH granted (id) AS (SELECT id FROM access_grant WHERE key_group = @name) ${hostsOfGrants}`,
  grant: `WITH granted (id) AS (SELECT @id) ${hostsOfGrants}`,
  host: `WITH held (id) AS (SELECT id FROM ssh_key WHERE host_id = @hostId),
    granted (id) AS (${grantsOfKeys} UNION SELECT access_grant.id FROM group_member CROSS JOIN access_grant USING (key_group) WHERE group_member.host_id = @hostId)
    ${hostsOfGrants} UNION SELECT @hostId`,
  label: 'SELECT host_id FROM host_label WHERE key = @key AND value = @value',
};

/**
 * Ids of the hosts whose keys a change can alter. Nothing is left out because it has expired: it may still stand in what a host was told. To be asked before
 * something is taken away, and after something is added.
 */
export function touchedHosts(db: Database, of: KeySubject): string[] {
  const { kind, ...values } = of.kind === 'label' ? { kind: of.kind, ...of.label } : of;
  return db.prepare(queries[kind]).pluck().all(values) as string[];
}

/** Runs an edit and answers its result and the hosts whose keys it can alter: those of before and those of after. */
export function touching<T>(db: Database, of: readonly KeySubject[], edit: () => T): { readonly result: T; readonly hostIds: string[] } {
  const touched = (): string[] => of.flatMap((subject) => touchedHosts(db, subject));
  const before = touched();
  const result = edit();
  return { result, hostIds: [...new Set([...before, ...touched()])] };
}

/**
 * Resolves the keys of hosts anew and raises noun key of those that are to be told something else than they were; answers them. Hosts that are not of the
 * fleet, or that let go of their keys, are left alone. To be called in the transaction of whatever may have altered keys.
 */
export function raiseKeys(db: Database, hostIds: readonly string[], change: KeyChange): string[] {
  const kept = keptHosts(db, hostIds);
  if (kept.length === 0) return [];
  const index = keysAt(db, kept.map(({ id }) => id), change.now);
  const raised: string[] = [];
  for (const { id, wanted } of kept) {
    if (!storeKeys(db, index, { hostId: id, generation: wanted + 1 }, change)) continue;
    raiseGeneration(db, { hostId: id, noun: 'key', now: change.now, released: false });
    raised.push(id);
  }
  return raised;
}

/** Those that are invited or joined and not about to let go of their keys, with the generation of noun key. */
function keptHosts(db: Database, hostIds: readonly string[]): { id: string; wanted: number }[] {
  return db
    .prepare(
      `SELECT host.id, coalesce(generation.wanted, 0) AS wanted FROM json_each(?) AS asked JOIN host ON host.id = asked.value
       LEFT JOIN generation ON generation.host_id = host.id AND generation.noun = 'key'
       WHERE host.state IN ('invited', 'joined') AND coalesce(generation.released, 0) = 0
         AND NOT EXISTS (SELECT 1 FROM generation AS whole WHERE whole.host_id = host.id AND whole.noun = 'host')
       ORDER BY host.id`,
    )
    .all(JSON.stringify([...new Set(hostIds)])) as { id: string; wanted: number }[];
}

/** When the keys of some host next become others because something expires, unix ms; undefined: never. */
export function nextExpiry(db: Database): number | undefined {
  return (db.prepare('SELECT min(due_at_ms) FROM key_list WHERE due_at_ms IS NOT NULL').pluck().get() as number | null) ?? undefined;
}

/** Ids of the hosts whose keys have become others because something expired, and that were not told since. */
export function expiredHosts(db: Database, now: number): string[] {
  return db.prepare('SELECT host_id FROM key_list WHERE due_at_ms <= ?').pluck().all(now) as string[];
}

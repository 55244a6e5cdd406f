import type { User } from '../../shared/model/user.js';
import { indexKeys, type KeyIndex } from '../desired/key.js';
import type { KeyRows } from '../desired/key-row.js';
import type { Database } from './database.js';
import { grantFromSql, type GrantSql } from './grant.js';
import { memberFromSql, type MemberSql } from './group.js';
import { keyFromSql, selectKey, type KeySql } from './ssh-key.js';

/** From so many hosts on, reading everything is faster than looking up what these need. */
const manyHosts = 500;

/** The keys of hosts as they are at a moment, unix ms. */
export function keysAt(db: Database, hostIds: readonly string[], now: number): KeyIndex {
  return indexKeys(hostIds.length >= manyHosts ? readKeyRows(db) : readKeyRowsOf(db, hostIds), now);
}

/** What decides about keys, of the whole fleet, by reading the tables from end to end. */
export function readKeyRows(db: Database): KeyRows {
  const all = (sql: string): unknown[] => db.prepare(sql).all();
  const hosts = new Map((db.prepare(`SELECT id FROM host WHERE state <> 'retired'`).pluck().all() as string[]).map((id) => [id, { id, labels: [] as { key: string; value: string }[] }]));
  for (const { host_id, key, value } of all('SELECT host_id, key, value FROM host_label') as LabelSql[]) hosts.get(host_id)?.labels.push({ key, value });
  return {
    hosts: [...hosts.values()],
    users: all('SELECT host_id AS hostId, name, presence FROM user') as UserSql[],
    persons: (all('SELECT name, active, expires_at_ms FROM person') as PersonSql[]).map(personFromSql),
    keys: (all(selectKey) as KeySql[]).map(keyFromSql),
    members: (all('SELECT * FROM group_member') as MemberSql[]).map(memberFromSql),
    grants: (all('SELECT * FROM access_grant') as GrantSql[]).map(grantFromSql),
    owners: all('SELECT host_id AS hostId, person FROM host_owner') as OwnerSql[],
    breakGlass: all('SELECT host_id AS hostId, fingerprint FROM break_glass') as BreakGlassSql[],
    exclusive: all('SELECT host_id AS hostId, user FROM key_exclusive') as ExclusiveSql[],
  };
}

interface LabelSql {
  host_id: string;
  key: string;
  value: string;
}

interface PersonSql {
  name: string;
  active: number;
  expires_at_ms: number | null;
}

type UserSql = { hostId: string; name: string; presence: User['presence'] };
type OwnerSql = { hostId: string; person: string };
type BreakGlassSql = { hostId: string; fingerprint: string };
type ExclusiveSql = { hostId: string; user: string };

const personFromSql = (row: PersonSql): KeyRows['persons'][number] => ({ name: row.name, active: row.active === 1, expiresAtMs: row.expires_at_ms ?? undefined });

/** What decides about the keys of some hosts, by indexes: nothing else is read. */
export function readKeyRowsOf(db: Database, hostIds: readonly string[]): KeyRows {
  const ask = (sql: string, ...lists: (readonly (string | number)[])[]): unknown[] => db.prepare(sql.replaceAll('(?)', '(SELECT value FROM json_each(?))')).all(...lists.map((list) => JSON.stringify(list)));
  const hosts = new Map((ask(`SELECT id FROM host WHERE id IN (?) AND state <> 'retired'`, hostIds) as { id: string }[]).map(({ id }) => [id, { id, labels: [] as { key: string; value: string }[] }]));
  const ids = [...hosts.keys()];
  for (const { host_id, key, value } of ask('SELECT host_id, key, value FROM host_label WHERE host_id IN (?)', ids) as LabelSql[]) hosts.get(host_id)?.labels.push({ key, value });
  const owners = ask('SELECT host_id AS hostId, person FROM host_owner WHERE host_id IN (?)', ids) as OwnerSql[];
  const grants = (
    ask(
      `SELECT * FROM access_grant WHERE host_id IN (?)
       UNION ALL SELECT * FROM access_grant WHERE id IN (SELECT access_grant.id FROM host_label JOIN access_grant ON label_key = key AND label_value = value WHERE host_label.host_id IN (?))
       UNION ALL SELECT * FROM access_grant WHERE host_id IS NULL AND label_key IS NULL`,
      ids,
      ids,
    ) as GrantSql[]
  ).map(grantFromSql);
  const groups = new Set(grants.flatMap(({ subject }) => (subject.kind === 'group' ? [subject.name] : [])));
  const members = (ask('SELECT * FROM group_member WHERE key_group IN (?)', [...groups]) as MemberSql[]).map(memberFromSql);
  const subjects = [...members.map(({ member }) => member), ...grants.map(({ subject }) => subject), ...owners.map(({ person }) => ({ kind: 'person' as const, name: person }))];
  const keys = (
    ask(
      `${selectKey} WHERE ssh_key.id IN (SELECT id FROM ssh_key WHERE person IN (?) UNION SELECT id FROM ssh_key WHERE host_id IN (?) UNION SELECT id FROM ssh_key WHERE id IN (?))`,
      [...new Set(subjects.flatMap((subject) => (subject.kind === 'person' ? [subject.name] : [])))],
      [...new Set(subjects.flatMap((subject) => (subject.kind === 'host' ? [subject.hostId] : [])))],
      [...new Set(subjects.flatMap((subject) => (subject.kind === 'key' ? [subject.keyId] : [])))],
    ) as KeySql[]
  ).map(keyFromSql);
  const persons = new Set(keys.flatMap(({ owner }) => (owner.kind === 'person' ? [owner.name] : [])));
  return {
    hosts: [...hosts.values()],
    users: ask('SELECT host_id AS hostId, name, presence FROM user WHERE host_id IN (?)', ids) as UserSql[],
    persons: (ask('SELECT name, active, expires_at_ms FROM person WHERE name IN (?)', [...persons]) as PersonSql[]).map(personFromSql),
    keys, members, grants, owners,
    breakGlass: ask('SELECT host_id AS hostId, fingerprint FROM break_glass WHERE host_id IN (?)', ids) as BreakGlassSql[],
    exclusive: ask('SELECT host_id AS hostId, user FROM key_exclusive WHERE host_id IN (?)', ids) as ExclusiveSql[],
  };
}

import { reeveError } from '../../shared/errors/error.js';
import type { MemberRow } from '../desired/key-row.js';
import type { Database } from './database.js';

/** A group of persons, hosts (all keys that their users hold) and single keys. */
export interface GroupRow {
  /** As that of a person. */
  readonly name: string;
  /** For people, at most 200 characters. */
  readonly comment: string;
  readonly createdAtMs: number;
}

interface Sql {
  name: string;
  comment: string;
  created_at_ms: number;
}

/** Row of group_member. */
export interface MemberSql {
  key_group: string;
  person: string | null;
  host_id: string | null;
  key_id: number | null;
  expires_at_ms: number | null;
}

const fromSql = (row: Sql): GroupRow => ({ name: row.name, comment: row.comment, createdAtMs: row.created_at_ms });

/** A membership from its row. */
export function memberFromSql(row: MemberSql): MemberRow {
  const member: Member = row.person !== null ? { kind: 'person', name: row.person } : row.host_id !== null ? { kind: 'host', hostId: row.host_id } : { kind: 'key', keyId: row.key_id ?? 0 };
  return { group: row.key_group, member, expiresAtMs: row.expires_at_ms ?? undefined };
}

/** Who or what is in a group. */
export type Member = MemberRow['member'];

/** All groups, sorted by name. */
export function listGroups(db: Database): GroupRow[] {
  return (db.prepare('SELECT * FROM key_group ORDER BY name').all() as Sql[]).map(fromSql);
}

/** A group by name. Errors: GROUP_UNKNOWN. */
export function findGroup(db: Database, name: string): GroupRow {
  const row = db.prepare('SELECT * FROM key_group WHERE name = ?').get(name) as Sql | undefined;
  if (row === undefined) throw reeveError('GROUP_UNKNOWN', { value: name });
  return fromSql(row);
}

/** Adds an empty group. Errors: GROUP_EXISTS. */
export function addGroup(db: Database, group: { name: string; comment: string; now: number }): void {
  if (db.prepare('SELECT 1 FROM key_group WHERE name = ?').get(group.name) !== undefined) throw reeveError('GROUP_EXISTS', { value: group.name });
  db.prepare('INSERT INTO key_group VALUES (?, ?, ?)').run(group.name, group.comment, group.now);
}

/** Takes a group out, with its memberships and, when asked, its grants. Errors: GROUP_UNKNOWN, GROUP_USED. */
export function removeGroup(db: Database, name: string, options: { withGrants: boolean }): void {
  findGroup(db, name);
  const ids = db.prepare('SELECT id FROM access_grant WHERE key_group = ? ORDER BY id').pluck().all(name) as number[];
  if (ids.length > 0 && !options.withGrants) throw reeveError('GROUP_USED', { value: name, rule: `grants ${ids.join(', ')}` });
  db.prepare('DELETE FROM access_grant WHERE key_group = ?').run(name);
  db.prepare('DELETE FROM key_group WHERE name = ?').run(name);
}

/** The members of one group, or of all: persons by name, then hosts by id, then keys by number. */
export function listMembers(db: Database, group?: string): MemberRow[] {
  const rows = db.prepare(`SELECT * FROM group_member WHERE (@group IS NULL OR key_group = @group) ORDER BY key_group, person IS NULL, person, host_id IS NULL, host_id, key_id`).all({ group: group ?? null });
  return (rows as MemberSql[]).map(memberFromSql);
}

/** The groups that somebody or something is in. */
export function groupsOf(db: Database, member: Member): MemberRow[] {
  return (db.prepare(`SELECT * FROM group_member WHERE ${columnOf(member)} = ? ORDER BY key_group`).all(valueOf(member)) as MemberSql[]).map(memberFromSql);
}

/** Puts a member into a group until then (undefined: for ever); one that is in gets the new end. True when that is anything new. */
export function putMember(db: Database, row: MemberRow, now: number): boolean {
  const column = columnOf(row.member);
  const expires = row.expiresAtMs ?? null;
  const known = db.prepare(`SELECT * FROM group_member WHERE ${column} = ? AND key_group = ?`).get(valueOf(row.member), row.group) as MemberSql | undefined;
  if (known !== undefined && known.expires_at_ms === expires) return false;
  if (known === undefined) db.prepare(`INSERT INTO group_member (key_group, ${column}, expires_at_ms, added_at_ms) VALUES (?, ?, ?, ?)`).run(row.group, valueOf(row.member), expires, now);
  else db.prepare(`UPDATE group_member SET expires_at_ms = ? WHERE ${column} = ? AND key_group = ?`).run(expires, valueOf(row.member), row.group);
  return true;
}

/** Takes a member out of a group; false when it was not in. */
export function removeMember(db: Database, group: string, member: Member): boolean {
  return db.prepare(`DELETE FROM group_member WHERE ${columnOf(member)} = ? AND key_group = ?`).run(valueOf(member), group).changes > 0;
}

function columnOf(member: Member): 'person' | 'host_id' | 'key_id' {
  return member.kind === 'person' ? 'person' : member.kind === 'host' ? 'host_id' : 'key_id';
}

function valueOf(member: Member): string | number {
  return member.kind === 'person' ? member.name : member.kind === 'host' ? member.hostId : member.keyId;
}

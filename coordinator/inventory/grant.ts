import { reeveError } from '../../shared/errors/error.js';
import type { GrantRow as Effective } from '../desired/key-row.js';
import type { Database } from './database.js';

/** A grant as it is stored. */
export interface GrantRow extends Effective {
  readonly reason: string;
  /** The operator who made it. */
  readonly by: string;
  readonly createdAtMs: number;
}

/** Whom a grant lets in. */
export type GrantSubject = Effective['subject'];

/** Where a grant lets in. */
export type GrantTarget = Effective['target'];

/** Row of access_grant. */
export interface GrantSql {
  id: number;
  person: string | null;
  key_group: string | null;
  key_id: number | null;
  host_id: string | null;
  label_key: string | null;
  label_value: string | null;
  user: string | null;
  expires_at_ms: number | null;
  reason: string;
  by: string;
  created_at_ms: number;
}

/** A grant from its row. */
export function grantFromSql(row: GrantSql): GrantRow {
  const subject: GrantSubject = row.person !== null ? { kind: 'person', name: row.person } : row.key_group !== null ? { kind: 'group', name: row.key_group } : { kind: 'key', keyId: row.key_id ?? 0 };
  const target: GrantTarget =
    row.host_id !== null ? { kind: 'host', hostId: row.host_id } : row.label_key !== null ? { kind: 'label', label: { key: row.label_key, value: row.label_value ?? '' } } : { kind: 'all' };
  return { id: row.id, subject, target, user: row.user ?? undefined, expiresAtMs: row.expires_at_ms ?? undefined, reason: row.reason, by: row.by, createdAtMs: row.created_at_ms };
}

/** All grants, or those to one subject, or those whose target is exactly one host; sorted by number. */
export function listGrants(db: Database, of: { subject?: GrantSubject; hostId?: string } = {}): GrantRow[] {
  const { subject } = of;
  const where = [
    ...(subject === undefined ? [] : [`${{ person: 'person', group: 'key_group', key: 'key_id' }[subject.kind]} = @subject`]),
    ...(of.hostId === undefined ? [] : ['host_id = @hostId']),
  ];
  const rows = db
    .prepare(`SELECT * FROM access_grant ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY id`)
    .all({ subject: subject === undefined ? null : subject.kind === 'key' ? subject.keyId : subject.name, hostId: of.hostId ?? null });
  return (rows as GrantSql[]).map(grantFromSql);
}

/** A grant by number. Errors: GRANT_UNKNOWN. */
export function findGrant(db: Database, id: number): GrantRow {
  const row = db.prepare('SELECT * FROM access_grant WHERE id = ?').get(id) as GrantSql | undefined;
  if (row === undefined) throw reeveError('GRANT_UNKNOWN', { value: String(id) });
  return grantFromSql(row);
}

/** Adds a grant and answers its number, which is never used again. Errors: GRANT_EXISTS (one for the same subject, target and user). */
export function addGrant(db: Database, grant: Omit<GrantRow, 'id' | 'createdAtMs'> & { readonly now: number }): number {
  const { subject, target } = grant;
  const row = {
    person: subject.kind === 'person' ? subject.name : null,
    group: subject.kind === 'group' ? subject.name : null,
    keyId: subject.kind === 'key' ? subject.keyId : null,
    hostId: target.kind === 'host' ? target.hostId : null,
    labelKey: target.kind === 'label' ? target.label.key : null,
    labelValue: target.kind === 'label' ? target.label.value : null,
    user: grant.user ?? null,
  };
  const same = db
    .prepare(
      `SELECT id FROM access_grant WHERE coalesce(person, '') = coalesce(@person, '') AND coalesce(key_group, '') = coalesce(@group, '') AND coalesce(key_id, 0) = coalesce(@keyId, 0)
         AND coalesce(host_id, '') = coalesce(@hostId, '') AND coalesce(label_key, '') = coalesce(@labelKey, '') AND coalesce(label_value, '') = coalesce(@labelValue, '')
         AND coalesce(user, '') = coalesce(@user, '')`,
    )
    .pluck()
    .get(row) as number | undefined;
  if (same !== undefined) throw reeveError('GRANT_EXISTS', { value: String(same) });
  const result = db
    .prepare(
      `INSERT INTO access_grant (person, key_group, key_id, host_id, label_key, label_value, user, expires_at_ms, reason, by, created_at_ms)
       VALUES (@person, @group, @keyId, @hostId, @labelKey, @labelValue, @user, @expiresAtMs, @reason, @by, @now)`,
    )
    .run({ ...row, expiresAtMs: grant.expiresAtMs ?? null, reason: grant.reason, by: grant.by, now: grant.now });
  return Number(result.lastInsertRowid);
}

/** Alters the end or the reason of a grant; absent stays, null takes the end away. Errors: GRANT_UNKNOWN. */
export function setGrant(db: Database, id: number, edit: { readonly expiresAtMs?: number | null; readonly reason?: string }): GrantRow {
  const before = findGrant(db, id);
  const after = { ...before, reason: edit.reason ?? before.reason, expiresAtMs: edit.expiresAtMs === undefined ? before.expiresAtMs : (edit.expiresAtMs ?? undefined) };
  db.prepare('UPDATE access_grant SET expires_at_ms = ?, reason = ? WHERE id = ?').run(after.expiresAtMs ?? null, after.reason, id);
  return after;
}

/** Takes a grant away. Errors: GRANT_UNKNOWN. */
export function removeGrant(db: Database, id: number): void {
  if (db.prepare('DELETE FROM access_grant WHERE id = ?').run(id).changes === 0) throw reeveError('GRANT_UNKNOWN', { value: String(id) });
}

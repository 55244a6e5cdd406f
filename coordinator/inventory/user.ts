import { reeveError } from '../../shared/errors/error.js';
import type { Account, User } from '../../shared/model/user.js';
import type { Database } from './database.js';

/** A wanted user of a host. */
export interface UserRow {
  readonly hostId: string;
  readonly user: User;
  /** The generation of noun user at which this row was last altered. */
  readonly generation: number;
  /** Uid on the host as last seen; undefined: not seen yet. */
  readonly observedUid: number | undefined;
}

interface Sql {
  host_id: string;
  name: string;
  presence: User['presence'];
  kind: Account['kind'] | null;
  uid: number | null;
  shell: string | null;
  comment: string | null;
  groups: string | null;
  keep_home: number;
  generation: number;
  observed_uid: number | null;
}

function fromSql(row: Sql): UserRow {
  const base = { hostId: row.host_id, generation: row.generation, observedUid: row.observed_uid ?? undefined };
  if (row.presence === 'absent') return { ...base, user: { presence: 'absent', name: row.name, keepHome: row.keep_home === 1 } };
  if (row.presence === 'released') return { ...base, user: { presence: 'released', name: row.name } };
  const account: Account =
    row.kind === 'home' || row.kind === 'system'
      ? { kind: row.kind, uid: row.uid ?? undefined, shell: row.shell ?? '', comment: row.comment ?? '', groups: JSON.parse(row.groups ?? '[]') as string[] }
      : { kind: 'adopted' };
  return { ...base, user: { presence: row.presence, name: row.name, account } };
}

/** The wanted users of a host, also those to be removed, sorted by name. */
export function usersOf(db: Database, hostId: string): UserRow[] {
  return (db.prepare('SELECT * FROM user WHERE host_id = ? ORDER BY name').all(hostId) as Sql[]).map(fromSql);
}

/** The wanted users of all hosts, or those of one name, sorted by name, then host. */
export function listUsers(db: Database, name: string): UserRow[] {
  const rows = db
    .prepare('SELECT user.* FROM user JOIN host ON host.id = user.host_id WHERE (? = \'\' OR user.name = ?) ORDER BY user.name, host.name')
    .all(name, name) as Sql[];
  return rows.map(fromSql);
}

/** One wanted user of a host. */
export function getUser(db: Database, hostId: string, name: string): UserRow | undefined {
  const row = db.prepare('SELECT * FROM user WHERE host_id = ? AND name = ?').get(hostId, name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Stores a wanted user; an observed uid stays. Errors: USER_UID_CONFLICT. */
export function putUser(db: Database, hostId: string, user: User, generation: number): void {
  const account = user.presence === 'present' || user.presence === 'locked' ? user.account : undefined;
  const made = account === undefined || account.kind === 'adopted' ? undefined : account;
  if (made?.uid !== undefined) assertUidFree(db, hostId, user.name, made.uid);
  db.prepare(
    `INSERT INTO user (host_id, name, presence, kind, uid, shell, comment, groups, keep_home, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET presence = excluded.presence, kind = excluded.kind, uid = excluded.uid, shell = excluded.shell, comment = excluded.comment,
       groups = excluded.groups, keep_home = excluded.keep_home, generation = excluded.generation`,
  ).run(
    hostId,
    user.name,
    user.presence,
    account?.kind ?? null,
    made?.uid ?? null,
    made?.shell ?? null,
    made?.comment ?? null,
    made === undefined ? null : JSON.stringify(made.groups),
    user.presence === 'absent' && user.keepHome ? 1 : 0,
    generation,
  );
}

function assertUidFree(db: Database, hostId: string, name: string, uid: number): void {
  const owner = db
    .prepare(
      `SELECT user.name AS owner, host.name AS host FROM user JOIN host ON host.id = user.host_id
       WHERE host_id = ? AND (uid = ? OR observed_uid = ?) AND user.name <> ? AND presence IN ('present', 'locked')`,
    )
    .get(hostId, uid, uid, name) as { owner: string; host: string } | undefined;
  if (owner !== undefined) throw reeveError('USER_UID_CONFLICT', { value: String(uid), owner: owner.owner, host: owner.host });
}

/** A host applied a generation: rows that asked for removal or release by then are done; uids are noted. */
export function settleUsers(db: Database, hostId: string, generation: number, uids: ReadonlyMap<string, number>): void {
  db.prepare(`DELETE FROM user WHERE host_id = ? AND presence IN ('absent', 'released') AND generation <= ?`).run(hostId, generation);
  const note = db.prepare('UPDATE user SET observed_uid = ? WHERE host_id = ? AND name = ? AND observed_uid IS NOT ?');
  for (const [name, uid] of uids) note.run(uid, hostId, name, uid);
}

/** A host let go of its users: nothing is wanted of any of them any more. */
export function forgetUsers(db: Database, hostId: string): void {
  db.prepare('DELETE FROM user WHERE host_id = ?').run(hostId);
}

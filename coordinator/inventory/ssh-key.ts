import { reeveError } from '../../shared/errors/error.js';
import { sha256 } from '../../shared/kit/digest.js';
import { blobOf, keyFlags, type KeyFlag, type KeyType, type PublicKey } from '../../shared/model/key.js';
import type { KeyOwner, KeyRow } from '../desired/key-row.js';
import { addSpanKey } from './access-span.js';
import type { Database } from './database.js';

/** A key as it is to be stored. */
export interface NewKey {
  readonly key: PublicKey;
  /** As its holder wrote it; see parseKeyComment. */
  readonly comment: string;
  readonly owner: { readonly kind: 'person'; readonly name: string } | { readonly kind: 'user'; readonly hostId: string; readonly user: string };
  readonly flags: readonly KeyFlag[];
  /** Canonical, sorted. */
  readonly from: readonly string[];
  readonly expiresAtMs: number | undefined;
}

/** Row of ssh_key, with the name and state of the host of its owner. */
export interface KeySql {
  id: number;
  fingerprint: string;
  type: KeyType;
  base64: string;
  comment: string;
  person: string | null;
  host_id: string | null;
  user: string | null;
  flags: string;
  networks: string;
  expires_at_ms: number | null;
  host_name: string | null;
  host_state: string | null;
}

/** Reads rows as KeySql. */
export const selectKey = 'SELECT ssh_key.*, host.name AS host_name, host.state AS host_state FROM ssh_key LEFT JOIN host ON host.id = ssh_key.host_id';

/** sha256 of the blob, hex. */
export function fingerprintOf(key: PublicKey): string {
  return sha256(blobOf(key)).toString('hex');
}

/** A key from its row. */
export function keyFromSql(row: KeySql): KeyRow {
  const owner: KeyOwner =
    row.person === null
      ? { kind: 'user', hostId: row.host_id ?? '', hostName: row.host_name ?? '', user: row.user ?? '', lost: row.host_state !== 'joined' && row.host_state !== 'invited' }
      : { kind: 'person', name: row.person };
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    key: { type: row.type, base64: row.base64 },
    comment: row.comment,
    owner,
    flags: row.flags === '[]' ? none : (JSON.parse(row.flags) as KeyFlag[]),
    from: row.networks === '[]' ? none : (JSON.parse(row.networks) as string[]),
    expiresAtMs: row.expires_at_ms ?? undefined,
  };
}

const none: readonly never[] = [];

/** All keys, or those of one person, or of one user of a host; sorted by id. */
export function listKeys(db: Database, of: { person?: string; hostId?: string; user?: string } = {}): KeyRow[] {
  const where = of.person !== undefined ? 'WHERE person = @person' : of.hostId === undefined ? '' : of.user === undefined ? 'WHERE host_id = @hostId' : 'WHERE host_id = @hostId AND user = @user';
  return (db.prepare(`${selectKey} ${where} ORDER BY ssh_key.id`).all(of) as KeySql[]).map(keyFromSql);
}

/** A key by id or fingerprint (hex); undefined when there is none. */
export function getKey(db: Database, by: { id: number } | { fingerprint: string }): KeyRow | undefined {
  const row = ('id' in by ? db.prepare(`${selectKey} WHERE ssh_key.id = ?`).get(by.id) : db.prepare(`${selectKey} WHERE fingerprint = ?`).get(by.fingerprint)) as KeySql | undefined;
  return row === undefined ? undefined : keyFromSql(row);
}

/** A key by its number, or its fingerprint as ssh-keygen(1) shows it (`SHA256:...`) or in hex. Errors: KEY_UNKNOWN. */
export function findKey(db: Database, text: string): KeyRow {
  const base64 = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(text)?.[1];
  const fingerprint = base64 === undefined ? (/^[0-9a-f]{64}$/.exec(text)?.[0] ?? '') : Buffer.from(base64, 'base64').toString('hex');
  const key = /^[1-9][0-9]{0,14}$/.test(text) ? getKey(db, { id: Number(text) }) : getKey(db, { fingerprint });
  if (key === undefined) throw reeveError('KEY_UNKNOWN', { value: text });
  return key;
}

/** Who holds a key, for people: `person "ada"`, `user "deploy" of host "web1"`. */
export function formatOwner(owner: KeyOwner): string {
  return owner.kind === 'person' ? `person "${owner.name}"` : `user "${owner.user}" of host "${owner.hostName}"`;
}

/** Adds a key and answers its number, which is never used again. Errors: KEY_EXISTS. */
export function addKey(db: Database, key: NewKey, now: number): number {
  const fingerprint = fingerprintOf(key.key);
  const known = getKey(db, { fingerprint });
  if (known !== undefined) throw reeveError('KEY_EXISTS', { value: `SHA256:${Buffer.from(fingerprint, 'hex').toString('base64').replace(/=+$/, '')}`, owner: formatOwner(known.owner) });
  const { owner } = key;
  const result = db
    .prepare('INSERT INTO ssh_key (fingerprint, type, base64, comment, person, host_id, user, flags, networks, expires_at_ms, added_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .run(
      fingerprint, key.key.type, key.key.base64, key.comment, owner.kind === 'person' ? owner.name : null, owner.kind === 'user' ? owner.hostId : null, owner.kind === 'user' ? owner.user : null,
      JSON.stringify(keyFlags.filter((flag) => key.flags.includes(flag))), JSON.stringify(key.from), key.expiresAtMs ?? null, now,
    );
  const id = Number(result.lastInsertRowid);
  addSpanKey(db, { id, fingerprint, owner });
  return id;
}

/** What can be altered of a key; absent stays, null for the expiry takes it away. */
export interface KeyEdit {
  readonly comment?: string;
  readonly flags?: readonly KeyFlag[];
  readonly from?: readonly string[];
  readonly expiresAtMs?: number | null;
}

/** Alters a key; answers it as it is then. Errors: KEY_UNKNOWN. */
export function setKey(db: Database, id: number, edit: KeyEdit): KeyRow {
  const before = findKey(db, String(id));
  const expiresAtMs = edit.expiresAtMs === undefined ? before.expiresAtMs : (edit.expiresAtMs ?? undefined);
  const flags = edit.flags === undefined ? before.flags : keyFlags.filter((flag) => edit.flags?.includes(flag));
  const after = { ...before, ...edit, flags, expiresAtMs };
  db.prepare('UPDATE ssh_key SET comment = ?, flags = ?, networks = ?, expires_at_ms = ? WHERE id = ?').run(
    after.comment, JSON.stringify(after.flags), JSON.stringify(after.from), after.expiresAtMs ?? null, id,
  );
  return after;
}

/** Takes a key out, with its memberships and the grants to it alone. Errors: KEY_UNKNOWN. */
export function removeKey(db: Database, id: number): void {
  if (db.prepare('DELETE FROM ssh_key WHERE id = ?').run(id).changes === 0) throw reeveError('KEY_UNKNOWN', { value: String(id) });
}

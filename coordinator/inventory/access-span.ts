import type { Why } from '../desired/key-way.js';
import type { Database } from './database.js';
import { statement } from './statement.js';

/** That a key let into a user of a host for a time. */
export interface AccessSpan {
  readonly hostId: string;
  readonly user: string;
  /** Number of the key, which is never that of another. */
  readonly keyId: number;
  /** sha256 of the blob, hex. */
  readonly fingerprint: string;
  /** The person's name, or `USER@HOST-ID`. */
  readonly owner: string;
  /** `grant 12`, `grant 12 via ops`, `owner`. */
  readonly why: string;
  readonly openedAtMs: number;
  /** The end that it had from the beginning; undefined: none. */
  readonly endsAtMs: number | undefined;
  /** When it was taken away or became another; undefined: it was not. */
  readonly closedAtMs: number | undefined;
}

interface Sql {
  host_id: string;
  user: string;
  key_id: number;
  fingerprint: string;
  opened_at_ms: number;
  owner: string;
  why: string;
  ends_at_ms: number | null;
  closed_at_ms: number | null;
}

const fromSql = (row: Sql): AccessSpan => ({
  hostId: row.host_id,
  user: row.user,
  keyId: row.key_id,
  fingerprint: row.fingerprint,
  owner: row.owner,
  why: row.why,
  openedAtMs: row.opened_at_ms,
  endsAtMs: row.ends_at_ms ?? undefined,
  closedAtMs: row.closed_at_ms ?? undefined,
});

/** Who holds a key. */
export type SpanHolder = { readonly kind: 'person'; readonly name: string } | { readonly kind: 'user'; readonly hostId: string; readonly user: string };

/** How long what has ended is remembered, ms: 400 days. */
const keepMs = 400 * 86_400_000;

/** Holder of a key as spans have it: no person's name has an "@". */
export function spanOwner(owner: SpanHolder): string {
  return owner.kind === 'person' ? owner.name : `${owner.user}@${owner.hostId}`;
}

/** Why, as spans have it. */
export function formatWhy(why: Why): string {
  if (why.kind === 'owner') return 'owner';
  return why.group === undefined ? `grant ${String(why.grantId)}` : `grant ${String(why.grantId)} via ${why.group}`;
}

/**
 * Read rows as Sql, by place and by key: these have numbers of their own here, and keys are known also after they were taken out of the inventory. CROSS JOIN
 * keeps SQLite from reading all spans that are open.
 */
const columns = 'SELECT host_id, user, access_key.id AS key_id, fingerprint, owner, why, opened_at_ms, ends_at_ms, closed_at_ms';
const byPlace = `${columns} FROM access_place CROSS JOIN access_span ON place = access_place.id CROSS JOIN access_key ON access_key.id = access_span.key`;
const byKey = `${columns} FROM access_key CROSS JOIN access_span ON access_span.key = access_key.id CROSS JOIN access_place ON access_place.id = place`;

/** Makes a key known to the history; once, when it is added. */
export function addSpanKey(db: Database, key: { readonly id: number; readonly fingerprint: string; readonly owner: SpanHolder }): void {
  db.prepare('INSERT INTO access_key VALUES (?, ?, ?)').run(key.id, key.fingerprint, spanOwner(key.owner));
}

/** What a host was told last: who gets in. */
export function openSpans(db: Database, hostId: string): AccessSpan[] {
  return (statement(db, `${byPlace} WHERE host_id = ? AND closed_at_ms IS NULL`).all(hostId) as Sql[]).map(fromSql);
}

/** What begins. */
export type NewSpan = Pick<AccessSpan, 'user' | 'keyId' | 'why' | 'endsAtMs'>;

/** Writes what has become other on a host: `closed` ends now, `opened` begins now. */
export function writeSpans(db: Database, hostId: string, now: number, spans: { readonly closed: readonly AccessSpan[]; readonly opened: readonly NewSpan[] }): void {
  const places = new Map<string, number>();
  const addPlace = statement(db, 'INSERT INTO access_place (host_id, user) VALUES (?, ?) ON CONFLICT DO UPDATE SET user = excluded.user RETURNING id').pluck();
  const placeOf = (user: string): number => {
    const id = places.get(user) ?? (addPlace.get(hostId, user) as number);
    places.set(user, id);
    return id;
  };
  // What lasted no time at all was never so; a clock that was set back ends nothing before it began.
  const drop = statement(db, 'DELETE FROM access_span WHERE place = ? AND key = ? AND closed_at_ms IS NULL');
  const close = statement(db, 'UPDATE access_span SET closed_at_ms = ? WHERE place = ? AND key = ? AND closed_at_ms IS NULL');
  for (const { user, keyId, openedAtMs } of spans.closed) {
    if (openedAtMs >= now) drop.run(placeOf(user), keyId);
    else close.run(now, placeOf(user), keyId);
  }
  const open = statement(db, 
    `INSERT INTO access_span VALUES (?, ?, ?, ?, ?, NULL)
     ON CONFLICT (place, key, opened_at_ms) DO UPDATE SET why = excluded.why, ends_at_ms = excluded.ends_at_ms, closed_at_ms = NULL`,
  );
  for (const { user, keyId, why, endsAtMs } of spans.opened) open.run(placeOf(user), keyId, now, why, endsAtMs ?? null);
}

/** Whose, or into what. */
export type SpanFilter = { readonly owner: string } | { readonly hostId: string; readonly user?: string };

/** Who could log in at a moment, as hosts were told: by host, user and holder. */
export function accessAt(db: Database, of: SpanFilter, atMs: number): AccessSpan[] {
  const where = 'owner' in of ? 'owner = @owner' : of.user === undefined ? 'host_id = @hostId' : 'host_id = @hostId AND user = @user';
  const sql = `${'owner' in of ? byKey : byPlace} WHERE ${where} AND opened_at_ms <= @atMs AND (closed_at_ms IS NULL OR closed_at_ms > @atMs)
    AND (ends_at_ms IS NULL OR ends_at_ms > @atMs) ORDER BY host_id, user, owner, key_id`;
  const rows = statement(db, sql).all({ ...of, atMs });
  return (rows as Sql[]).map(fromSql);
}

/** Ends everything on a host: nobody is let in by what it was told any more, as far as Reeve knows. */
export function closeSpans(db: Database, hostId: string, now: number): void {
  writeSpans(db, hostId, now, { closed: openSpans(db, hostId), opened: [] });
}

/** Forgets what ended longer than 400 days ago; answers how many. */
export function tidySpans(db: Database, now: number): number {
  const { changes } = statement(db, 'DELETE FROM access_span WHERE closed_at_ms < ?').run(now - keepMs);
  if (changes > 0) statement(db, 'DELETE FROM access_key WHERE NOT EXISTS (SELECT 1 FROM access_span WHERE access_span.key = access_key.id) AND NOT EXISTS (SELECT 1 FROM ssh_key WHERE ssh_key.id = access_key.id)').run();
  return changes;
}

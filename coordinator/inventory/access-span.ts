import type { KeyOwner } from '../desired/key-row.js';
import type { Why } from '../desired/key-way.js';
import type { Database } from './database.js';

/** That a key let into a user of a host for a time. */
export interface AccessSpan {
  readonly hostId: string;
  readonly user: string;
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
  fingerprint: row.fingerprint,
  owner: row.owner,
  why: row.why,
  openedAtMs: row.opened_at_ms,
  endsAtMs: row.ends_at_ms ?? undefined,
  closedAtMs: row.closed_at_ms ?? undefined,
});

/** How long what has ended is remembered, ms: 400 days. */
const keepMs = 400 * 86_400_000;

/** Holder of a key as spans have it: no person's name has an "@". */
export function spanOwner(owner: KeyOwner): string {
  return owner.kind === 'person' ? owner.name : `${owner.user}@${owner.hostId}`;
}

/** Why, as spans have it. */
export function formatWhy(why: Why): string {
  if (why.kind === 'owner') return 'owner';
  return why.group === undefined ? `grant ${String(why.grantId)}` : `grant ${String(why.grantId)} via ${why.group}`;
}

/** What a host was told last: who gets in. */
export function openSpans(db: Database, hostId: string): AccessSpan[] {
  return (db.prepare('SELECT * FROM access_span WHERE host_id = ? AND closed_at_ms IS NULL').all(hostId) as Sql[]).map(fromSql);
}

/** Writes what has become other: `closed` ends now, `opened` begins now. */
export function writeSpans(db: Database, now: number, spans: { readonly closed: readonly AccessSpan[]; readonly opened: readonly Omit<AccessSpan, 'openedAtMs' | 'closedAtMs'>[] }): void {
  // What lasted no time at all was never so; a clock that was set back ends nothing before it began.
  const drop = db.prepare('DELETE FROM access_span WHERE host_id = ? AND user = ? AND fingerprint = ? AND closed_at_ms IS NULL AND opened_at_ms >= ?');
  const close = db.prepare('UPDATE access_span SET closed_at_ms = ? WHERE host_id = ? AND user = ? AND fingerprint = ? AND closed_at_ms IS NULL');
  for (const { hostId, user, fingerprint, openedAtMs } of spans.closed) {
    if (openedAtMs >= now) drop.run(hostId, user, fingerprint, now);
    else close.run(now, hostId, user, fingerprint);
  }
  const open = db.prepare(
    `INSERT INTO access_span VALUES (?, ?, ?, ?, ?, ?, ?, NULL)
     ON CONFLICT (host_id, user, fingerprint, opened_at_ms) DO UPDATE SET owner = excluded.owner, why = excluded.why, ends_at_ms = excluded.ends_at_ms, closed_at_ms = NULL`,
  );
  for (const span of spans.opened) open.run(span.hostId, span.user, span.fingerprint, now, span.owner, span.why, span.endsAtMs ?? null);
}

/** Whose, or into what. */
export type SpanFilter = { readonly owner: string } | { readonly hostId: string; readonly user?: string };

/** Who could log in at a moment, as hosts were told: by host, user and holder. */
export function accessAt(db: Database, of: SpanFilter, atMs: number): AccessSpan[] {
  const where = 'owner' in of ? 'owner = @owner' : of.user === undefined ? 'host_id = @hostId' : 'host_id = @hostId AND user = @user';
  const rows = db
    .prepare(
      `SELECT * FROM access_span WHERE ${where} AND opened_at_ms <= @atMs AND (closed_at_ms IS NULL OR closed_at_ms > @atMs) AND (ends_at_ms IS NULL OR ends_at_ms > @atMs)
       ORDER BY host_id, user, owner, fingerprint`,
    )
    .all({ ...of, atMs });
  return (rows as Sql[]).map(fromSql);
}

/** Ends everything on a host: nobody is let in by what it was told any more, as far as Reeve knows. */
export function closeSpans(db: Database, hostId: string, now: number): void {
  writeSpans(db, now, { closed: openSpans(db, hostId), opened: [] });
}

/** Forgets what ended longer than 400 days ago; answers how many. */
export function tidySpans(db: Database, now: number): number {
  return db.prepare('DELETE FROM access_span WHERE closed_at_ms < ?').run(now - keepMs).changes;
}

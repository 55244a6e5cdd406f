import { createHash } from 'node:crypto';
import type { Database } from './database.js';

/** What is recorded of one decision. */
export interface AuditEntry {
  readonly timeMs: number;
  /** Who: `uid:NAME`, `host:ID` or `reeved`. */
  readonly principal: string;
  /** Method or event. */
  readonly action: string;
  /** With which arguments, as text; never a secret. */
  readonly arguments: string;
  readonly phase: 'intent' | 'ok' | 'refused' | 'failed';
  /** Empty: none. */
  readonly operationId: string;
  /** Code of the error; empty: none. */
  readonly code: string;
}

/** A stored record. */
export interface AuditRow extends AuditEntry {
  readonly seq: number;
  readonly hash: Buffer;
}

/** Longest argument text that is kept, characters. */
const argumentLimit = 4096;

/** Hash of the record before the first. */
const genesis = Buffer.alloc(32);

interface Sql {
  seq: number;
  time_ms: number;
  principal: string;
  action: string;
  arguments: string;
  phase: AuditEntry['phase'];
  operation_id: string;
  code: string;
  hash: Buffer;
}

const fromSql = (row: Sql): AuditRow => ({
  seq: row.seq,
  timeMs: row.time_ms,
  principal: row.principal,
  action: row.action,
  arguments: row.arguments,
  phase: row.phase,
  operationId: row.operation_id,
  code: row.code,
  hash: row.hash,
});

/** sha256 over a domain, the record before, and all fields with their lengths: no two records have the same bytes. */
function chainHash(previous: Buffer, seq: number, entry: AuditEntry): Buffer {
  const hash = createHash('sha256').update('reeve-audit-v1\0').update(previous);
  const fields = [String(seq), String(entry.timeMs), entry.principal, entry.action, entry.arguments, entry.phase, entry.operationId, entry.code];
  for (const field of fields) {
    const bytes = Buffer.from(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return hash.digest();
}

/** Appends a record; durable with the transaction it is in. */
export function addAudit(db: Database, entry: AuditEntry): void {
  const cut = { ...entry, arguments: entry.arguments.slice(0, argumentLimit) };
  const last = db.prepare('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1').get() as { seq: number; hash: Buffer } | undefined;
  const seq = (last?.seq ?? 0) + 1;
  const hash = chainHash(last?.hash ?? genesis, seq, cut);
  db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(seq, cut.timeMs, cut.principal, cut.action, cut.arguments, cut.phase, cut.operationId, cut.code, hash);
}

/** Which records. */
export interface AuditFilter {
  /** Only of this one, whole. */
  readonly principal?: string | undefined;
  /** Only actions that begin so. */
  readonly action?: string | undefined;
  /** Only records with a lower number. */
  readonly before?: number | undefined;
}

/** The newest records that fit, newest first. */
export function listAudit(db: Database, limit: number, { principal, action, before }: AuditFilter = {}): AuditRow[] {
  const rows = db
    .prepare(
      `SELECT * FROM audit WHERE (@principal IS NULL OR principal = @principal) AND (@action IS NULL OR substr(action, 1, length(@action)) = @action) AND (@before IS NULL OR seq < @before)
       ORDER BY seq DESC LIMIT @limit`,
    )
    .all({ principal: principal ?? null, action: action ?? null, before: before ?? null, limit }) as Sql[];
  return rows.map(fromSql);
}

/** What checking the chain found. */
export interface AuditCheck {
  readonly intact: boolean;
  readonly records: number;
  /** First record that does not fit; 0: none. */
  readonly firstBadSeq: number;
  readonly reason: string;
}

/** Checks the whole chain. */
export function verifyAudit(db: Database): AuditCheck {
  let previous: Buffer = genesis;
  let expected = 1;
  for (const raw of db.prepare('SELECT * FROM audit ORDER BY seq').iterate() as IterableIterator<Sql>) {
    const row = fromSql(raw);
    if (row.seq !== expected) return { intact: false, records: expected - 1, firstBadSeq: expected, reason: `record ${String(expected)} is missing` };
    if (!chainHash(previous, row.seq, row).equals(row.hash)) return { intact: false, records: expected, firstBadSeq: row.seq, reason: `record ${String(row.seq)} was altered` };
    previous = row.hash;
    expected += 1;
  }
  return { intact: true, records: expected - 1, firstBadSeq: 0, reason: '' };
}

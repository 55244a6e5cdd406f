import type { ErrorItem } from '../../shared/errors/error.js';
import type { Label } from '../../shared/model/label.js';
import { withoutDiffs, type Change } from '../../shared/model/change.js';
import type { Database } from './database.js';

/** How an operation ended, or that it has not. */
export type OutcomeWord = 'running' | 'ok' | 'failed' | 'unknown' | 'pending';

/** One journaled piece of work. */
export interface OperationRow {
  readonly id: string;
  readonly summary: string;
  readonly operator: string;
  readonly requestHash: Buffer;
  readonly outcome: OutcomeWord;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
}

/** One host's part in an operation. */
export interface OperationHostRow {
  readonly operationId: string;
  readonly hostId: string;
  readonly noun: string;
  readonly generation: number;
  readonly outcome: OutcomeWord;
  readonly changes: readonly Change[];
  readonly errors: readonly ErrorItem[];
  readonly durationMs: number;
}

interface Sql {
  id: string;
  summary: string;
  operator: string;
  request_hash: Buffer;
  outcome: OutcomeWord;
  started_at_ms: number;
  ended_at_ms: number | null;
}

interface HostSql {
  operation_id: string;
  host_id: string;
  noun: string;
  generation: number;
  outcome: OutcomeWord;
  changes: string;
  errors: string;
  duration_ms: number;
}

const fromSql = (row: Sql): OperationRow => ({
  id: row.id,
  summary: row.summary,
  operator: row.operator,
  requestHash: row.request_hash,
  outcome: row.outcome,
  startedAtMs: row.started_at_ms,
  endedAtMs: row.ended_at_ms ?? undefined,
});

const fromHostSql = (row: HostSql): OperationHostRow => ({
  operationId: row.operation_id,
  hostId: row.host_id,
  noun: row.noun,
  generation: row.generation,
  outcome: row.outcome,
  changes: JSON.parse(row.changes) as Change[],
  errors: JSON.parse(row.errors) as ErrorItem[],
  durationMs: row.duration_ms,
});

/** An operation by id. */
export function getOperation(db: Database, id: string): OperationRow | undefined {
  const row = db.prepare('SELECT * FROM operation WHERE id = ?').get(id) as Sql | undefined;
  return row === undefined ? undefined : fromSql(row);
}

/** Which operations. */
export interface OperationFilter {
  /** What a caller with a scope sees: what it began itself, or what was about a host with one of these labels. undefined: everything. */
  readonly of?: { readonly operator: string; readonly scope: readonly Label[] } | undefined;
  /** None: however they ended. */
  readonly outcomes?: readonly OutcomeWord[];
  /** Only those about this host. */
  readonly hostId?: string | undefined;
  /** Only those that began before the one with this id. */
  readonly before?: string | undefined;
}

/** The newest operations that fit. */
export function listOperations(db: Database, limit: number, { of, outcomes = [], hostId, before }: OperationFilter = {}): OperationRow[] {
  const rows = db
    .prepare(
      `SELECT * FROM operation
       WHERE (@operator IS NULL OR operator = @operator OR EXISTS (
           SELECT 1 FROM operation_host JOIN host_label USING (host_id)
           JOIN json_each(@scope) AS label ON label.value ->> 'key' = host_label.key AND label.value ->> 'value' = host_label.value
           WHERE operation_id = operation.id))
         AND (@before IS NULL OR id < @before)
         AND (@outcomes = '[]' OR outcome IN (SELECT value FROM json_each(@outcomes)))
         AND (@hostId IS NULL OR EXISTS (SELECT 1 FROM operation_host WHERE operation_id = operation.id AND host_id = @hostId))
       ORDER BY id DESC LIMIT @limit`,
    )
    .all({ operator: of?.operator ?? null, scope: JSON.stringify(of?.scope ?? []), before: before ?? null, outcomes: JSON.stringify(outcomes), hostId: hostId ?? null, limit }) as Sql[];
  return rows.map(fromSql);
}

/** How many parts an operation has, and how many of them have ended. */
export function countParts(db: Database, id: string): { parts: number; partsEnded: number } {
  return db.prepare(`SELECT count(*) AS parts, count(*) FILTER (WHERE outcome <> 'running') AS partsEnded FROM operation_host WHERE operation_id = ?`).get(id) as { parts: number; partsEnded: number };
}

/** The hosts of an operation. */
export function operationHosts(db: Database, id: string): OperationHostRow[] {
  return (db.prepare('SELECT * FROM operation_host WHERE operation_id = ? ORDER BY host_id, noun').all(id) as HostSql[]).map(fromHostSql);
}

/** Begins an operation; its hosts follow. */
export function addOperation(db: Database, operation: Pick<OperationRow, 'id' | 'summary' | 'operator' | 'requestHash' | 'startedAtMs'>): void {
  db.prepare(`INSERT INTO operation (id, summary, operator, request_hash, outcome, started_at_ms) VALUES (?, ?, ?, ?, 'running', ?)`).run(
    operation.id,
    operation.summary,
    operation.operator,
    operation.requestHash,
    operation.startedAtMs,
  );
}

/** Begins a host's part. */
export function addOperationHost(db: Database, part: Pick<OperationHostRow, 'operationId' | 'hostId' | 'noun' | 'generation'>): void {
  db.prepare(`INSERT INTO operation_host (operation_id, host_id, noun, generation, outcome) VALUES (?, ?, ?, ?, 'running')`).run(part.operationId, part.hostId, part.noun, part.generation);
}

/** Records what became of a host's part. */
export function setOperationHost(db: Database, part: OperationHostRow): void {
  db.prepare('UPDATE operation_host SET outcome = ?, changes = ?, errors = ?, duration_ms = ? WHERE operation_id = ? AND host_id = ? AND noun = ?').run(
    part.outcome,
    JSON.stringify(withoutDiffs(part.changes)),
    JSON.stringify(part.errors),
    part.durationMs,
    part.operationId,
    part.hostId,
    part.noun,
  );
}

/** Which part of an operation. */
type PartKey = Pick<OperationHostRow, 'operationId' | 'hostId' | 'noun'>;

/** Notes what has to be so before a host's part is confirmed, as JSON. */
export function setWatch(db: Database, part: PartKey, watch: string): void {
  db.prepare('UPDATE operation_host SET watch = ? WHERE operation_id = ? AND host_id = ? AND noun = ?').run(watch, part.operationId, part.hostId, part.noun);
}

/** What was noted so; undefined: nothing. */
export function watchOf(db: Database, part: PartKey): string | undefined {
  const watch = db.prepare('SELECT watch FROM operation_host WHERE operation_id = ? AND host_id = ? AND noun = ?').pluck().get(part.operationId, part.hostId, part.noun) as string | null | undefined;
  return watch ?? undefined;
}

/** The one word for what several hosts came to. */
export function worstOutcome(words: readonly OutcomeWord[]): OutcomeWord {
  return (['running', 'failed', 'unknown', 'pending'] as const).find((word) => words.includes(word)) ?? 'ok';
}

/** Ends an operation by what its hosts say: failed beats unknown beats pending beats ok. Leaves it alone while a host is running. */
export function closeOperation(db: Database, id: string, now: number): OutcomeWord {
  const outcome = worstOutcome(db.prepare('SELECT DISTINCT outcome FROM operation_host WHERE operation_id = ?').pluck().all(id) as OutcomeWord[]);
  if (outcome !== 'running') db.prepare('UPDATE operation SET outcome = ?, ended_at_ms = ? WHERE id = ?').run(outcome, now, id);
  return outcome;
}

/** The parts of a host whose end nobody knows. */
export function openParts(db: Database, hostId: string): OperationHostRow[] {
  return (db.prepare(`SELECT * FROM operation_host WHERE host_id = ? AND outcome = 'unknown' ORDER BY operation_id`).all(hostId) as HostSql[]).map(fromHostSql);
}

/** After a restart nothing runs any more: what was running is unknown until its host was asked. */
export function orphanOperations(db: Database, now: number): number {
  return db.transaction(() => {
    const parts = db.prepare(`UPDATE operation_host SET outcome = 'unknown' WHERE outcome = 'running'`).run().changes;
    const ids = db.prepare(`SELECT id FROM operation WHERE outcome = 'running'`).pluck().all() as string[];
    for (const id of ids) closeOperation(db, id, now);
    return parts;
  })();
}

/** Forgets operations that ended longer than 90 days ago. */
export function tidyOperations(db: Database, now: number): void {
  const old = now - 90 * 86_400_000;
  db.transaction(() => {
    db.prepare('DELETE FROM operation_host WHERE operation_id IN (SELECT id FROM operation WHERE ended_at_ms < ?)').run(old);
    db.prepare('DELETE FROM operation WHERE ended_at_ms < ?').run(old);
  })();
}

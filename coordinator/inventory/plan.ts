import { withoutDiffs, type Change } from '../../shared/model/change.js';
import type { Database } from './database.js';

/** What one host was found to be when a plan was made. */
export interface PlanHostRow {
  readonly hostId: string;
  readonly noun: string;
  /** Undefined: the host could not be reached. */
  readonly digest: Buffer | undefined;
  readonly policyDigest: Buffer | undefined;
  readonly changes: readonly Change[];
}

/** How long a plan can be applied, ms. */
const lifetimeMs = 3_600_000;

/** Stores a plan, and forgets those that are too old. */
export function addPlan(db: Database, plan: { id: string; requestHash: Buffer; now: number; hosts: readonly PlanHostRow[] }): void {
  db.transaction(() => {
    db.prepare('DELETE FROM plan WHERE created_at_ms < ?').run(plan.now - lifetimeMs);
    db.prepare('INSERT INTO plan VALUES (?, ?, ?)').run(plan.id, plan.requestHash, plan.now);
    const add = db.prepare('INSERT INTO plan_host VALUES (?, ?, ?, ?, ?, ?)');
    for (const host of plan.hosts) add.run(plan.id, host.hostId, host.noun, host.digest ?? null, host.policyDigest ?? null, JSON.stringify(withoutDiffs(host.changes)));
  })();
}

/** The hosts of a plan that was made for the same request within the last hour; undefined: there is none. */
export function findPlan(db: Database, id: string, requestHash: Buffer, now: number): PlanHostRow[] | undefined {
  const found = db.prepare('SELECT 1 FROM plan WHERE id = ? AND request_hash = ? AND created_at_ms >= ?').get(id, requestHash, now - lifetimeMs);
  if (found === undefined) return undefined;
  const rows = db.prepare('SELECT * FROM plan_host WHERE plan_id = ?').all(id) as {
    host_id: string;
    noun: string;
    digest: Buffer | null;
    policy_digest: Buffer | null;
    changes: string;
  }[];
  return rows.map((row) => ({
    hostId: row.host_id,
    noun: row.noun,
    digest: row.digest ?? undefined,
    policyDigest: row.policy_digest ?? undefined,
    changes: JSON.parse(row.changes) as Change[],
  }));
}

import type { Facts } from '../../shared/model/fact.js';
import type { Database } from './database.js';

/** What a host last said of itself; undefined: nothing yet. */
export function getFacts(db: Database, hostId: string): Facts | undefined {
  const text = db.prepare('SELECT facts FROM fact WHERE host_id = ?').pluck().get(hostId) as string | undefined;
  return text === undefined ? undefined : (JSON.parse(text) as Facts);
}

/** Stores what hosts said of themselves, all in one transaction. */
export function setFacts(db: Database, facts: ReadonlyMap<string, Facts>, now: number): void {
  const put = db.prepare('INSERT INTO fact VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET received_at_ms = excluded.received_at_ms, facts = excluded.facts');
  db.transaction(() => {
    for (const [id, said] of facts) put.run(id, now, JSON.stringify(said));
  })();
}

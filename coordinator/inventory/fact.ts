import type { Database } from './database.js';

/** What a host last said of itself, as JSON text that was parsed and checked before; undefined: nothing yet. */
export function getFacts(db: Database, hostId: string): string | undefined {
  return db.prepare('SELECT facts FROM fact WHERE host_id = ?').pluck().get(hostId) as string | undefined;
}

/** Stores what hosts said of themselves, all in one transaction. */
export function setFacts(db: Database, facts: ReadonlyMap<string, string>, now: number): void {
  const put = db.prepare('INSERT INTO fact VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET received_at_ms = excluded.received_at_ms, facts = excluded.facts');
  db.transaction(() => {
    for (const [id, text] of facts) put.run(id, now, text);
  })();
}

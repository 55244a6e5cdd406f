import { completeFacts, type ParsedFacts, type StoredFacts } from '../../shared/model/fact.js';
import type { Database } from './database.js';

/** What a host last said of itself, and whether all of it could be taken as it was; undefined: nothing yet. */
export function getFacts(db: Database, hostId: string): ParsedFacts | undefined {
  const text = db.prepare('SELECT facts FROM fact WHERE host_id = ?').pluck().get(hostId) as string | undefined;
  if (text === undefined) return undefined;
  const { lossy, ...facts } = JSON.parse(text) as StoredFacts & { lossy?: boolean };
  return { facts: completeFacts(facts), lossy: lossy === true };
}

/** The operating system of each host, as it last said. */
export function listOs(db: Database): ReadonlyMap<string, string> {
  const rows = db.prepare(`SELECT host_id, facts ->> 'os' FROM fact`).raw().all() as [string, string | null][];
  return new Map(rows.map(([id, os]) => [id, os ?? '']));
}

/** Stores what hosts said of themselves, all in one transaction. */
export function setFacts(db: Database, facts: ReadonlyMap<string, ParsedFacts>, now: number): void {
  const put = db.prepare('INSERT INTO fact VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET received_at_ms = excluded.received_at_ms, facts = excluded.facts');
  db.transaction(() => {
    for (const [id, said] of facts) put.run(id, now, JSON.stringify(said.lossy ? { ...said.facts, lossy: true } : said.facts));
  })();
}

import type { RelayChild } from '../../shared/model/relay.js';
import type { Database } from './database.js';
import { raiseGeneration } from './generation.js';

interface Sql {
  parent_id: string;
  id: string;
  name: string;
  address: string;
  port: number;
}

/**
 * Who is passed on: hosts of the fleet, invited ones (they join through their parent), and revoked ones that were invited again.
 */
const relayed = `link = 'parent' AND parent_id IS NOT NULL AND address IS NOT NULL AND
  (state IN ('invited', 'joined') OR (state = 'revoked' AND EXISTS (SELECT 1 FROM join_token WHERE host_id = host.id AND used_at_ms IS NULL)))`;

const fromSql = (row: Sql): RelayChild => ({ hostId: row.id, name: row.name, address: row.address, port: row.port });

/** The hosts that are reached through the agent of this one, sorted by id. */
export function relayChildrenOf(db: Database, parentId: string): RelayChild[] {
  return (db.prepare(`SELECT parent_id, id, name, address, port FROM host WHERE parent_id = ? AND ${relayed} ORDER BY id`).all(parentId) as Sql[]).map(fromSql);
}

/** Ids of the hosts that are reached through the agent of this one and have joined. */
export function joinedBehind(db: Database, parentId: string): string[] {
  return db.prepare(`SELECT id FROM host WHERE parent_id = ? AND link = 'parent' AND state = 'joined'`).pluck().all(parentId) as string[];
}

/**
 * Raises the generation of noun relay of every host whose children are others than it was last to be told. Answers those hosts. To be called in the
 * transaction of whatever may have altered a host.
 */
export function raiseRelays(db: Database, now: number): string[] {
  const rows = db.prepare(`SELECT parent_id, id, name, address, port FROM host WHERE ${relayed} ORDER BY id`).all() as Sql[];
  const known = db.prepare('SELECT host_id, children FROM relay_list').all() as { host_id: string; children: string }[];
  const wanted = new Map<string, RelayChild[]>(known.map((row) => [row.host_id, []]));
  for (const row of rows) wanted.set(row.parent_id, [...(wanted.get(row.parent_id) ?? []), fromSql(row)]);
  const told = new Map(known.map((row) => [row.host_id, row.children]));
  const put = db.prepare('INSERT INTO relay_list VALUES (?, ?) ON CONFLICT DO UPDATE SET children = excluded.children');
  const raised: string[] = [];
  for (const [hostId, children] of wanted) {
    const list = JSON.stringify(children);
    if (told.get(hostId) === list) continue;
    put.run(hostId, list);
    raiseGeneration(db, { hostId, noun: 'relay', now, released: false });
    raised.push(hostId);
  }
  return raised;
}

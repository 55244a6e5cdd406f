import { fieldInvalid } from '../../shared/model/field.js';
import { mostVhost, parseVhostDraft, upstreamHosts, vhostModelText, type VhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import type { TakeOver, UpstreamHost, VhostRow, VhostRows } from '../desired/vhost.js';
import type { Database } from './database.js';
import { storeListens, storeNames } from './vhost-place.js';

interface Sql {
  id: number;
  host_id: string;
  model: string;
  overwrite: number;
  take_over: string | null;
  accept_differences: number;
  by: string;
  added_at_ms: number;
  generation: number;
  problem: string | null;
  serves_before: number | null;
  since_ms: number | null;
}

/** Models that were parsed: each change of a host asks for all of its sites, and most are as they were. By the number of the row, and good as long as its text is the same. */
const parsed = new WeakMap<Database, Map<number, { readonly text: string; readonly site: VhostDraft }>>();

/** Most that are kept; then it begins anew. */
const mostParsed = 10_000;

function siteOf(db: Database, { id, model, overwrite }: Sql): VhostDraft {
  const known = parsed.get(db) ?? new Map<number, { readonly text: string; readonly site: VhostDraft }>();
  parsed.set(db, known);
  const before = known.get(id);
  const site = before?.text === model ? before.site : parseVhostDraft({ ...(JSON.parse(model) as Omit<WireVhost, 'overwrite'>), overwrite: false });
  if (known.size >= mostParsed && before === undefined) known.clear();
  known.set(id, { text: model, site });
  return overwrite === 1 ? { ...site, overwrite: true } : site;
}

function fromSql(db: Database, row: Sql): VhostRow {
  return {
    id: row.id,
    hostId: row.host_id,
    site: siteOf(db, row),
    takeOver: row.take_over === null ? undefined : { file: row.take_over, acceptDifferences: row.accept_differences === 1 },
    by: row.by,
    addedAtMs: row.added_at_ms,
    generation: row.generation,
    parked: row.problem === null ? undefined : { problem: row.problem, servesBefore: row.serves_before === 1, sinceMs: row.since_ms ?? 0 },
  };
}

const columns = 'vhost.*, problem, serves_before, since_ms FROM vhost LEFT JOIN vhost_parked ON vhost_parked.vhost_id = vhost.id';

/** What is wanted of a host, by name. */
export function vhostsOf(db: Database, hostId: string): VhostRows {
  const rows = (db.prepare(`SELECT ${columns} WHERE host_id = ? ORDER BY name`).all(hostId) as Sql[]).map((row) => fromSql(db, row));
  const found = db
    .prepare('SELECT DISTINCT host.id, host.name, host.address FROM vhost_upstream JOIN vhost ON vhost.id = vhost_id JOIN host ON host.id = to_host_id WHERE vhost.host_id = ?')
    .all(hostId) as { id: string; name: string; address: string | null }[];
  return { hostId, rows, upstreams: new Map(found.map(({ id, name, address }): [string, UpstreamHost] => [id, { name, address: address ?? undefined }])) };
}

/** One site of a host by its name; undefined: there is none of that name. */
export function getVhost(db: Database, hostId: string, name: string): VhostRow | undefined {
  const row = db.prepare(`SELECT ${columns} WHERE host_id = ? AND name = ?`).get(hostId, name) as Sql | undefined;
  return row === undefined ? undefined : fromSql(db, row);
}

/** The name of the site of which this is an alias; undefined: of none. */
export function siteOfAlias(db: Database, hostId: string, alias: string): string | undefined {
  return db.prepare('SELECT vhost.name FROM vhost_name JOIN vhost ON vhost.id = vhost_id WHERE vhost_name.host_id = ? AND vhost_name.name = ?').pluck().get(hostId, alias) as string | undefined;
}

/** The sites of all hosts that lead to this one, by host and name. */
export function vhostsTo(db: Database, hostId: string): VhostRow[] {
  return (db.prepare(`SELECT ${columns} WHERE vhost.id IN (SELECT vhost_id FROM vhost_upstream WHERE to_host_id = ?) ORDER BY host_id, name`).all(hostId) as Sql[]).map((row) => fromSql(db, row));
}

/** Names of the sites of a host that use a cert, sorted. */
export function vhostsWithCert(db: Database, hostId: string, cert: string): string[] {
  return db.prepare('SELECT name FROM vhost WHERE host_id = ? AND cert = ? ORDER BY name').pluck().all(hostId, cert) as string[];
}

/** What is stored with a new site. */
export interface NewVhost {
  readonly hostId: string;
  readonly takeOver: TakeOver | undefined;
  readonly by: string;
  readonly now: number;
  readonly generation: number;
}

/** Adds a site. Upstreams that are hosts of the inventory stand in it by id. Errors: VHOST_EXISTS, NAT_EXISTS, FIELD_INVALID (too many). */
export function addVhost(db: Database, site: VhostDraft, entry: NewVhost): void {
  const count = db.prepare('SELECT count(*) FROM vhost WHERE host_id = ?').pluck().get(entry.hostId) as number;
  if (count >= mostVhost.sites) throw fieldInvalid('vhost', String(count + 1), `at most ${String(mostVhost.sites)} in one host`);
  // The name is asked for before the row is there that would have it.
  storeNames(db, { hostId: entry.hostId, id: undefined }, site);
  const id = db
    .prepare('INSERT INTO vhost (host_id, name, model, cert, overwrite, take_over, accept_differences, by, added_at_ms, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id')
    .pluck()
    .get(entry.hostId, site.name, vhostModelText(site), site.cert ?? null, site.overwrite ? 1 : 0, entry.takeOver?.file ?? null, entry.takeOver?.acceptDifferences === true ? 1 : 0, entry.by, entry.now, entry.generation) as number;
  storeParts(db, { hostId: entry.hostId, id }, site);
}

/** Stores a site as it is to be from now on; its name stays, and so does that it is to be written over. False: it is so already. Errors: VHOST_EXISTS, NAT_EXISTS. */
export function setVhost(db: Database, row: VhostRow, site: VhostDraft, generation: number): boolean {
  if (vhostModelText(site) === vhostModelText(row.site) && (!site.overwrite || row.site.overwrite)) return false;
  db.prepare('UPDATE vhost SET model = ?, cert = ?, overwrite = ?, generation = ? WHERE id = ?').run(vhostModelText(site), site.cert ?? null, site.overwrite || row.site.overwrite ? 1 : 0, generation, row.id);
  storeParts(db, row, site);
  return true;
}

/** Takes a site away. */
export function removeVhost(db: Database, row: VhostRow): void {
  storeListens(db, row, { ...row.site, listens: [] });
  db.prepare('DELETE FROM vhost WHERE id = ?').run(row.id);
}

/** What other rows know of a site. */
function storeParts(db: Database, row: { readonly hostId: string; readonly id: number }, site: VhostDraft): void {
  storeNames(db, row, site);
  storeListens(db, row, site);
  db.prepare('DELETE FROM vhost_upstream WHERE vhost_id = ?').run(row.id);
  const lead = db.prepare('INSERT INTO vhost_upstream (vhost_id, to_host_id) VALUES (?, ?)');
  for (const id of upstreamHosts(site)) lead.run(row.id, id);
}

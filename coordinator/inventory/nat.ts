import Sqlite from 'better-sqlite3';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { familyOf, formatNatPort, mostNat, type NatForward, type NatListen, type NatMasquerade } from '../../shared/model/nat.js';
import { describeForward, describeMasquerade, type ForwardRow, type MasqueradeRow, type NatEntry, type NatRows, type NatTarget } from '../desired/nat.js';
import type { Database } from './database.js';
import { getHost } from './host.js';

/** A forward that is to be added. */
export type NewForward = Omit<NatForward, 'id' | 'to'> & { readonly to: { readonly kind: 'address'; readonly address: string } | { readonly kind: 'host'; readonly hostId: string; readonly address: string } };

/** A masquerade that is to be added. */
export type NewMasquerade = Omit<NatMasquerade, 'id'>;

interface EntrySql {
  id: number;
  host_id: string;
  adopt: number;
  enabled: number;
  comment: string;
  by: string;
  added_at_ms: number;
  generation: number;
}

interface ForwardSql extends EntrySql {
  protocol: 'tcp' | 'udp';
  listen_address: string | null;
  listen_interface: string | null;
  first_port: number;
  last_port: number;
  to_host_id: string | null;
  to_address: string | null;
  to_first_port: number;
  to_last_port: number;
  sources: string;
  hairpin: number;
  to_name: string | null;
  to_host_address: string | null;
}

interface MasqueradeSql extends EntrySql {
  source: string;
  out_interface: string | null;
  to_address: string | null;
}

const entryFromSql = (row: EntrySql): NatEntry & { id: number; adopt: boolean } => ({
  id: row.id, hostId: row.host_id, adopt: row.adopt === 1, enabled: row.enabled === 1, comment: row.comment, by: row.by, addedAtMs: row.added_at_ms, generation: row.generation,
});

function forwardFromSql(row: ForwardSql): ForwardRow {
  const listen: NatListen =
    row.listen_address !== null ? { kind: 'address', address: row.listen_address } : row.listen_interface !== null ? { kind: 'interface', name: row.listen_interface } : { kind: 'any' };
  const to: NatTarget =
    row.to_host_id === null ? { kind: 'address', address: row.to_address ?? '' } : { kind: 'host', hostId: row.to_host_id, name: row.to_name ?? row.to_host_id, address: row.to_host_address ?? undefined };
  return {
    ...entryFromSql(row),
    protocol: row.protocol,
    listen,
    ports: { first: row.first_port, last: row.last_port },
    to,
    toPorts: { first: row.to_first_port, last: row.to_last_port },
    sources: JSON.parse(row.sources) as string[],
    hairpin: row.hairpin === 1,
  };
}

const masqueradeFromSql = (row: MasqueradeSql): MasqueradeRow => ({ ...entryFromSql(row), source: row.source, outInterface: row.out_interface ?? undefined, toAddress: row.to_address ?? undefined });

const forwardColumns = `nat_forward.*, destination.name AS to_name, destination.address AS to_host_address FROM nat_forward LEFT JOIN host AS destination ON destination.id = nat_forward.to_host_id`;

/** What is wanted of a host: forwards by protocol and port, masquerades by source. */
export function natOf(db: Database, hostId: string): NatRows {
  return {
    forwards: (db.prepare(`SELECT ${forwardColumns} WHERE host_id = ? ORDER BY protocol, first_port, nat_forward.id`).all(hostId) as ForwardSql[]).map(forwardFromSql),
    masquerades: (db.prepare('SELECT * FROM nat_masquerade WHERE host_id = ? ORDER BY source, id').all(hostId) as MasqueradeSql[]).map(masqueradeFromSql),
  };
}

/** The forwards of all hosts that lead to this one. */
export function forwardsTo(db: Database, hostId: string): ForwardRow[] {
  return (db.prepare(`SELECT ${forwardColumns} WHERE to_host_id = ? ORDER BY host_id, nat_forward.id`).all(hostId) as ForwardSql[]).map(forwardFromSql);
}

/** What is stored with a new row. */
export type NewEntry = Omit<NatEntry, 'addedAtMs'> & { readonly now: number };

/** Adds a forward and answers its number, which is never used again. Errors: NAT_EXISTS (another listens there), FIELD_INVALID (too many). */
export function addForward(db: Database, forward: NewForward, entry: NewEntry): number {
  requireRoom(db, 'nat_forward', entry.hostId, mostNat.forwards);
  const { listen, to } = forward;
  const row = {
    ...rowOf(db, entry),
    family: familyOf(to.address),
    protocol: forward.protocol,
    listenAddress: listen.kind === 'address' ? listen.address : null,
    listenInterface: listen.kind === 'interface' ? listen.name : null,
    firstPort: forward.ports.first,
    lastPort: forward.ports.last,
    toHostId: to.kind === 'host' ? to.hostId : null,
    toAddress: to.kind === 'address' ? to.address : null,
    toFirstPort: forward.toPorts.first,
    toLastPort: forward.toPorts.last,
    sources: JSON.stringify(forward.sources),
    hairpin: forward.hairpin ? 1 : 0,
    adopt: forward.adopt ? 1 : 0,
  };
  apart(db, { hostId: entry.hostId, value: formatNatPort(forward) }, () =>
    db
      .prepare(
        `INSERT INTO nat_forward (id, host_id, family, protocol, listen_address, listen_interface, first_port, last_port, to_host_id, to_address, to_first_port, to_last_port, sources, hairpin, adopt,
           enabled, comment, by, added_at_ms, generation)
         VALUES (@id, @hostId, @family, @protocol, @listenAddress, @listenInterface, @firstPort, @lastPort, @toHostId, @toAddress, @toFirstPort, @toLastPort, @sources, @hairpin, @adopt,
           @enabled, @comment, @by, @now, @generation)`,
      )
      .run(row),
  );
  return row.id;
}

/** Adds a masquerade and answers its number, which is never used again. Errors: NAT_EXISTS (there is one of that source), FIELD_INVALID (too many). */
export function addMasquerade(db: Database, masquerade: NewMasquerade, entry: NewEntry): number {
  requireRoom(db, 'nat_masquerade', entry.hostId, mostNat.masquerades);
  const row = { ...rowOf(db, entry), source: masquerade.source, outInterface: masquerade.outInterface ?? null, toAddress: masquerade.toAddress ?? null, adopt: masquerade.adopt ? 1 : 0 };
  apart(db, { hostId: entry.hostId, value: `masquerade:${masquerade.source}` }, () =>
    db
      .prepare(
        `INSERT INTO nat_masquerade (id, host_id, source, out_interface, to_address, adopt, enabled, comment, by, added_at_ms, generation)
         VALUES (@id, @hostId, @source, @outInterface, @toAddress, @adopt, @enabled, @comment, @by, @now, @generation)`,
      )
      .run(row),
  );
  return row.id;
}

function rowOf(db: Database, entry: NewEntry): Omit<NewEntry, 'enabled'> & { id: number; enabled: number } {
  const id = db.prepare('UPDATE nat_number SET last = last + 1 RETURNING last').pluck().get() as number;
  return { ...entry, id, enabled: entry.enabled ? 1 : 0 };
}

function requireRoom(db: Database, table: 'nat_forward' | 'nat_masquerade', hostId: string, most: number): void {
  const count = db.prepare(`SELECT count(*) FROM ${table} WHERE host_id = ?`).pluck().get(hostId) as number;
  if (count >= most) throw fieldInvalid(table === 'nat_forward' ? 'forward' : 'masquerade', String(count + 1), `at most ${String(most)} in one host`);
}

/** Runs what a trigger may refuse. Errors: NAT_EXISTS, naming the row or the site that is in the way. */
export function apart<T>(db: Database, about: { readonly hostId: string; readonly value: string }, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const [, table, site, id] = error instanceof Sqlite.SqliteError ? (/^(nat_forward|nat_masquerade) meets (site )?([0-9]+)$/.exec(error.message) ?? []) : [];
    if (table === undefined) throw error;
    throw site === undefined ? natExists(db, about, Number(id)) : takenBySite(db, about, Number(id));
  }
}

function natExists(db: Database, about: { readonly hostId: string; readonly value: string }, id: number): ReeveError {
  const rows = natOf(db, about.hostId);
  const other = [...rows.forwards.map((row) => [row.id, describeForward(row)] as const), ...rows.masquerades.map((row) => [row.id, describeMasquerade(row)] as const)].find(([known]) => known === id);
  return reeveError('NAT_EXISTS', { value: about.value, host: getHost(db, about.hostId)?.name ?? about.hostId, rule: `number ${String(id)}, ${other?.[1] ?? 'another one'}` });
}

function takenBySite(db: Database, about: { readonly hostId: string; readonly value: string }, id: number): ReeveError {
  const name = db.prepare('SELECT name FROM vhost WHERE id = ?').pluck().get(id) as string | undefined;
  return reeveError('NAT_EXISTS', { value: about.value, host: getHost(db, about.hostId)?.name ?? about.hostId, rule: `not to another machine, but site "${name ?? '?'}" of its own web server listens there` });
}

/** Enables or disables one; false: it was so. */
export function setNatEnabled(db: Database, which: { readonly id: number; readonly enabled: boolean; readonly generation: number }): boolean {
  const set = (table: 'nat_forward' | 'nat_masquerade'): number =>
    db.prepare(`UPDATE ${table} SET enabled = ?, generation = ? WHERE id = ? AND enabled <> ?`).run(which.enabled ? 1 : 0, which.generation, which.id, which.enabled ? 1 : 0).changes;
  return set('nat_forward') + set('nat_masquerade') > 0;
}

/** Takes one away. */
export function removeNat(db: Database, id: number): void {
  for (const table of ['nat_forward', 'nat_masquerade']) db.prepare(`DELETE FROM ${table} WHERE id = ?`).run(id);
}

/** A host confirmed a generation: what it took over by then is its own. */
export function settleNat(db: Database, hostId: string, generation: number): void {
  for (const table of ['nat_forward', 'nat_masquerade']) db.prepare(`UPDATE ${table} SET adopt = 0 WHERE host_id = ? AND adopt = 1 AND generation <= ?`).run(hostId, generation);
}

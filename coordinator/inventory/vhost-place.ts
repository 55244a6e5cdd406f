import Sqlite from 'better-sqlite3';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { formatListen, listenKey, type VhostListen } from '../../shared/model/vhost-listen.js';
import type { VhostDraft } from '../../shared/model/vhost.js';
import { describeForward } from '../desired/nat.js';
import type { Database } from './database.js';
import { getHost } from './host.js';
import { natOf } from './nat.js';

/*
 * What no two sites of a host may both have: names, and a place where they listen. The schema refuses it; here it is asked for first, so that the error says who is in the way.
 */

/** A site that is stored, or (without an id) is to be. */
interface Placed {
  readonly hostId: string;
  readonly id: number | undefined;
}

function exists(db: Database, hostId: string, value: string, rule: string): ReeveError {
  return reeveError('VHOST_EXISTS', { host: getHost(db, hostId)?.name ?? hostId, value, rule });
}

/** Stores the names that a site answers to; of one that is only to be they are asked for. Errors: VHOST_EXISTS, naming the site that has one. */
export function storeNames(db: Database, { hostId, id }: Placed, site: VhostDraft): void {
  const names = [site.name, ...site.aliases];
  const owner = db.prepare('SELECT vhost.name FROM vhost_name JOIN vhost ON vhost.id = vhost_id WHERE vhost_name.host_id = ? AND vhost_name.name = ? AND vhost_id IS NOT ?').pluck();
  for (const name of names) {
    const other = owner.get(hostId, name, id ?? null) as string | undefined;
    if (other !== undefined) throw exists(db, hostId, `"${name}"`, other === name ? 'no two have the same name' : `it is a name of site "${other}"`);
  }
  if (id === undefined) return;
  db.prepare('DELETE FROM vhost_name WHERE vhost_id = ?').run(id);
  const add = db.prepare('INSERT INTO vhost_name (host_id, name, vhost_id) VALUES (?, ?, ?)');
  for (const name of names) add.run(hostId, name, id);
}

/** Stores where a site listens, instead of where it did. Errors: VHOST_EXISTS (another has the port in another way, or is the default server there), NAT_EXISTS (a forward takes the port). */
export function storeListens(db: Database, { hostId, id }: Placed & { readonly id: number }, site: VhostDraft): void {
  db.prepare('DELETE FROM vhost_listen WHERE vhost_id = ?').run(id);
  db.prepare('DELETE FROM vhost_port WHERE host_id = ? AND NOT EXISTS (SELECT 1 FROM vhost_listen AS listen WHERE listen.host_id = vhost_port.host_id AND listen.port = vhost_port.port)').run(hostId);
  for (const listen of site.listens) {
    requirePort(db, hostId, listen);
    if (site.defaultServer) requireNoDefault(db, hostId, listen);
    const row = { id, hostId, address: listen.address ?? '', port: listen.port, tls: listen.tls ? 1 : 0, single: listen.address === undefined ? 0 : 1, default: site.defaultServer ? 1 : 0 };
    db.prepare('INSERT INTO vhost_port (host_id, port, tls, single) VALUES (@hostId, @port, @tls, @single) ON CONFLICT DO NOTHING').run(row);
    apartFromForwards(db, hostId, listen, () =>
      db.prepare('INSERT INTO vhost_listen (vhost_id, host_id, address, port, tls, single, default_server) VALUES (@id, @hostId, @address, @port, @tls, @single, @default)').run(row),
    );
  }
}

function requirePort(db: Database, hostId: string, listen: VhostListen): void {
  const port = db.prepare('SELECT tls, single FROM vhost_port WHERE host_id = ? AND port = ?').get(hostId, listen.port) as { tls: number; single: number } | undefined;
  if (port === undefined || (port.tls === (listen.tls ? 1 : 0) && port.single === (listen.address === undefined ? 0 : 1))) return;
  const other = db
    .prepare('SELECT name, address, port, tls FROM vhost_listen JOIN vhost ON vhost.id = vhost_id WHERE vhost_listen.host_id = ? AND port = ? AND (tls <> ? OR single <> ?) ORDER BY name LIMIT 1')
    .get(hostId, listen.port, listen.tls ? 1 : 0, listen.address === undefined ? 0 : 1) as { name: string; address: string; port: number; tls: number } | undefined;
  if (other === undefined) return;
  const theirs = { address: other.address === '' ? undefined : other.address, port: other.port, tls: other.tls === 1 };
  const rule = theirs.tls === listen.tls ? 'a port is on all addresses for all sites, or on named ones for all' : 'a port is with TLS for all sites, or for none';
  throw exists(db, hostId, `at port ${String(listen.port)}`, `"${other.name}" listens at ${formatListen(theirs)}, which ${formatListen(listen)} cannot stand beside: ${rule}`);
}

function requireNoDefault(db: Database, hostId: string, { address, port }: VhostListen): void {
  const other = db
    .prepare('SELECT name FROM vhost_listen JOIN vhost ON vhost.id = vhost_id WHERE vhost_listen.host_id = ? AND address = ? AND port = ? AND default_server = 1')
    .pluck()
    .get(hostId, address ?? '', port) as string | undefined;
  if (other !== undefined) throw exists(db, hostId, `that is the default server at ${listenKey({ address, port })}`, `"${other}"`);
}

/** Runs what a trigger of noun nat may refuse. Errors: NAT_EXISTS, naming the forward that takes the port. */
function apartFromForwards(db: Database, hostId: string, listen: VhostListen, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    const [, id] = error instanceof Sqlite.SqliteError ? (/^vhost_listen meets forward ([0-9]+)$/.exec(error.message) ?? []) : [];
    if (id === undefined) throw error;
    const forward = natOf(db, hostId).forwards.find((row) => row.id === Number(id));
    throw reeveError('NAT_EXISTS', { value: `tcp/${String(listen.port)}`, host: getHost(db, hostId)?.name ?? hostId, rule: `number ${id}, ${forward === undefined ? 'another one' : describeForward(forward)}` });
  }
}

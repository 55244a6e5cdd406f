import { reeveError } from '../../shared/errors/error.js';
import type { Database } from './database.js';
import { getGeneration, raiseGeneration } from './generation.js';
import { getHost, type HostRow } from './host.js';
import type { NameOf } from './nat-touched.js';
import { vhostsTo } from './vhost.js';

/**
 * A host was altered: sites that lead to it follow its address. Answers the hosts that are to be told. To be called in the transaction of whatever may have altered a host, with what
 * it was before.
 */
export function followUpstream(db: Database, before: HostRow, now: number): string[] {
  const address = getHost(db, before.id)?.endpoint?.address;
  if (address === undefined || address === before.endpoint?.address) return [];
  // A host reaches its own programs by loopback, whatever its address is.
  const told = new Set(vhostsTo(db, before.id).map(({ hostId }) => hostId).filter((hostId) => hostId !== before.id));
  return [...told].filter((hostId) => raiseVhosts(db, { hostId, toHostId: before.id, now }));
}

/** A host that is to be let go of or taken out is nothing that sites of others lead to. Errors: VHOST_UPSTREAM. */
export function requireNoUpstreams(db: Database, host: HostRow, nameOf: NameOf): void {
  const rows = vhostsTo(db, host.id).filter(({ hostId }) => hostId !== host.id);
  const [first] = rows;
  if (first === undefined) return;
  const front = nameOf(first.hostId);
  const names = rows.filter(({ hostId }) => hostId === first.hostId).map(({ site }) => `"${site.name}"`);
  throw reeveError('VHOST_UPSTREAM', { value: host.name, host: front, rule: `it is to go, and ${names.slice(0, 20).join(', ')} of "${front}" still ${names.length === 1 ? 'leads' : 'lead'} to it; first: reeve vhost set, or reeve vhost remove` });
}

/** A host is to be told another address; false: it lets go of its sites, or of everything. */
function raiseVhosts(db: Database, { hostId, toHostId, now }: { hostId: string; toHostId: string; now: number }): boolean {
  const known = getGeneration(db, hostId, 'vhost');
  if (known === undefined || known.released || getGeneration(db, hostId, 'host') !== undefined) return false;
  const generation = raiseGeneration(db, { hostId, noun: 'vhost', now, released: false });
  db.prepare('UPDATE vhost SET generation = ? WHERE host_id = ? AND id IN (SELECT vhost_id FROM vhost_upstream WHERE to_host_id = ?)').run(generation, hostId, toHostId);
  return true;
}

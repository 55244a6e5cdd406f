import { reeveError, ReeveError } from '../../shared/errors/error.js';
import { familyOf, formatNatPort, parseNatAddress } from '../../shared/model/nat.js';
import { expandIpv6 } from '../../shared/model/host.js';
import type { ForwardRow } from '../desired/nat.js';
import type { Database } from './database.js';
import { getGeneration, raiseGeneration } from './generation.js';
import { getHost, type HostRow } from './host.js';
import { apart, forwardsTo } from './nat.js';

/** How a host is named to whoever asks. */
export type NameOf = (hostId: string) => string;

/**
 * A host was altered: forwards that lead to it follow its address. Answers the hosts that are to be told. To be called in the transaction of whatever may have
 * altered a host, with what it was before. Errors: NAT_DESTINATION (it does not live there any more, or its address cannot be forwarded to as they are), NAT_EXISTS.
 */
export function followDestination(db: Database, before: HostRow, now: number, nameOf: NameOf): string[] {
  const after = getHost(db, before.id);
  const rows = forwardsTo(db, before.id);
  if (after === undefined || rows.length === 0) return [];
  for (const row of rows) requireLeads(row, after, nameOf);
  const address = after.endpoint?.address;
  if (address === undefined || address === before.endpoint?.address) return [];
  const family = familyOf(address);
  for (const row of rows) {
    apart(db, { hostId: row.hostId, value: formatNatPort(row) }, () => db.prepare('UPDATE nat_forward SET family = ? WHERE id = ? AND family <> ?').run(family, row.id, family));
  }
  const told = new Set(rows.filter(({ enabled }) => enabled).map(({ hostId }) => hostId));
  return [...told].filter((hostId) => raiseNat(db, { hostId, toHostId: after.id, now }));
}

/** A host that is to be let go of or taken out is no destination of any other. Errors: NAT_DESTINATION. */
export function requireNoForwards(db: Database, host: HostRow, nameOf: NameOf): void {
  const rows = forwardsTo(db, host.id);
  const [first] = rows;
  if (first === undefined) return;
  const ports = rows.filter(({ hostId }) => hostId === first.hostId).map(formatNatPort);
  const parent = nameOf(first.hostId);
  throw reeveError('NAT_DESTINATION', { value: host.name, host: parent, rule: `it is to go, and ${ports.slice(0, 20).join(', ')} of "${parent}" still ${ports.length === 1 ? 'leads' : 'lead'} to it; first: reeve nat remove` });
}

function requireLeads(row: ForwardRow, after: HostRow, nameOf: NameOf): void {
  const parent = nameOf(row.hostId);
  const refuse = (rule: string): ReeveError => reeveError('NAT_DESTINATION', { value: after.name, host: parent, rule: `${rule}, and ${formatNatPort(row)} of "${parent}" leads to it; first: reeve nat remove` });
  if (after.parentId !== row.hostId) throw refuse('it would not live there any more');
  const address = after.endpoint?.address;
  if (address === undefined) return;
  try {
    parseNatAddress('address', address);
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    throw refuse(`${address} is no address that can be forwarded to`);
  }
  const others = [...(row.listen.kind === 'address' ? [row.listen.address] : []), ...row.sources].map((text) => text.split('/')[0] ?? '');
  if (others.some((other) => familyOf(other) !== familyOf(address))) throw refuse(`${address} is ${expandIpv6(address) === undefined ? 'IPv4' : 'IPv6'}`);
}

/** A host that forwards is to be told something else of one destination; false: it lets go of its forwards, or of everything. */
function raiseNat(db: Database, { hostId, toHostId, now }: { hostId: string; toHostId: string; now: number }): boolean {
  const known = getGeneration(db, hostId, 'nat');
  if (known === undefined || known.released || getGeneration(db, hostId, 'host') !== undefined) return false;
  const generation = raiseGeneration(db, { hostId, noun: 'nat', now, released: false });
  db.prepare('UPDATE nat_forward SET generation = ? WHERE host_id = ? AND to_host_id = ? AND enabled = 1').run(generation, hostId, toHostId);
  return true;
}

import { reeveError } from '../../shared/errors/error.js';
import type { Database } from '../inventory/database.js';
import { selectHosts, type HostRow } from '../inventory/host.js';

/** The hosts of a selector that can be changed: revoked ones are left out, but refused when one is named alone. Errors: SELECTOR_*, HOST_UNKNOWN, HOST_REVOKED. */
export function changeableHosts(db: Database, selector: string): HostRow[] {
  const selected = selectHosts(db, selector);
  const hosts = selected.filter((host) => host.state !== 'revoked');
  if (hosts.length > 0) return hosts;
  throw reeveError('HOST_REVOKED', { host: selected[0]?.name ?? selector });
}

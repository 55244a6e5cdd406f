import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { formatLabel } from '../../shared/model/label.js';
import { parseSelector } from '../../shared/model/selector.js';
import type { Database } from '../inventory/database.js';
import { findHost, getHost, hasLabel, hostsWithLabel, listHosts, selectHosts, type HostRow } from '../inventory/host.js';
import type { OperatorCaller } from './caller.js';

/*
 * The only way from a name or a selector to hosts in this folder; a test asserts it. A caller with a scope sees and changes the hosts that have one of
 * its labels. All others do not exist for it: HOST_UNKNOWN, and "all" is all of the scope.
 */

/** As much of a caller as says which hosts exist for it. */
export type Scoped = Pick<OperatorCaller, 'scope'>;

/** Whether a host exists for this caller. */
export function inScope(db: Database, caller: Scoped, hostId: string): boolean {
  return caller.scope === undefined || caller.scope.some((label) => hasLabel(db, hostId, label));
}

/** How hosts are named to a caller: those outside its scope are not. */
export function nameFor(db: Database, caller: Scoped): (hostId: string) => string {
  return (hostId) => (inScope(db, caller, hostId) ? (getHost(db, hostId)?.name ?? hostId) : 'a host outside your scope');
}

/** A host by name or id, not retired. Errors: HOST_UNKNOWN, HOST_RETIRED. */
export function hostFor(db: Database, caller: Scoped, nameOrId: string): HostRow {
  const unknown = (): ReeveError => reeveError('HOST_UNKNOWN', { value: nameOrId });
  let host: HostRow;
  try {
    host = findHost(db, nameOrId);
  } catch (error) {
    // Only an id finds a retired host.
    if (error instanceof ReeveError && error.code === 'HOST_RETIRED' && !inScope(db, caller, nameOrId)) throw unknown();
    throw error;
  }
  if (!inScope(db, caller, host.id)) throw unknown();
  return host;
}

/** The hosts of a selector, sorted by name, without the retired. Errors: SELECTOR_INVALID, SELECTOR_EMPTY, HOST_UNKNOWN. */
export function hostsFor(db: Database, caller: Scoped, selector: string): HostRow[] {
  if (caller.scope === undefined) return selectHosts(db, selector);
  if (parseSelector(selector).kind === 'name') return [hostFor(db, caller, selector)];
  const visible = idsInScope(db, caller);
  const hosts = selectHosts(db, selector).filter((host) => visible.has(host.id));
  if (hosts.length === 0) throw reeveError('SELECTOR_EMPTY', { value: selector });
  return hosts;
}

/** All hosts of a caller but the retired (those too when asked), sorted by name; perhaps none. */
export function visibleHosts(db: Database, caller: Scoped, options: { retired: boolean } = { retired: false }): HostRow[] {
  const hosts = listHosts(db, options);
  if (caller.scope === undefined) return hosts;
  const visible = idsInScope(db, caller);
  return hosts.filter((host) => visible.has(host.id));
}

/** Of these hosts those that exist for the caller and can be told something, sorted by name. */
export function hostsWithIds(db: Database, caller: Scoped, ids: ReadonlySet<string>): HostRow[] {
  if (ids.size === 0) return [];
  return visibleHosts(db, caller).filter((host) => ids.has(host.id) && host.state !== 'revoked');
}

/** The hosts that a list is about: those of the selector; without one all, and an empty fleet is no mistake then. */
export function listedHosts(db: Database, caller: Scoped, selector: string): HostRow[] {
  return selector === '' ? visibleHosts(db, caller) : hostsFor(db, caller, selector);
}

/** The one host of a command that changes it. Errors: HOST_UNKNOWN, HOST_RETIRED, HOST_REVOKED. */
export function changeableHost(db: Database, caller: Scoped, nameOrId: string): HostRow {
  const host = hostFor(db, caller, nameOrId);
  if (host.state === 'revoked') throw reeveError('HOST_REVOKED', { host: host.name });
  return host;
}

/** The hosts of a selector that can be changed: revoked ones are left out, but refused when one is named alone. Errors: SELECTOR_*, HOST_UNKNOWN, HOST_REVOKED. */
export function changeableHosts(db: Database, caller: Scoped, selector: string): HostRow[] {
  const selected = hostsFor(db, caller, selector);
  const hosts = selected.filter((host) => host.state !== 'revoked');
  if (hosts.length > 0) return hosts;
  throw reeveError('HOST_REVOKED', { host: selected[0]?.name ?? selector });
}

/**
 * Refuses, inside the transaction that altered or made a host, what would leave it outside the caller's own scope: nobody hands a host away, or makes one
 * that he cannot see. Errors: SCOPE_REFUSED.
 */
export function assertStaysInScope(db: Database, caller: Scoped, host: { id: string; name: string }, what: string): void {
  if (inScope(db, caller, host.id)) return;
  throw reeveError('SCOPE_REFUSED', { value: caller.scope?.map(formatLabel).join(' or ') ?? '', rule: `${what} "${host.name}" without one of these labels` });
}

/** A host of any scope that has this name already; names are unique in the whole fleet, so a caller with a scope can learn that one is taken. */
export function hostWithName(db: Database, name: string): HostRow | undefined {
  return listHosts(db).find((host) => host.name === name);
}

function idsInScope(db: Database, caller: Scoped): ReadonlySet<string> {
  return new Set((caller.scope ?? []).flatMap((label) => hostsWithLabel(db, label)));
}

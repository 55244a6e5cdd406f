import { reeveError, ReeveError } from '../../shared/errors/error.js';
import { formatLabel } from '../../shared/model/label.js';
import { isOfOneMachine } from '../../shared/model/vhost-listen.js';
import type { WireVhostRoute } from '../../shared/model/vhost-route.js';
import type { WireVhostUpstream } from '../../shared/model/vhost-upstream.js';
import type { Database } from '../inventory/database.js';
import { getGeneration } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { hostNoun } from '../reconcile/host.js';
import { isOfOthers } from './nat-destination.js';
import { hostFor, type Scoped } from './select.js';

/** Routes from the wire with the ids of the hosts that they lead to. Errors: HOST_UNKNOWN, HOST_RELEASING, VHOST_UPSTREAM, SCOPE_REFUSED. */
export function resolveRoutes(db: Database, caller: Scoped, host: HostRow, routes: readonly WireVhostRoute[]): WireVhostRoute[] {
  return mapUpstreams(routes, (upstream) => {
    if (upstream.host === '') {
      requireReachable(db, caller, host, upstream.address);
      return upstream;
    }
    const to = hostFor(db, caller, upstream.host);
    if (to.id !== host.id) requireLed(db, host, to);
    return { ...upstream, host: to.id };
  });
}

/** Routes with every upstream as `map` leaves it. */
export function mapUpstreams(routes: readonly WireVhostRoute[], map: (upstream: WireVhostUpstream) => WireVhostUpstream): WireVhostRoute[] {
  const each = (upstream: WireVhostUpstream | null | undefined): WireVhostUpstream | null => (upstream === null || upstream === undefined ? null : map(upstream));
  return routes.map((route) => ({
    ...route,
    ...(route.proxy === undefined || route.proxy === null ? {} : { proxy: { ...route.proxy, to: each(route.proxy.to) } }),
    ...(route.uwsgi === undefined ? {} : { uwsgi: each(route.uwsgi) }),
    ...(route.fastcgi === undefined ? {} : { fastcgi: each(route.fastcgi) }),
  }));
}

/** What is behind a site of somebody with a scope is no machine of others. */
function requireReachable(db: Database, caller: Scoped, host: HostRow, address: string): void {
  if (address === '' || !isOfOthers(db, caller, host, address)) return;
  throw reeveError('SCOPE_REFUSED', { value: (caller.scope ?? []).map(formatLabel).join(' or '), rule: `pass on to ${address}` });
}

function requireLed(db: Database, host: HostRow, to: HostRow): void {
  const refuse = (rule: string): ReeveError => reeveError('VHOST_UPSTREAM', { value: to.name, host: host.name, rule });
  if (getGeneration(db, to.id, hostNoun.name) !== undefined) throw reeveError('HOST_RELEASING', { host: to.name });
  const address = to.endpoint?.address;
  if (address === undefined) throw refuse('its address is not known');
  if (!isOfOneMachine(address)) throw refuse(`its address is ${address}, by which no other machine reaches it`);
}

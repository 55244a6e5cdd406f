import type { VhostRoute } from '../../shared/model/vhost-route.js';
import type { UpstreamRef } from '../../shared/model/vhost-upstream.js';
import { resolveVhost, type Vhost, type VhostDraft } from '../../shared/model/vhost.js';

/** A site that its host does not have as it should be. */
export interface ParkedVhost {
  /** What the host says of it. Hostile: to be escaped where it is shown. */
  readonly problem: string;
  /** The site as it was before is served; else nothing of it is. */
  readonly servesBefore: boolean;
  /** Unix ms. */
  readonly sinceMs: number;
}

/** A file of somebody else whose sites are taken over. */
export interface TakeOver {
  readonly file: string;
  /** Also when the new ones answer otherwise. */
  readonly acceptDifferences: boolean;
}

/** A site of the inventory. */
export interface VhostRow {
  readonly id: number;
  readonly hostId: string;
  /** Upstreams that are hosts of the inventory have their ids. */
  readonly site: VhostDraft;
  /** What it takes over; undefined: nothing, or it has. */
  readonly takeOver: TakeOver | undefined;
  /** The operator who added it. */
  readonly by: string;
  readonly addedAtMs: number;
  /** The generation of noun vhost at which this row was last altered. */
  readonly generation: number;
  readonly parked: ParkedVhost | undefined;
}

/** A host that sites lead to. */
export interface UpstreamHost {
  readonly name: string;
  /** undefined: not known yet. */
  readonly address: string | undefined;
}

/** All that the inventory has of the sites of a host. */
export interface VhostRows {
  readonly hostId: string;
  /** By name. */
  readonly rows: readonly VhostRow[];
  /** The hosts that they lead to, by id. */
  readonly upstreams: ReadonlyMap<string, UpstreamHost>;
}

/** What the agent of a host is asked to make so. */
export interface DesiredVhosts {
  /** By name. */
  readonly sites: readonly Vhost[];
  /** Names of those for whose sake it is asked: those of the generation. */
  readonly about: readonly string[];
  /** What goes in the same step. */
  readonly takeOver: TakeOver | undefined;
}

/** Where a program of the host itself is reached: it need not listen on an address that others see. */
const itself = '127.0.0.1';

/** What the agent of a host is asked to make so at a generation. A host of the inventory stands as its address, the host itself as loopback. */
export function desiredVhosts({ hostId, rows, upstreams }: VhostRows, generation: number): DesiredVhosts {
  const addressOf = (id: string): string | undefined => (id === hostId ? itself : upstreams.get(id)?.address);
  return {
    sites: rows.map(({ site }) => resolveVhost({ ...site, routes: site.routes.map((route) => reachable(route, addressOf)) }, (id) => addressOf(id) ?? itself)),
    about: rows.filter((row) => row.generation === generation).map(({ site }) => site.name),
    takeOver: rows.find(({ takeOver }) => takeOver !== undefined)?.takeOver,
  };
}

/** A route to a host whose address is not known answers that nobody is there: the rest of the site is served. */
function reachable(route: VhostRoute<UpstreamRef>, addressOf: (id: string) => string | undefined): VhostRoute<UpstreamRef> {
  if (route.kind !== 'proxy' && route.kind !== 'uwsgi' && route.kind !== 'fastcgi') return route;
  if (route.to.kind !== 'host' || addressOf(route.to.host) !== undefined) return route;
  const { prefix, headers, allow, users, open, bodyLimitBytes } = route;
  return { prefix, headers, allow, users, open, bodyLimitBytes, kind: 'status', code: 503, text: '' };
}

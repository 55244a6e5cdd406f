import { newId } from '../../shared/kit/id.js';
import { keyOfCause, type AlertRow, type Cause } from '../desired/alert.js';
import { takes } from '../desired/alert-tell.js';
import { listRoutes } from '../inventory/alert-route.js';
import type { World } from '../world.js';
import { createMatches } from './alert-match.js';
import { toldAlert, type Sender } from './alert-send.js';

/**
 * Tells alerts of a coordinator that cannot write: its disk is full, or its database damaged, which is what somebody has to hear of first. What was told is remembered by this process
 * only, so that it is told again after a restart, and once more, as an alert, when the database can be written.
 */
export interface Unwritten {
  /** Tells what was not told so. */
  tell(causes: readonly (Cause & { readonly sinceMs: number })[], open: readonly AlertRow[]): void;
  /** The database can be written. */
  clear(): void;
  idle(): Promise<void>;
}

/** Makes one. */
export function createUnwritten(world: World, sender: Sender, link: string | undefined): Unwritten {
  const { db, clock, log, authority } = world;
  /** What a route was told, or is being told. */
  const told = new Set<string>();
  const underWay = new Set<Promise<void>>();
  return {
    tell(causes, open) {
      const known = new Set(open.map(keyOfCause));
      const matches = createMatches(db);
      const now = clock.now();
      for (const route of listRoutes(db)) {
        const keyed = causes.map((cause) => ({ cause, key: `${String(route.id)} ${keyOfCause(cause)}` }));
        const fresh = keyed.filter(({ cause, key }) => !told.has(key) && !known.has(keyOfCause(cause)) && takes(route, cause) && matches({ selector: route.selector, scope: undefined }, cause.hostId));
        if (fresh.length === 0) continue;
        for (const { key } of fresh) told.add(key);
        const entries = fresh.map(({ cause }) => ({ what: 'open' as const, openedIn: undefined, alert: toldAlert(world, { ...cause, id: 0, openedAtMs: now, endedAtMs: undefined }) }));
        const work = sender
          .sendUnwritten(route, { id: newId(now), fleetId: authority.fleetId, routeId: route.id, madeAtMs: now, entries, link })
          .then((sent) => {
            if (sent.ok) return;
            log.warn({ route: route.id, problem: sent.problem }, 'alerts could not be told');
            for (const { key } of fresh) told.delete(key);
          })
          .finally(() => underWay.delete(work));
        underWay.add(work);
      }
    },
    clear: () => told.clear(),
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

import { waitFor } from '../../shared/kit/deadline.js';
import { routeSubject, type Cause, type RouteRow } from '../desired/alert.js';
import { alertCauses, isUndecided, type Fed } from '../desired/alert-cause.js';
import { nothingWatched, stepAlerts, type AlertStep, type Watched } from '../desired/alert-step.js';
import { tellAlerts, type Telling } from '../desired/alert-tell.js';
import type { Fleet } from '../fleet/fleet.js';
import { endAlert, endedToTell, openAlert, openAlerts, tidyAlerts, updateAlert } from '../inventory/alert.js';
import { tidyBoots } from '../inventory/alert-boot.js';
import { addItem, dropItem, listItems, waitingRoutes } from '../inventory/alert-message.js';
import { listRoutes, routeState } from '../inventory/alert-route.js';
import { isUnwritable, noting, writing } from '../inventory/write.js';
import type { Sent } from '../notify/message.js';
import type { Send } from '../notify/send.js';
import type { World } from '../world.js';
import { createFeed } from './alert-feed.js';
import { createMatches } from './alert-match.js';
import { muteLookup } from './alert-mute.js';
import { createSender, makeMessages } from './alert-send.js';
import { createUnwritten } from './alert-unwritten.js';

/** Time between two looks, ms. */
const lookMs = 30_000;

/** How long sending by a route fails before that is an alert for the others, ms. */
const failingMs = 600_000;

/** Longest time that an end waits for messages that are under way, ms. */
const closeMs = 5_000;

/** Opens and ends alerts, and has them told. */
export interface AlertKeeper {
  /** Looks now, and begins to send what is due. */
  look(): void;
  /** Something of mutes, holds or routes is another: looks soon. */
  changed(): void;
  /** Sends a test message by a route, and waits for what becomes of it. */
  test(route: RouteRow): Promise<Sent>;
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** How alerts are told. */
export interface AlertOptions {
  readonly send: Send;
  /** The status page; undefined: none was named. */
  readonly link: string | undefined;
  readonly onBug: (error: unknown) => void;
}

/** Begins to watch over the fleet. What is open, and owed, is in the inventory; only hold-offs that no cause tells begin anew with a new process. */
export function keepAlerts(world: World, fleet: Fleet, { send, link, onBug }: AlertOptions): AlertKeeper {
  const { db, log } = world;
  const feed = createFeed(world, fleet);
  const sender = createSender(world, send, link);
  const unwritten = createUnwritten(world, sender, link);
  let watched: Watched = nothingWatched;
  let closed = false;
  const look = (): void => {
    if (closed) return;
    const open = openAlerts(db);
    const fed = feed.gather(new Set(open.flatMap(({ kind, hostId }) => (kind === 'host-lost' && hostId !== undefined ? [hostId] : []))));
    const causes = [...alertCauses(fed), ...routeCauses(world, fed.now)];
    const step = stepAlerts({ now: fed.now, open, causes, undecided: isUndecided(fed), watched });
    watched = step.watched;
    try {
      if (store(world, fleet, step, fed)) unwritten.clear();
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      log.error({ err: error }, 'alerts could not be written; they are told without that');
      // Not stored: at the next look they are opened again.
      const mutedBy = muteLookup(world, fleet);
      unwritten.tell(step.open.filter((cause) => mutedBy(cause) === ''), open);
    }
    sender.send();
  };
  const guarded = (): void => {
    try {
      look();
    } catch (error) {
      onBug(error);
    }
  };
  let soon: NodeJS.Immediate | undefined;
  const timer = setInterval(guarded, lookMs);
  timer.unref();
  const first = setImmediate(guarded);
  return {
    look,
    changed() {
      soon ??= setImmediate(() => {
        soon = undefined;
        guarded();
      });
    },
    test: (route) => sender.test(route),
    idle: () => Promise.all([sender.idle(), unwritten.idle()]).then(() => undefined),
    async close() {
      closed = true;
      clearInterval(timer);
      clearImmediate(first);
      if (soon !== undefined) clearImmediate(soon);
      const stop = new AbortController();
      await Promise.race([Promise.all([sender.idle(), unwritten.idle()]), waitFor(closeMs, stop.signal)]);
      stop.abort();
      sender.close();
    },
  };
}

/** Stores what a look found, and what is to be told of it, in one transaction; a look that found nothing new writes nothing. Answers whether it wrote. */
function store(world: World, fleet: Fleet, step: AlertStep, { now }: Fed): boolean {
  const { db } = world;
  if (step.open.length > 0 || step.end.length > 0 || step.update.length > 0) {
    writing(db, () => {
      for (const cause of step.open) openAlert(db, cause, now);
      for (const { id, cause } of step.update) updateAlert(db, id, cause);
      for (const id of step.end) endAlert(db, id, now);
      storeTelling(world, telling(world, fleet, now), now);
    });
    return true;
  }
  const { add, drop } = telling(world, fleet, now);
  if (add.length === 0 && drop.length === 0 && waitingRoutes(db).length === 0) return false;
  writing(db, () => storeTelling(world, { add, drop }, now));
  return true;
}

function telling(world: World, fleet: Fleet, now: number): Telling {
  const { db } = world;
  const routes = listRoutes(db);
  if (routes.length === 0) return { add: [], drop: [] };
  const matches = createMatches(db);
  const mutedBy = muteLookup(world, fleet, matches);
  const alerts = [...openAlerts(db), ...endedToTell(db)];
  return tellAlerts({ now, alerts, routes, items: listItems(db), isMuted: (alert) => mutedBy(alert) !== '', matches: (route, alert) => matches({ selector: route.selector, scope: undefined }, alert.hostId) });
}

function storeTelling(world: World, { add, drop }: Telling, now: number): void {
  for (const id of drop) dropItem(world.db, id);
  for (const item of add) addItem(world.db, { ...item, owedAtMs: now });
  makeMessages(world);
}

/** Routes by which nothing can be sent: the others tell. */
function routeCauses({ db }: World, now: number): Cause[] {
  return listRoutes(db).flatMap((route) => {
    const { problem, problemSinceMs } = routeState(db, route.id);
    if (problemSinceMs === undefined || now - problemSinceMs < failingMs) return [];
    const text = `${problem}; see: reeve alert route list`;
    return [{ kind: 'health', hostId: undefined, subject: routeSubject(route.id), severity: 'error', title: `alerts cannot be told by route ${String(route.id)}`, text, sinceMs: problemSinceMs, folded: [] }];
  });
}

/** Forgets alerts and starts of hosts that are too old to matter. */
export function tidyAlertRows({ db, log }: World, now: number): void {
  noting(db, log, () => {
    tidyAlerts(db, now);
    tidyBoots(db, now);
  });
}

import { backoffMs } from '../../shared/kit/backoff.js';
import { newId } from '../../shared/kit/id.js';
import { random } from '../../shared/kit/random.js';
import { createSemaphore } from '../../shared/kit/semaphore.js';
import type { MessageRow, RouteRow } from '../desired/alert.js';
import { addMessage, beginAttempt, lastMessageAt, messageItems, noteFailed, noteSent, owedMessages, waitingRoutes } from '../inventory/alert-message.js';
import { listRoutes } from '../inventory/alert-route.js';
import { getHost } from '../inventory/host.js';
import { getPerson, isActive } from '../inventory/person.js';
import { noting } from '../inventory/write.js';
import type { Entry, Message, Sent, ToldAlert } from '../notify/message.js';
import type { Destination, Send } from '../notify/send.js';
import type { AlertRow } from '../desired/alert.js';
import type { World } from '../world.js';

/** What comes within this time after a message of a route waits, and goes together as the next one, ms. */
export const digestMs = 60_000;

/** Most alerts of one message: all there are when a whole fleet is cut off. */
const mostEntries = 20_000;

/** Waits between tries, ms; a message is given up after `giveUpMs`, one that was refused for good after `permanentTries`. */
const retry = { baseMs: 30_000, maxMs: 900_000, giveUpMs: 24 * 3_600_000, permanentTries: 3 } as const;

/** A try that nobody knows the end of is made again after this, ms. */
const unknownMs = 60_000;

/** Sends what is owed. */
export interface Sender {
  /** Begins to send what is due; does not wait for it. */
  send(): void;
  /** Sends a test message by a route, and waits for what becomes of it. */
  test(route: RouteRow): Promise<Sent>;
  /** Sends a message that stands in no journal: for a coordinator that cannot write. */
  sendUnwritten(route: RouteRow, message: Message): Promise<Sent>;
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
  /** Nothing is sent or noted any more: of what is under way nobody knows the end, so that it is tried again by the next process. */
  close(): void;
}

/** Makes a sender. Of each route one message is under way at a time. */
export function createSender(world: World, send: Send, link: string | undefined): Sender {
  const { db, clock, log } = world;
  const lanes = createSemaphore(8);
  const underWay = new Map<string, Promise<void>>();
  let closed = false;
  const bare = (route: RouteRow, id: string): Message => ({ id, fleetId: world.authority.fleetId, routeId: route.id, madeAtMs: clock.now(), entries: [], link });
  const deliver = async (route: RouteRow, message: Message): Promise<Sent> => {
    const destination = destinationOf(world, route);
    if ('problem' in destination) return { ok: false, problem: destination.problem, permanent: false };
    return lanes.run(() => send(destination, message));
  };
  const attempt = async (row: MessageRow, route: RouteRow): Promise<void> => {
    const entries = messageItems(db, row.id).map(({ what, alert, openedIn }): Entry => ({ what, alert: toldAlert(world, alert), openedIn }));
    // Written before it is sent: what a crash leaves behind is tried again, under the same id.
    if (!noting(db, log, () => beginAttempt(db, row.id, clock.now() + unknownMs))) return;
    const sent = entries.length === 0 ? ({ ok: true, answer: '' } as const) : await deliver(route, { ...bare(route, row.id), madeAtMs: row.madeAtMs, entries });
    if (closed) return;
    const now = clock.now();
    if (sent.ok) {
      noting(db, log, () => noteSent(db, row.id, now));
      return;
    }
    const over = now - row.madeAtMs >= retry.giveUpMs || (sent.permanent && row.attempts + 1 >= retry.permanentTries);
    log.warn({ route: route.id, message: row.id, problem: sent.problem, over }, 'alerts could not be told');
    // At least half of the wait: a mail server that is down is not asked at once again.
    const waitMs = Math.min(retry.maxMs, retry.baseMs * 2 ** Math.min(row.attempts, 30));
    const nextAtMs = now + Math.floor(waitMs / 2) + backoffMs(0, { baseMs: waitMs / 2, maxMs: waitMs / 2, random });
    noting(db, log, () => noteFailed(db, row.id, { problem: sent.problem, nextAtMs, droppedAtMs: over ? now : undefined }));
  };
  return {
    send() {
      if (closed) return;
      const routes = new Map(listRoutes(db).map((route) => [route.id, route]));
      for (const row of owedMessages(db)) {
        const route = routes.get(row.routeId);
        if (route === undefined || underWay.has(row.id) || row.nextAtMs > clock.now()) continue;
        const work = attempt(row, route).finally(() => underWay.delete(row.id));
        underWay.set(row.id, work);
      }
    },
    test: (route) => deliver(route, bare(route, newId(clock.now()))),
    sendUnwritten: deliver,
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
    close: () => void (closed = true),
  };
}

/** Puts what waits into messages: of each route at once when its last message is a minute old and none is owed, else later, together with what comes until then. Inside a transaction. */
export function makeMessages({ db, clock }: Pick<World, 'db' | 'clock'>): void {
  const now = clock.now();
  const owing = new Set(owedMessages(db).map(({ routeId }) => routeId));
  for (const routeId of waitingRoutes(db)) {
    const lastMs = lastMessageAt(db, routeId);
    // A clock that was set back must not keep a route silent.
    if (owing.has(routeId) || (lastMs !== undefined && now >= lastMs && now - lastMs < digestMs)) continue;
    addMessage(db, { id: newId(now), routeId, madeAtMs: now }, mostEntries);
  }
}

/** Where a route leads now. */
function destinationOf({ db, clock }: World, { target }: RouteRow): Destination | { readonly problem: string } {
  if (target.way !== 'mail') return target;
  const person = getPerson(db, target.person);
  if (person === undefined || !isActive(person, clock.now())) return { problem: `${target.person} is not active any more` };
  return person.mail === '' ? { problem: `${target.person} has no mail address` } : { way: 'mail', address: person.mail };
}

/** An alert with the names that its hosts have now. */
export function toldAlert({ db }: Pick<World, 'db'>, alert: AlertRow): ToldAlert {
  const nameOf = (hostId: string): string => getHost(db, hostId)?.name ?? hostId;
  const { id, kind, severity, subject, title, text, sinceMs, openedAtMs, endedAtMs } = alert;
  return { id, kind, severity, hostName: alert.hostId === undefined ? undefined : nameOf(alert.hostId), subject, title, text, sinceMs, openedAtMs, endedAtMs, folded: alert.folded.map(nameOf) };
}

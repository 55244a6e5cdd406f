import { alertKindRows, isAtLeast } from '../../shared/model/alert.js';
import { routeSubject, type AlertRow, type ItemKind, type ItemRow, type RouteRow } from './alert.js';

/** How long after a route was told of an alert it is reminded, ms. */
export const remindMs = 24 * 3_600_000;

/** What becomes of what is told by one look. */
export interface Telling {
  readonly add: readonly { readonly alertId: number; readonly routeId: number; readonly what: ItemKind }[];
  /** Ids of items that are not to be told any more. */
  readonly drop: readonly number[];
}

/** What a telling is made from. */
export interface TellInput {
  readonly now: number;
  /** Open ones, and those that are over without everybody knowing it. */
  readonly alerts: readonly AlertRow[];
  readonly routes: readonly RouteRow[];
  readonly items: readonly ItemRow[];
  readonly isMuted: (alert: AlertRow) => boolean;
  /** Whether the selector of a route names the host of an alert. */
  readonly matches: (route: RouteRow, alert: AlertRow) => boolean;
}

/** Whether a route is for such alerts. */
export function takes(route: Pick<RouteRow, 'id' | 'kinds' | 'severity'>, alert: Pick<AlertRow, 'kind' | 'severity' | 'subject'>): boolean {
  if (alert.kind === 'health' && alert.subject === routeSubject(route.id)) return false;
  const wanted = route.kinds.length === 0 ? !alertKindRows[alert.kind].named : route.kinds.includes(alert.kind);
  return wanted && isAtLeast(alert.severity, route.severity);
}

/**
 * What is to be told to whom: the opening once, a reminder each 24 h after it was sent, the end to those who heard, or may have heard, of the opening. Of a muted alert nothing is begun, and what
 * waits is dropped, so that it is told when the mute ends and it still stands. An alert that is over before anybody tried to tell it is not told.
 */
export function tellAlerts({ now, alerts, routes, items, isMuted, matches }: TellInput): Telling {
  const byPair = new Map<string, ItemRow[]>();
  const pair = (alertId: number, routeId: number): string => `${String(alertId)} ${String(routeId)}`;
  for (const item of items) byPair.set(pair(item.alertId, item.routeId), [...(byPair.get(pair(item.alertId, item.routeId)) ?? []), item]);
  const add: Telling['add'][number][] = [];
  const drop: number[] = [];
  for (const alert of alerts) {
    const muted = alert.endedAtMs === undefined && isMuted(alert);
    for (const route of routes) {
      const told = byPair.get(pair(alert.id, route.id)) ?? [];
      const waiting = told.filter(({ message }) => message === undefined);
      if (alert.endedAtMs !== undefined) {
        drop.push(...waiting.filter(({ what }) => what !== 'end').map(({ id }) => id));
        const heard = told.some(({ what, message }) => what === 'open' && message?.tried === true);
        if (heard && !told.some(({ what }) => what === 'end')) add.push({ alertId: alert.id, routeId: route.id, what: 'end' });
        continue;
      }
      if (muted) {
        drop.push(...waiting.map(({ id }) => id));
        continue;
      }
      if (!told.some(({ what }) => what === 'open')) {
        if (takes(route, alert) && matches(route, alert)) add.push({ alertId: alert.id, routeId: route.id, what: 'open' });
        continue;
      }
      if (route.remind && isReminderDue(told, now)) add.push({ alertId: alert.id, routeId: route.id, what: 'remind' });
    }
  }
  return { add, drop };
}

/** Whether the last word on an alert was sent, or given up, long enough ago. */
function isReminderDue(told: readonly ItemRow[], now: number): boolean {
  return told.every(({ message, owedAtMs }) => message !== undefined && (message.sentAtMs === undefined ? message.dropped && now - owedAtMs >= remindMs : now - message.sentAtMs >= remindMs));
}

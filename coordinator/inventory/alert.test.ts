import { describe, expect, it } from 'vitest';
import type { AlertRow, Cause, RouteRow } from '../desired/alert.js';
import { endAlert, endedToTell, listAlerts, openAlert, openAlerts, tidyAlerts, toldCounts, updateAlert } from './alert.js';
import { addBoot, lastBoots, rebootsSince, tidyBoots } from './alert-boot.js';
import { addItem, addMessage, beginAttempt, dropItem, lastMessageAt, listItems, messageItems, noteFailed, noteSent, owedMessages, waitingRoutes } from './alert-message.js';
import { addMute, findMute, listMutes, removeMute } from './alert-mute.js';
import { addRoute, findRoute, listRoutes, removeRoute, routeState } from './alert-route.js';
import { openDatabase, type Database } from './database.js';
import { addHost } from './host.js';
import { addPerson, removePerson } from './person.js';

const web1 = '01936f3e-8c2a-7c4e-9a3c-000000000001';
const message = (index: number): string => `01936f3e-8c2a-7c4e-9a3c-${String(index).padStart(12, '0')}`;
const day = 86_400_000;
const cause: Cause & { sinceMs: number } = { kind: 'disk', hostId: web1, subject: '/', severity: 'warning', title: '/ will be full soon', text: 'df', sinceMs: 5, folded: [] };
const route: Omit<RouteRow, 'id'> = { target: { way: 'mail', person: 'ada' }, kinds: ['disk'], severity: 'warning', selector: 'site=ams', remind: true, by: 'root', addedAtMs: 1 };

const getAlert = (db: Database, id: number): AlertRow | undefined => listAlerts(db, { ended: true }).find((alert) => alert.id === id);

function inventory(): Database {
  const db = openDatabase(':memory:');
  addHost(db, { id: web1, name: 'web1', endpoint: undefined, parentId: undefined, now: 1 });
  addPerson(db, { name: 'ada', displayName: '', mail: 'ada@example.org', active: true, expiresAtMs: undefined }, 1);
  return db;
}

describe('alerts of the inventory', () => {
  it('come back as they went in, and as they became', () => {
    const db = inventory();
    const id = openAlert(db, cause, 10);
    expect(getAlert(db, id)).toEqual({ ...cause, id, openedAtMs: 10, endedAtMs: undefined });
    updateAlert(db, id, { severity: 'error', title: 't', text: '', folded: [web1] });
    expect(openAlerts(db)).toEqual([{ ...cause, id, severity: 'error', title: 't', text: '', folded: [web1], openedAtMs: 10, endedAtMs: undefined }]);
    endAlert(db, id, 20);
    endAlert(db, id, 30);
    expect(openAlerts(db)).toEqual([]);
    expect(getAlert(db, id)?.endedAtMs).toBe(20);
  });

  it('are open once for a cause, also for one of the coordinator, and again when they were over', () => {
    const db = inventory();
    for (const about of [cause, { ...cause, hostId: undefined }]) {
      const id = openAlert(db, about, 10);
      expect(() => openAlert(db, about, 11)).toThrow(/UNIQUE/);
      endAlert(db, id, 12);
      expect(openAlert(db, about, 13)).toBeGreaterThan(id);
    }
    openAlert(db, { ...cause, subject: '/srv' }, 10);
    expect(openAlerts(db)).toHaveLength(3);
  });

  it('are listed open ones first, worst first, then the latest; words of hosts are cut', () => {
    const db = inventory();
    const [old, mild, bad] = [openAlert(db, { ...cause, subject: 'a' }, 1), openAlert(db, { ...cause, subject: 'b' }, 2), openAlert(db, { ...cause, subject: 'c', severity: 'error', title: 'x'.repeat(9_000), text: 'y'.repeat(9_000) }, 1)];
    endAlert(db, old, 99);
    const later = openAlert(db, { ...cause, subject: 'd' }, 3);
    expect(listAlerts(db, { ended: true }).map(({ id }) => id)).toEqual([bad, later, mild, old]);
    expect(listAlerts(db, { ended: false })).toHaveLength(3);
    expect(getAlert(db, bad)?.text.length).toBe(4_000);
  });

  it('are forgotten 30 days after their end, with what was told of them', () => {
    const db = inventory();
    const { id: routeId } = addRoute(db, route);
    const id = openAlert(db, cause, 1);
    addItem(db, { alertId: id, routeId, what: 'open', owedAtMs: 1 });
    addMessage(db, { id: message(1), routeId, madeAtMs: 1 }, 10);
    endAlert(db, id, 10);
    tidyAlerts(db, 10 + 30 * day);
    expect(getAlert(db, id)).toBeDefined();
    tidyAlerts(db, 11 + 30 * day);
    expect([getAlert(db, id), owedMessages(db)]).toEqual([undefined, []]);
    // A number is never used again.
    expect(openAlert(db, cause, 1)).toBeGreaterThan(id);
  });
});

describe('mutes of the inventory', () => {
  it('last until their end', () => {
    const db = inventory();
    const mute = addMute(db, { selector: 'web1', kinds: ['disk'], scope: [{ key: 'site', value: 'ams' }], untilMs: 100, reason: 'r', by: 'ada', sinceMs: 1 });
    const all = addMute(db, { selector: 'all', kinds: [], scope: undefined, untilMs: 50, reason: 'r', by: 'ada', sinceMs: 1 });
    expect(listMutes(db, 49)).toEqual([all, mute]);
    expect(listMutes(db, 50)).toEqual([mute]);
    expect(() => findMute(db, all.id, 50)).toThrow(expect.objectContaining({ code: 'ALERT_MUTE_UNKNOWN' }) as Error);
    removeMute(db, mute.id);
    expect(listMutes(db, 1)).toEqual([all]);
    expect(() => addMute(db, { ...all, untilMs: 1 })).toThrow(/CHECK/);
  });
});

describe('routes of the inventory', () => {
  it('come back as they went in, and go with their person', () => {
    const db = inventory();
    const rows = [addRoute(db, route), addRoute(db, { ...route, target: { way: 'webhook', url: 'https://example.org/x' }, kinds: [], remind: false }), addRoute(db, { ...route, target: { way: 'hook', hook: 'pager' }, selector: '' })];
    expect(listRoutes(db)).toEqual(rows);
    removePerson(db, 'ada');
    expect(listRoutes(db)).toEqual(rows.slice(1));
    removeRoute(db, rows[1]?.id ?? 0);
    expect(() => findRoute(db, rows[1]?.id ?? 0)).toThrow(expect.objectContaining({ code: 'ALERT_ROUTE_UNKNOWN' }) as Error);
  });
});

describe('messages of the inventory', () => {
  it('have what waited on their route, one message of a route at a time, and tell it until they are sent', () => {
    const db = inventory();
    const { id: routeId } = addRoute(db, route);
    const { id: other } = addRoute(db, route);
    const ids = ['a', 'b', 'c'].map((subject) => openAlert(db, { ...cause, subject }, 1));
    for (const alertId of ids) addItem(db, { alertId, routeId, what: 'open', owedAtMs: 1 });
    addItem(db, { alertId: ids[0] ?? 0, routeId: other, what: 'open', owedAtMs: 1 });
    expect(() => addItem(db, { alertId: ids[0] ?? 0, routeId, what: 'open', owedAtMs: 2 })).toThrow(/UNIQUE/);
    expect(waitingRoutes(db)).toEqual([routeId, other]);
    expect(addMessage(db, { id: message(1), routeId, madeAtMs: 5 }, 2)).toBe(2);
    expect(messageItems(db, message(1)).map(({ what, alert, openedIn }) => [what, alert.id, openedIn])).toEqual([['open', ids[0], message(1)], ['open', ids[1], message(1)]]);
    expect(() => addMessage(db, { id: message(2), routeId, madeAtMs: 6 }, 2)).toThrow(/UNIQUE/);
    expect(routeState(db, routeId)).toEqual({ sentAtMs: undefined, problem: '', problemSinceMs: undefined, owed: 3 });
    beginAttempt(db, message(1), 65);
    expect(owedMessages(db)).toEqual([{ id: message(1), routeId, madeAtMs: 5, attempts: 1, nextAtMs: 65 }]);
    noteFailed(db, message(1), { problem: 'p'.repeat(5_000), nextAtMs: 40, droppedAtMs: undefined });
    expect(routeState(db, routeId)).toMatchObject({ problemSinceMs: 5, owed: 3 });
    beginAttempt(db, message(1), 100);
    noteSent(db, message(1), 50);
    expect(owedMessages(db)).toEqual([]);
    expect(routeState(db, routeId)).toEqual({ sentAtMs: 50, problem: '', problemSinceMs: undefined, owed: 1 });
    expect(toldCounts(db)).toEqual(new Map([[ids[0], 1], [ids[1], 1]]));
    expect(lastMessageAt(db, routeId)).toBe(5);
    expect(addMessage(db, { id: message(2), routeId, madeAtMs: 6 }, 2)).toBe(1);
    noteFailed(db, message(2), { problem: 'no', nextAtMs: 9, droppedAtMs: 9 });
    expect([owedMessages(db), routeState(db, routeId)]).toMatchObject([[], { problem: 'no', owed: 0 }]);
  });

  it('tell whose end is still to be told: to those who heard, and not for ever', () => {
    const db = inventory();
    const { id: routeId } = addRoute(db, route);
    const id = openAlert(db, cause, 1);
    expect(endedToTell(db)).toEqual([]);
    addItem(db, { alertId: id, routeId, what: 'open', owedAtMs: 1 });
    const [waiting] = listItems(db);
    expect(waiting).toMatchObject({ alertId: id, routeId, what: 'open', message: undefined });
    endAlert(db, id, 2);
    expect(endedToTell(db).map((row) => row.id)).toEqual([id]);
    addMessage(db, { id: message(1), routeId, madeAtMs: 2 }, 9);
    beginAttempt(db, message(1), 3);
    noteSent(db, message(1), 3);
    expect(listItems(db)).toMatchObject([{ message: { tried: true, sentAtMs: 3, dropped: false } }]);
    addItem(db, { alertId: id, routeId, what: 'end', owedAtMs: 4 });
    expect(endedToTell(db)).toEqual([]);
    addMessage(db, { id: message(2), routeId, madeAtMs: 70_000 }, 9);
    expect(messageItems(db, message(2))).toMatchObject([{ what: 'end', openedIn: message(1) }]);
    expect(listItems(db)).toEqual([]);
    const second = openAlert(db, cause, 5);
    addItem(db, { alertId: second, routeId, what: 'open', owedAtMs: 5 });
    endAlert(db, second, 6);
    dropItem(db, listItems(db)[0]?.id ?? 0);
    expect(endedToTell(db)).toEqual([]);
  });
});

describe('starts of hosts', () => {
  it('are known by their boot id; the last one of a host is never forgotten', () => {
    const db = inventory();
    addBoot(db, { hostId: web1, bootId: 'a', now: 1, told: false });
    addBoot(db, { hostId: web1, bootId: 'b', now: 10, told: true });
    addBoot(db, { hostId: web1, bootId: 'c', now: 20, told: true });
    expect(lastBoots(db)).toEqual(new Map([[web1, 'c']]));
    expect(rebootsSince(db, 10)).toEqual([{ hostId: web1, atMs: 10 }, { hostId: web1, atMs: 20 }]);
    expect(rebootsSince(db, 11)).toEqual([{ hostId: web1, atMs: 20 }]);
    tidyBoots(db, 100 * day);
    expect(lastBoots(db)).toEqual(new Map([[web1, 'c']]));
    expect(rebootsSince(db, 0)).toHaveLength(1);
  });
});

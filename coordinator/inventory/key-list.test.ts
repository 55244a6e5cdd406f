import { beforeEach, expect, it } from 'vitest';
import { beginMs, giveKey, giveUser, hostId, smallInventory } from '../../test/support/key-inventory.js';
import { accessAt, tidySpans } from './access-span.js';
import { accessOf, accessOfPerson, hostsOwing, hostsToldOf } from './access.js';
import { addBreakGlass } from './break-glass.js';
import type { Database } from './database.js';
import { getGeneration, raiseGeneration, setApplied } from './generation.js';
import { addGrant, listGrants, removeGrant } from './grant.js';
import { putMember } from './group.js';
import { forgetKeys } from './key-forget.js';
import { isKeyManaged, manifestOf, storeKeys } from './key-list.js';
import type { KeyChange } from './key-list.js';
import { keysAt } from './key-source.js';
import { expiredHosts, nextExpiry, raiseKeys, touchedHosts } from './key-touched.js';
import { addOwner } from './owner.js';
import { removePerson, setPerson } from './person.js';
import { findKey, getKey, removeKey } from './ssh-key.js';

const host = hostId(1);
const day = 86_400_000;
let db: Database;
let ada: number;
let bob: number;

beforeEach(() => {
  db = smallInventory({ hosts: 2, persons: 0, groups: 1 });
  for (const name of ['ada', 'bob']) db.prepare(`INSERT INTO person (name, created_at_ms) VALUES (?, ?)`).run(name, beginMs);
  ada = giveKey(db, 'ada', 'ada');
  bob = giveKey(db, 'bob', 'bob');
});

const grantTo = (name: string, user?: string, expiresAtMs?: number): number =>
  addGrant(db, { subject: { kind: 'person', name }, target: { kind: 'host', hostId: host }, user, expiresAtMs, reason: '', by: 'olga', now: beginMs });
const raise = (now: number, more: Omit<KeyChange, 'now'> = {}): string[] => raiseKeys(db, [host], { now, ...more });
const fingerprint = (id: number): string => getKey(db, { id })?.fingerprint ?? '';
const acknowledge = (): void => {
  const generation = getGeneration(db, host, 'key')?.wanted ?? 0;
  setApplied(db, { hostId: host, noun: 'key', generation, digest: Buffer.alloc(32), now: beginMs });
};
const manifest = (): NonNullable<ReturnType<typeof manifestOf>>['manifest'] => {
  const told = manifestOf(db, host);
  if (told === undefined) throw new Error('not managed');
  expect(told.moved).toBe(false);
  return told.manifest;
};

it('a host without any key is not managed until it has one, or an operator names it', () => {
  expect(raise(beginMs)).toEqual([]);
  expect([isKeyManaged(db, host), manifestOf(db, host)]).toEqual([false, undefined]);
  expect(raise(beginMs, { manage: true })).toEqual([host]);
  expect(manifest()).toEqual({ hostId: host, version: 1, users: [], removed: [], breakGlass: [], force: false });
  expect(raise(beginMs, { manage: true })).toEqual([]);
});

it('what is the same is not told again, and what is other is', () => {
  grantTo('ada', 'root');
  expect(raise(beginMs)).toEqual([host]);
  expect(raise(beginMs + 1)).toEqual([]);
  addBreakGlass(db, host, fingerprint(ada), beginMs);
  expect(raise(beginMs + 2)).toEqual([host]);
  expect(manifest()).toMatchObject({ version: 2, breakGlass: [fingerprint(ada)] });
  removeKey(db, ada);
  raise(beginMs + 3);
  expect(manifest()).toMatchObject({ version: 3, users: [], breakGlass: [expect.stringMatching(/^[0-9a-f]{64}$/)] });
});

it('keys that are taken away by name are named until the host was told something after it acknowledged that', () => {
  grantTo('ada');
  raise(beginMs);
  const [named, gone] = [fingerprint(ada), { purge: true, endSessions: true }];
  setPerson(db, 'ada', { active: false });
  expect(raise(beginMs + 1, { removed: gone })).toEqual([host]);
  const second = manifest();
  expect(second).toMatchObject({ version: 2, users: [], removed: [{ fingerprint: named, ...gone }] });
  acknowledge();
  expect(manifest(), 'a manifest of one version never changes').toEqual(second);
  grantTo('bob');
  raise(beginMs + 2);
  expect(manifest()).toMatchObject({ version: 3, removed: [] });
});

it('keys that just fall are not named; those named with their grant are, also when they let in elsewhere on the host, but are not purged then', () => {
  const grant = grantTo('ada', 'root');
  grantTo('ada', 'app');
  raise(beginMs);
  removeGrant(db, grant);
  expect(raise(beginMs + 1, { removed: { purge: true, endSessions: true } })).toEqual([host]);
  expect(manifest()).toMatchObject({ users: [{ user: 'app' }], removed: [{ fingerprint: fingerprint(ada), purge: false, endSessions: false }] });
  giveUser(db, host, 'app', 'locked');
  expect(raise(beginMs + 2)).toEqual([host]);
  expect(manifest().removed).toEqual([{ fingerprint: fingerprint(ada), purge: false, endSessions: false }]);
});

it('what is to be purged and comes back before the host knows of it is not purged', () => {
  grantTo('ada', 'root');
  raise(beginMs);
  setPerson(db, 'ada', { active: false });
  raise(beginMs + 1, { removed: { purge: true, endSessions: true } });
  setPerson(db, 'ada', { active: true });
  raise(beginMs + 2);
  expect(manifest()).toMatchObject({ version: 3, users: [{ user: 'root' }], removed: [{ fingerprint: fingerprint(ada), purge: false, endSessions: false }] });
});

it('keys can be named on hosts that were never told of them', () => {
  expect(raise(beginMs, { removed: { purge: true, endSessions: false, also: [fingerprint(bob)] } })).toEqual([host]);
  expect(manifest()).toMatchObject({ version: 1, users: [], removed: [{ fingerprint: fingerprint(bob), purge: true, endSessions: false }] });
});

it('a force is for one generation', () => {
  grantTo('ada');
  raise(beginMs);
  expect(raise(beginMs, { force: true })).toEqual([host]);
  expect(manifest()).toMatchObject({ version: 2, force: true });
  grantTo('bob');
  raise(beginMs);
  expect(manifest()).toMatchObject({ version: 3, force: false });
  raise(beginMs, { force: true });
  raiseGeneration(db, { hostId: host, noun: 'key', now: beginMs, released: false });
  expect(manifest()).toMatchObject({ version: 5, force: false });
});

it('the engine’s way stores the same and leaves the raise to it', () => {
  grantTo('ada');
  const index = keysAt(db, [host], beginMs);
  expect(storeKeys(db, index, { hostId: host, generation: 1 }, { now: beginMs })).toBe(true);
  expect(storeKeys(db, index, { hostId: host, generation: 1 }, { now: beginMs })).toBe(false);
  expect(manifestOf(db, host)).toBeUndefined();
  raiseGeneration(db, { hostId: host, noun: 'key', now: beginMs, released: false });
  expect(manifest().users.map(({ user }) => user)).toEqual(['app', 'root']);
});

it('a host that let go of its keys is not managed again by grants of whole labels, until it is named', () => {
  const all = addGrant(db, { subject: { kind: 'person', name: 'ada' }, target: { kind: 'all' }, user: undefined, expiresAtMs: undefined, reason: '', by: 'olga', now: beginMs });
  grantTo('bob', 'root', beginMs + day);
  addOwner(db, host, 'bob', beginMs);
  raise(beginMs);
  forgetKeys(db, host, beginMs + 1);
  expect(listGrants(db).map(({ id }) => id)).toEqual([all]);
  expect([isKeyManaged(db, host), manifestOf(db, host), nextExpiry(db)]).toEqual([false, undefined, undefined]);
  expect(accessAt(db, { hostId: host }, beginMs + 1)).toEqual([]);
  expect(raise(beginMs + 2)).toEqual([]);
  expect(raise(beginMs + 3, { manage: true })).toEqual([host]);
  expect(manifest().users).toHaveLength(2);
});

it('nothing is told of a host that is about to be released, or revoked', () => {
  grantTo('ada');
  raiseGeneration(db, { hostId: host, noun: 'key', now: beginMs, released: true });
  expect(raise(beginMs)).toEqual([]);
  db.prepare('DELETE FROM generation').run();
  raiseGeneration(db, { hostId: host, noun: 'host', now: beginMs, released: true });
  expect(raise(beginMs)).toEqual([]);
});

it('history says who could log in when, by person and by user, also of what is gone', () => {
  const owned = addOwner(db, host, 'ada', beginMs);
  grantTo('bob', 'root', beginMs + 2 * day);
  raise(beginMs + 1000);
  const bobs = fingerprint(bob);
  setPerson(db, 'ada', { active: false });
  raise(beginMs + day);
  removePerson(db, 'bob');
  raise(beginMs + 3 * day);
  const at = (time: number): string[] => accessAt(db, { hostId: host }, time).map(({ user, owner, why }) => `${user} ${owner} ${why}`);
  expect(owned).toBe(true);
  expect(at(beginMs + 999)).toEqual([]);
  expect(at(beginMs + 1000)).toEqual(['app ada owner', 'root ada owner', 'root bob grant 1']);
  expect(at(beginMs + day - 1)).toHaveLength(3);
  expect(at(beginMs + day)).toEqual(['root bob grant 1']);
  expect(at(beginMs + 2 * day), 'its end came before it was taken away').toEqual([]);
  expect(accessAt(db, { owner: 'bob' }, beginMs + day)).toMatchObject([{ hostId: host, user: 'root', fingerprint: bobs, openedAtMs: beginMs + 1000, endsAtMs: beginMs + 2 * day, closedAtMs: beginMs + 3 * day }]);
  expect(accessAt(db, { hostId: host, user: 'app' }, beginMs + 1000)).toHaveLength(1);
  expect(tidySpans(db, beginMs + 401 * day + 1)).toBe(2);
  expect(tidySpans(db, beginMs + 404 * day)).toBe(1);
  expect(db.prepare('SELECT owner FROM access_key').pluck().all(), 'bob and his key are gone from everywhere').toEqual(['ada']);
});

it('who can log in now, by every way; who was told of a person; who owes an answer', () => {
  putMember(db, { group: 'g0', member: { kind: 'person', name: 'ada' }, expiresAtMs: undefined }, beginMs);
  addGrant(db, { subject: { kind: 'group', name: 'g0' }, target: { kind: 'all' }, user: 'root', expiresAtMs: undefined, reason: '', by: 'olga', now: beginMs });
  grantTo('ada', 'root');
  raiseKeys(db, touchedHosts(db, { kind: 'person', name: 'ada' }), { now: beginMs });
  expect(accessOfPerson(db, 'ada', beginMs).map(({ hostId: id, user, ways }) => [id, user, ways.length])).toEqual([[host, 'root', 2], [hostId(2), 'root', 1]]);
  expect(accessOf(db, { hostIds: [host], user: 'app' }, beginMs)).toEqual([]);
  expect(hostsToldOf(db, 'ada')).toEqual([host, hostId(2)]);
  acknowledge();
  expect(hostsOwing(db, [host, hostId(2)])).toMatchObject([{ hostId: hostId(2), name: 'host2', wanted: 1, applied: 0 }]);
  expect(findKey(db, `SHA256:${Buffer.from(fingerprint(ada), 'hex').toString('base64').replace(/=$/, '')}`).id).toBe(ada);
});

it('the keeper knows when the next thing expires, and which hosts that is for', () => {
  grantTo('ada', 'root', beginMs + day);
  grantTo('bob', 'root', beginMs + 2 * day);
  raise(beginMs);
  expect([nextExpiry(db), expiredHosts(db, beginMs + day - 1)]).toEqual([beginMs + day, []]);
  expect(expiredHosts(db, beginMs + day)).toEqual([host]);
  expect(raise(beginMs + day)).toEqual([host]);
  expect(manifest().users[0]?.lines.map(({ comment }) => comment)).toEqual(['bob: grant 2']);
  expect([nextExpiry(db), expiredHosts(db, beginMs + day)]).toEqual([beginMs + 2 * day, []]);
});

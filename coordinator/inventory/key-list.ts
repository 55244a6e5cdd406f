import { sha256 } from '../../shared/kit/digest.js';
import { canonicalJson } from '../../shared/model/canonical.js';
import { formatKeyLine } from '../../shared/model/key.js';
import type { RemovedKey } from '../../shared/model/manifest.js';
import { desiredKeys, type EffectiveHost, type EffectiveKey, type KeyIndex, type UntimedManifest } from '../desired/key.js';
import { formatWhy, openSpans, writeSpans, type AccessSpan, type NewSpan } from './access-span.js';
import type { Database } from './database.js';
import { statement } from './statement.js';
import { getGeneration } from './generation.js';
import { addRemoved, removedKeysOf, tidyRemoved, type Removal } from './key-removed.js';
import { keysAt } from './key-source.js';

/** What a host was last told of its keys. */
interface Told {
  /** sha256 of users and break-glass keys; null: the host let go of its keys. */
  content: Buffer | null;
  /** The moment that the keys were resolved for: what expires later is still in that manifest. */
  resolved_at_ms: number;
  due_at_ms: number | null;
  /** The generation that an operator forced; 0: none. */
  forced: number;
}

/** How a change of keys is made. */
export interface KeyChange {
  /** Unix ms; the moment that `index` is for. */
  readonly now: number;
  /** Keys that fall are taken away by name; absent: they just fall. */
  readonly removed?: Removal;
  /** No floor is asked. */
  readonly force?: boolean;
  /** An operator named the host: it is managed from now on, also when it let go of its keys before or has none yet. */
  readonly manage?: boolean;
}

function getTold(db: Database, hostId: string): Told | undefined {
  return statement(db, 'SELECT content, resolved_at_ms, due_at_ms, forced FROM key_list WHERE host_id = ?').get(hostId) as Told | undefined;
}

/** Users of different hosts who are let in alike share their arrays: each is written and hashed once. */
const digests = new WeakMap<readonly EffectiveKey[], string>();

function digestOf(keys: readonly EffectiveKey[]): string {
  const known = digests.get(keys);
  if (known !== undefined) return known;
  const digest = sha256(keys.map(({ line }) => formatKeyLine(line)).join('\n')).toString('hex');
  digests.set(keys, digest);
  return digest;
}

function contentOf(host: EffectiveHost): Buffer {
  return sha256(canonicalJson([host.users.map(({ user, exclusive, keys }) => [user, exclusive, digestOf(keys)]), host.breakGlass]));
}

/**
 * Stores what a host is to be told of its keys with this generation, when that is something new, and answers whether it is. Whoever calls raises noun key to
 * that generation. Spans of access and removed keys are written with it. A host that let go of its keys is left alone unless it is named.
 */
export function storeKeys(db: Database, index: KeyIndex, about: { readonly hostId: string; readonly generation: number }, change: KeyChange): boolean {
  const told = getTold(db, about.hostId);
  if (told?.content === null && change.manage !== true) return false;
  const host = index.host(about.hostId);
  const also = change.removed?.also ?? [];
  if (told === undefined && change.manage !== true && host.users.length === 0 && also.length === 0) return false;
  const content = contentOf(host);
  const same = told?.content?.equals(content) === true;
  if (same && also.length === 0 && change.force !== true) {
    // The moment is noted all the same: what was altered and has expired since would let in at the moment before.
    putTold(db, host, { content, now: change.now, forced: told.forced });
    return false;
  }
  const open = openSpans(db, about.hostId);
  const removed = same && also.length === 0 ? [] : removedNow(open, host, change);
  const wanted = new Set(host.users.flatMap(({ keys }) => keys.map(({ row }) => row.fingerprint)));
  tidyRemoved(db, about.hostId, wanted);
  addRemoved(db, about.hostId, removed.map((key) => (wanted.has(key.fingerprint) ? { ...key, purge: false, endSessions: false } : key)), about.generation);
  writeDifference(db, host, open, change.now);
  putTold(db, host, { content, now: change.now, forced: change.force === true ? about.generation : 0 });
  // Refuses what no manifest can hold, before anything is sent.
  desiredKeys(host, { version: about.generation, removed: removedKeysOf(db, about.hostId), force: false });
  return true;
}

function putTold(db: Database, host: EffectiveHost, told: { content: Buffer; now: number; forced: number }): void {
  statement(db, 
    `INSERT INTO key_list (host_id, content, resolved_at_ms, due_at_ms, forced) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET content = excluded.content, resolved_at_ms = excluded.resolved_at_ms, due_at_ms = excluded.due_at_ms, forced = excluded.forced, released = 0`,
  ).run(host.hostId, told.content, told.now, host.dueAtMs ?? null, told.forced);
}

const placeOf = (user: string, fingerprint: string): string => `${user} ${fingerprint}`;

/** The keys that fall from any user, when they are taken away by name, and those named besides. */
function removedNow(open: readonly AccessSpan[], host: EffectiveHost, { removed }: KeyChange): RemovedKey[] {
  if (removed === undefined) return [];
  const stays = new Set(host.users.flatMap(({ user, keys }) => keys.map(({ row }) => placeOf(user, row.fingerprint))));
  const fallen = open.filter(({ user, fingerprint }) => !stays.has(placeOf(user, fingerprint)));
  const named = new Set([...fallen.map(({ fingerprint }) => fingerprint), ...(removed.also ?? [])]);
  return [...named].map((fingerprint) => ({ fingerprint, purge: removed.purge, endSessions: removed.endSessions }));
}

/** Closes the spans that are not so any more and opens those that are new. */
function writeDifference(db: Database, host: EffectiveHost, before: readonly AccessSpan[], now: number): void {
  const open = new Map(before.map((span) => [placeOf(span.user, span.fingerprint), span]));
  const opened: NewSpan[] = [];
  for (const { user, keys } of host.users) {
    for (const { row, line, ways } of keys) {
      const place = placeOf(user, row.fingerprint);
      const known = open.get(place);
      const [first] = ways;
      if (first === undefined) continue;
      const span = { user, keyId: row.id, why: formatWhy(first.why), endsAtMs: line.options.expiresAtMs };
      if (known?.keyId === span.keyId && known.why === span.why && known.endsAtMs === span.endsAtMs) open.delete(place);
      else opened.push(span);
    }
  }
  writeSpans(db, host.hostId, now, { closed: [...open.values()], opened });
}

/**
 * The manifest of a host at the generation that is wanted of noun key: the same for as long as that is the same. undefined: its keys are not managed.
 * `moved`: the inventory has become another without that the host was raised.
 */
export function manifestOf(db: Database, hostId: string): { readonly manifest: UntimedManifest; readonly moved: boolean } | undefined {
  const told = getTold(db, hostId);
  const version = getGeneration(db, hostId, 'key')?.wanted ?? 0;
  if (told?.content == null || version === 0) return undefined;
  const host = keysAt(db, [hostId], told.resolved_at_ms).host(hostId);
  return { manifest: desiredKeys(host, { version, removed: removedKeysOf(db, hostId), force: told.forced === version }), moved: !told.content.equals(contentOf(host)) };
}

/** Whether anything is wanted of the keys of a host. */
export function isKeyManaged(db: Database, hostId: string): boolean {
  return getTold(db, hostId)?.content != null;
}

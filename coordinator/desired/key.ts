import { reeveError } from '../../shared/errors/error.js';
import type { KeyLine } from '../../shared/model/key.js';
import type { Label } from '../../shared/model/label.js';
import { mostManifestEntries, type KeyManifest, type RemovedKey } from '../../shared/model/manifest.js';
import type { GrantRow, KeyRow, KeyRows } from './key-row.js';
import { indexWays, type Way, type WayIndex } from './key-way.js';

/** A key that lets into a user of a host. */
export interface EffectiveKey {
  readonly row: KeyRow;
  readonly line: KeyLine;
  /** All ways by which it does, in order; the first one is named in the line. */
  readonly ways: readonly Way[];
}

/** The keys of a user of a host. */
export interface EffectiveUser {
  readonly user: string;
  readonly exclusive: boolean;
  /** One and the same array for users who are let into by the same ways. */
  readonly keys: readonly EffectiveKey[];
}

/** All keys of a host. */
export interface EffectiveHost {
  readonly hostId: string;
  /** Sorted by name; users without keys only when they are exclusive. */
  readonly users: readonly EffectiveUser[];
  /** Fingerprints, sorted. */
  readonly breakGlass: readonly string[];
  /** When the next way in expires: from then on the keys may be others; undefined: never. */
  readonly dueAtMs: number | undefined;
}

/** Rows, arranged so that the keys of each host are found at once. */
export interface KeyIndex {
  /** Ids of the hosts of the rows. */
  readonly hostIds: readonly string[];
  readonly host: (hostId: string) => EffectiveHost;
}

interface Combined {
  readonly keys: readonly EffectiveKey[];
  readonly dueAtMs: number;
}

/** Everything of one host, gathered. */
interface HostRows {
  labels: readonly Label[];
  users: { name: string; locked: boolean }[];
  owners: string[];
  breakGlass: string[];
  exclusive: Set<string>;
}

/** Arranges rows for the keys as they are at a moment (unix ms): what has expired by then lets nobody in. */
export function indexKeys(rows: KeyRows, now: number): KeyIndex {
  const hosts = gatherHosts(rows);
  const ways = indexWays(rows, now);
  const grants = indexGrants(rows.grants);
  const combined = new Map<string, Combined>();
  return {
    hostIds: [...hosts.keys()],
    host(hostId) {
      const host = hosts.get(hostId);
      if (host === undefined) return { hostId, users: [], breakGlass: [], dueAtMs: undefined };
      const applying = grantsOn(grants, hostId, host.labels);
      let due = Infinity;
      const users: EffectiveUser[] = [];
      for (const { name, locked } of host.users) {
        const found = locked ? nothing : combinedFor({ applying, user: name, owners: host.owners, ways, combined });
        due = Math.min(due, found.dueAtMs);
        const exclusive = host.exclusive.has(name);
        if (exclusive || found.keys.length > 0) users.push({ user: name, exclusive, keys: found.keys });
      }
      return { hostId, users, breakGlass: host.breakGlass, dueAtMs: due === Infinity ? undefined : due };
    },
  };
}

/** How many answers are kept to be shared. */
const mostCombined = 1000;

const nothing: Combined = { keys: [], dueAtMs: Infinity };

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function gatherHosts(rows: KeyRows): Map<string, HostRows> {
  const hosts = new Map<string, HostRows>();
  for (const { id, labels } of rows.hosts) hosts.set(id, { labels, users: [], owners: [], breakGlass: [], exclusive: new Set() });
  for (const { hostId, name, presence } of rows.users) {
    if (presence === 'present' || presence === 'locked') hosts.get(hostId)?.users.push({ name, locked: presence === 'locked' });
  }
  for (const { hostId, person } of rows.owners) hosts.get(hostId)?.owners.push(person);
  for (const { hostId, fingerprint } of rows.breakGlass) hosts.get(hostId)?.breakGlass.push(fingerprint);
  for (const { hostId, user } of rows.exclusive) hosts.get(hostId)?.exclusive.add(user);
  for (const host of hosts.values()) {
    host.users.sort((a, b) => byText(a.name, b.name));
    host.owners.sort(byText);
    host.breakGlass.sort(byText);
  }
  return hosts;
}

interface GrantIndex {
  readonly all: readonly GrantRow[];
  readonly byHost: ReadonlyMap<string, readonly GrantRow[]>;
  /** By `key=value`. */
  readonly byLabel: ReadonlyMap<string, readonly GrantRow[]>;
}

function indexGrants(grants: readonly GrantRow[]): GrantIndex {
  const all: GrantRow[] = [];
  const byHost = new Map<string, GrantRow[]>();
  const byLabel = new Map<string, GrantRow[]>();
  const add = (map: Map<string, GrantRow[]>, key: string, grant: GrantRow): void => {
    const known = map.get(key);
    if (known === undefined) map.set(key, [grant]);
    else known.push(grant);
  };
  for (const grant of grants) {
    const { target } = grant;
    if (target.kind === 'all') all.push(grant);
    else if (target.kind === 'host') add(byHost, target.hostId, grant);
    else add(byLabel, `${target.label.key}=${target.label.value}`, grant);
  }
  return { all, byHost, byLabel };
}

/** The grants whose target is or has this host, by number. */
function grantsOn(index: GrantIndex, hostId: string, labels: readonly Label[]): readonly GrantRow[] {
  const found = [...index.all, ...(index.byHost.get(hostId) ?? [])];
  for (const { key, value } of labels) found.push(...(index.byLabel.get(`${key}=${value}`) ?? []));
  return found.sort((a, b) => a.id - b.id);
}

/** The keys of one user: grants that name it, then grants of the whole host, then owners. Users for whom these are the same share the answer. */
function combinedFor(of: { applying: readonly GrantRow[]; user: string; owners: readonly string[]; ways: WayIndex; combined: Map<string, Combined> }): Combined {
  const { applying, user, owners, ways, combined } = of;
  const named = applying.filter((grant) => grant.user === user);
  const whole = applying.filter((grant) => grant.user === undefined);
  let signature = '';
  for (const grant of named) signature += `${String(grant.id)},`;
  for (const grant of whole) signature += `${String(grant.id)},`;
  for (const owner of owners) signature += `${owner},`;
  const known = combined.get(signature);
  if (known !== undefined) return known;
  const made = combine([...named, ...whole].map((grant) => ways.ofGrant(grant)).concat(owners.map((owner) => ways.ofOwner(owner))));
  // Most are of one host only: the memory of a fleet is not spent on them.
  if (combined.size >= mostCombined) combined.clear();
  combined.set(signature, made);
  return made;
}

/** Each key once, where it is met first; the longest of its expiries. */
function combine(lists: readonly (readonly Way[])[]): Combined {
  const found = new Map<number, Way[]>();
  let due = Infinity;
  for (const list of lists) {
    for (const way of list) {
      if (way.expiresAtMs !== undefined && way.expiresAtMs < due) due = way.expiresAtMs;
      const ways = found.get(way.row.id);
      if (ways === undefined) found.set(way.row.id, [way]);
      else ways.push(way);
    }
  }
  return { keys: [...found.values()].map(effective), dueAtMs: due };
}

function effective(ways: readonly Way[]): EffectiveKey {
  const [first] = ways;
  if (first === undefined) throw new Error('a key without a way in');
  const { row, line } = first;
  let longest = first.expiresAtMs;
  for (const way of ways) longest = longest === undefined || way.expiresAtMs === undefined ? undefined : Math.max(longest, way.expiresAtMs);
  return { row, line: longest === first.expiresAtMs ? line : { ...line, options: { ...line.options, expiresAtMs: longest } }, ways };
}

/** A manifest, but for the times that it gets when it is sent. */
export type UntimedManifest = Omit<KeyManifest, 'issuedAtMs' | 'notAfterMs'>;

/** What the agent of a host is asked to make so. Errors: LIMIT_EXCEEDED. */
export function desiredKeys(host: EffectiveHost, about: { version: number; removed: readonly RemovedKey[]; force: boolean }): UntimedManifest {
  const distinct = new Set(host.users.flatMap(({ keys }) => keys.map(({ row }) => row.id)));
  const lists = [['keys', distinct.size], ['users', host.users.length], ['removed keys', about.removed.length], ['break-glass keys', host.breakGlass.length]] as const;
  for (const [field, count] of lists) {
    if (count > mostManifestEntries) throw reeveError('LIMIT_EXCEEDED', { field: `The number of ${field} of one host`, rule: `${String(count)}, at most ${String(mostManifestEntries)}` });
  }
  return {
    hostId: host.hostId,
    version: about.version,
    users: host.users.map(({ user, exclusive, keys }) => ({ user, exclusive, lines: keys.map(({ line }) => line) })),
    removed: [...about.removed].sort((a, b) => byText(a.fingerprint, b.fingerprint)),
    breakGlass: host.breakGlass,
    force: about.force,
  };
}

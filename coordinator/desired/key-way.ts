import type { KeyLine } from '../../shared/model/key.js';
import type { GrantRow, KeyOwner, KeyRow, KeyRows, MemberRow } from './key-row.js';

/** Why a key lets in. */
export type Why = { readonly kind: 'grant'; readonly grantId: number; readonly group: string | undefined } | { readonly kind: 'owner' };

/** One way by which a key lets in. */
export interface Way {
  readonly row: KeyRow;
  readonly why: Why;
  /** The earliest of the expiries on this way: person, key, membership, grant. */
  readonly expiresAtMs: number | undefined;
  /** The line of a key file that this way alone would make. */
  readonly line: KeyLine;
}

/** The ways of grants and owners; what has expired and who is inactive is left out. */
export interface WayIndex {
  readonly ofGrant: (grant: GrantRow) => readonly Way[];
  readonly ofOwner: (person: string) => readonly Way[];
}

/** Longest comment of a line. */
const mostComment = 128;

/** `ada: grant 12`, `ada via ops: grant 12`, `deploy@web1: grant 12`, `ada: owner`; names that are too long for a comment are cut. */
function commentOf(owner: KeyOwner, why: Why): string {
  const who = owner.kind === 'person' ? owner.name : `${owner.user}@${owner.hostName}`;
  const end = why.kind === 'owner' ? ': owner' : `: grant ${String(why.grantId)}`;
  const via = why.kind === 'owner' || why.group === undefined ? '' : ` via ${why.group}`;
  return `${`${who}${via}`.slice(0, mostComment - end.length)}${end}`;
}

/** What a key has behind it before any grant: itself and its person. undefined: it lets in nowhere. */
interface Live {
  readonly row: KeyRow;
  readonly expiresAtMs: number | undefined;
}

const earlier = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined ? b : b === undefined ? a : Math.min(a, b));

/** Arranges the ways of all grants and owners of the rows at a moment. */
export function indexWays(rows: KeyRows, now: number): WayIndex {
  const keys = indexLive(rows, now);
  const members = new Map<string, MemberRow[]>();
  for (const member of rows.members) {
    if (member.expiresAtMs !== undefined && member.expiresAtMs <= now) continue;
    const known = members.get(member.group);
    if (known === undefined) members.set(member.group, [member]);
    else known.push(member);
  }
  for (const list of members.values()) list.sort(byMember);
  const keysOf = (subject: MemberRow['member']): readonly Live[] =>
    subject.kind === 'person' ? (keys.byPerson.get(subject.name) ?? []) : subject.kind === 'host' ? (keys.byHost.get(subject.hostId) ?? []) : (keys.byId.get(subject.keyId) ?? []);
  const make = (live: Live, why: Why, until: number | undefined): Way => {
    const { row } = live;
    const expiresAtMs = earlier(live.expiresAtMs, until);
    return { row, why, expiresAtMs, line: { key: row.key, options: { flags: row.flags, from: row.from, expiresAtMs }, comment: commentOf(row.owner, why) } };
  };
  const grantWays = (grant: GrantRow): readonly Way[] => {
    if (grant.expiresAtMs !== undefined && grant.expiresAtMs <= now) return [];
    const { subject } = grant;
    if (subject.kind !== 'group') return keysOf(subject).map((live) => make(live, { kind: 'grant', grantId: grant.id, group: undefined }, grant.expiresAtMs));
    const why: Why = { kind: 'grant', grantId: grant.id, group: subject.name };
    return (members.get(subject.name) ?? []).flatMap(({ member, expiresAtMs }) => keysOf(member).map((live) => make(live, why, earlier(expiresAtMs, grant.expiresAtMs))));
  };
  return {
    ofGrant: remembered((grant) => grant.id, grantWays),
    ofOwner: remembered((person) => person, (person) => keysOf({ kind: 'person', name: person }).map((live) => make(live, { kind: 'owner' }, undefined))),
  };
}

function remembered<T>(keyOf: (of: T) => string | number, make: (of: T) => readonly Way[]): (of: T) => readonly Way[] {
  const made = new Map<string | number, readonly Way[]>();
  return (of) => {
    const key = keyOf(of);
    const known = made.get(key);
    if (known !== undefined) return known;
    const ways = make(of);
    made.set(key, ways);
    return ways;
  };
}

const place = { person: 0, host: 1, key: 2 } as const;

/** Persons by name, hosts by id, keys by number. */
function byMember({ member: a }: MemberRow, { member: b }: MemberRow): number {
  if (a.kind === 'key' && b.kind === 'key') return a.keyId - b.keyId;
  const nameOf = (member: MemberRow['member']): string => (member.kind === 'person' ? member.name : member.kind === 'host' ? member.hostId : '');
  return place[a.kind] - place[b.kind] || (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0);
}

interface LiveIndex {
  readonly byPerson: ReadonlyMap<string, readonly Live[]>;
  readonly byHost: ReadonlyMap<string, readonly Live[]>;
  readonly byId: ReadonlyMap<number, readonly Live[]>;
}

/** The keys that are good for anything: those of active persons and of users on hosts of the fleet, not expired; each list by number. */
function indexLive(rows: KeyRows, now: number): LiveIndex {
  const persons = new Map(rows.persons.map((person) => [person.name, person]));
  const byPerson = new Map<string, Live[]>();
  const byHost = new Map<string, Live[]>();
  const byId = new Map<number, readonly Live[]>();
  for (const row of [...rows.keys].sort((a, b) => a.id - b.id)) {
    const { owner } = row;
    const person = owner.kind === 'person' ? persons.get(owner.name) : undefined;
    if (owner.kind === 'person' ? person?.active !== true : owner.lost) continue;
    const live = { row, expiresAtMs: earlier(row.expiresAtMs, person?.expiresAtMs) };
    if (live.expiresAtMs !== undefined && live.expiresAtMs <= now) continue;
    byId.set(row.id, [live]);
    const [map, name] = owner.kind === 'person' ? [byPerson, owner.name] : [byHost, owner.hostId];
    const known = map.get(name);
    if (known === undefined) map.set(name, [live]);
    else known.push(live);
  }
  return { byPerson, byHost, byId };
}

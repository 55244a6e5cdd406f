import { reeveError } from '../errors/error.js';
import { userFloors } from '../gen/privd.js';
import type { Canonical } from './canonical.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';

/** An account as it should be on a host. */
export type User =
  | { readonly presence: 'present' | 'locked'; readonly name: string; readonly account: Account }
  | { readonly presence: 'absent'; readonly name: string; readonly keepHome: boolean }
  | { readonly presence: 'released'; readonly name: string };

/** What kind of account, and what Reeve decides about it. */
export type Account =
  | {
      readonly kind: 'home' | 'system';
      /** undefined: the host takes the lowest never used one of its policy's range. */
      readonly uid: number | undefined;
      readonly shell: string;
      readonly comment: string;
      /** Sorted, without repeats. */
      readonly groups: readonly string[];
    }
  | { readonly kind: 'adopted' };

/** An account as a host reports it. */
export interface ObservedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly shell: string;
  readonly comment: string;
  readonly home: string;
  /** Sorted. */
  readonly groups: readonly string[];
  readonly locked: boolean;
  /** How the helper marked it; empty: not ours. */
  readonly marker: '' | 'home' | 'system' | 'adopted' | 'adopted-keys' | 'adding' | 'removing';
  /** False: only the marker is left. */
  readonly present: boolean;
}

const reserved: { readonly reserved: readonly string[]; readonly reservedPrefixes: readonly string[]; readonly minUid: number; readonly forbiddenUids: readonly number[] } = userFloors;

const namePattern = /^[a-z_](?:[a-z0-9_-]{0,29}[a-z0-9_])?$/;
const nameRule = 'a lower-case letter or "_", then lower-case letters, digits, "_" and "-", at most 31 characters, not ending in "-"';

/** The name of any account, also of one that Reeve would not make. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseAccountName(text: string, field = 'user name'): string {
  return parsePattern(field, text, namePattern, nameRule);
}

/** The name of an account that Reeve may make: not reserved. Errors: those of parseAccountName, USER_RESERVED. */
export function parseUserName(text: string): string {
  const name = parseAccountName(text);
  if (reserved.reserved.includes(name)) throw reeveError('USER_RESERVED', { value: name, rule: 'it is reserved for the system' });
  const prefix = reserved.reservedPrefixes.find((start) => name.startsWith(start));
  if (prefix !== undefined) throw reeveError('USER_RESERVED', { value: name, rule: `names beginning with "${prefix}" are reserved` });
  return name;
}

/** A uid that Reeve may give: 1000 to 4294967294, not 65534 or 65535. Errors: FIELD_INVALID. */
export function parseUid(uid: number): number {
  parseInteger('uid', uid, { min: reserved.minUid, max: 4294967294 });
  if (reserved.forbiddenUids.includes(uid)) throw fieldInvalid('uid', String(uid), 'a uid that is not reserved (65534 and 65535 are)');
  return uid;
}

/** A login shell: an absolute path of plain parts; the host's policy and /etc/shells decide about it. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseShell(text: string): string {
  return parsePattern('shell', text, /^(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,8}$/, 'an absolute path such as /bin/bash');
}

/** GECOS text without subfields. Errors: FIELD_INVALID. */
export function parseComment(text: string): string {
  if (!/^[A-Za-z0-9 .'@_-]{0,100}$/.test(text)) throw fieldInvalid('comment', text, 'at most 100 letters, digits, spaces and any of . \' @ _ -');
  return text;
}

/** Supplementary groups: valid names, sorted, without repeats, at most 32. Errors: FIELD_INVALID. */
export function parseGroups(names: readonly string[]): readonly string[] {
  if (names.length > 32) throw fieldInvalid('groups', `${String(names.length)} groups`, 'at most 32');
  return [...new Set(names.map((name) => parseAccountName(name, 'group')))].sort();
}

/** A user as the wire has it. */
export interface WireUser {
  readonly name: string;
  readonly presence: string | number;
  readonly kind: string | number;
  readonly uid: number;
  readonly shell: string;
  readonly comment: string;
  readonly groups: readonly string[];
  readonly keepHome: boolean;
}

/** A wanted user from the wire. Errors: FIELD_INVALID, FIELD_MISSING, USER_RESERVED. */
export function parseUser(wire: WireUser): User {
  switch (wire.presence) {
    case 'USER_PRESENCE_ABSENT':
      return { presence: 'absent', name: parseUserName(wire.name), keepHome: wire.keepHome };
    case 'USER_PRESENCE_RELEASED':
      return { presence: 'released', name: parseAccountName(wire.name) };
    case 'USER_PRESENCE_PRESENT':
      return { presence: 'present', ...parseAccount(wire) };
    case 'USER_PRESENCE_LOCKED':
      return { presence: 'locked', ...parseAccount(wire) };
    default:
      throw fieldMissing('presence', 'PRESENT, LOCKED, ABSENT or RELEASED');
  }
}

function parseAccount(wire: WireUser): { name: string; account: Account } {
  if (wire.kind === 'USER_KIND_ADOPTED') return { name: parseAccountName(wire.name), account: { kind: 'adopted' } };
  if (wire.kind !== 'USER_KIND_HOME' && wire.kind !== 'USER_KIND_SYSTEM') throw fieldMissing('kind', 'HOME, SYSTEM or ADOPTED');
  const account: Account = {
    kind: wire.kind === 'USER_KIND_HOME' ? 'home' : 'system',
    uid: wire.uid === 0 ? undefined : parseUid(wire.uid),
    shell: parseShell(wire.shell),
    comment: parseComment(wire.comment),
    groups: parseGroups(wire.groups),
  };
  return { name: parseUserName(wire.name), account };
}

/** All wanted users of a host from the wire: names unique, at most 5,000; sorted by name. Errors: as for parseUser. */
export function parseUsers(wire: readonly WireUser[]): readonly User[] {
  if (wire.length > 5000) throw fieldInvalid('users', `${String(wire.length)} users`, 'at most 5,000');
  const users = wire.map(parseUser).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const repeated = users.find((user, index) => users[index - 1]?.name === user.name);
  if (repeated !== undefined) throw fieldInvalid('user name', repeated.name, 'each user once');
  return users;
}

/** A wanted user as the wire has it. */
export function formatUser(user: User): {
  name: string;
  presence: 'USER_PRESENCE_PRESENT' | 'USER_PRESENCE_LOCKED' | 'USER_PRESENCE_ABSENT' | 'USER_PRESENCE_RELEASED';
  kind?: 'USER_KIND_HOME' | 'USER_KIND_SYSTEM' | 'USER_KIND_ADOPTED';
  uid?: number;
  shell?: string;
  comment?: string;
  groups?: string[];
  keepHome?: boolean;
} {
  switch (user.presence) {
    case 'absent':
      return { name: user.name, presence: 'USER_PRESENCE_ABSENT', keepHome: user.keepHome };
    case 'released':
      return { name: user.name, presence: 'USER_PRESENCE_RELEASED' };
    case 'present':
    case 'locked': {
      const presence = user.presence === 'present' ? 'USER_PRESENCE_PRESENT' : 'USER_PRESENCE_LOCKED';
      if (user.account.kind === 'adopted') return { name: user.name, presence, kind: 'USER_KIND_ADOPTED' };
      const { kind, uid, shell, comment, groups } = user.account;
      return { name: user.name, presence, kind: kind === 'home' ? 'USER_KIND_HOME' : 'USER_KIND_SYSTEM', uid: uid ?? 0, shell, comment, groups: [...groups] };
    }
  }
}

/** The model whose digest stands for the users of a host: what is managed, as it is, sorted by name. Adopted accounts count with their lock only. */
export function userDigestModel(observed: readonly ObservedUser[]): Canonical {
  return observed
    .filter((user) => user.marker !== '')
    .map((user) => {
      const adopted = user.marker.startsWith('adopted');
      const base = { name: user.name, marker: user.marker, present: user.present, uid: user.uid, locked: user.locked };
      return adopted ? base : { ...base, gid: user.gid, shell: user.shell, comment: user.comment, home: user.home, groups: [...user.groups].sort() };
    })
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

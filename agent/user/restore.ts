import type { ObservedUser, User } from '../../shared/model/user.js';
import { parseComment, parseShell } from '../../shared/model/user.js';
import type { Restored, Saved } from '../engine/undo.js';

/** What restoring looks at besides what was kept. */
export interface RestoreInput {
  /** The managed accounts now. */
  readonly observed: readonly ObservedUser[];
  /** Names in passwd(5). */
  readonly names: ReadonlySet<string>;
  /** Whether the policy lets an account be removed. */
  readonly mayRemove: (name: string) => boolean;
}

/** The accounts of these names as they are, for taking a change back. */
export function keepUsers(names: readonly string[], observed: readonly ObservedUser[]): readonly Saved[] {
  const seen = new Map(observed.map((user) => [user.name, user]));
  return names.map((name) => {
    const user = seen.get(name);
    return { name, object: user === undefined ? null : { ...user, groups: [...user.groups] } };
  });
}

/** What has to be wanted so that the kept accounts are again as they were, as far as that can be. */
export function restoreUsers(saved: readonly Saved[], input: RestoreInput): Restored<readonly User[]> {
  const now = new Map(input.observed.filter((user) => user.marker !== '').map((user) => [user.name, user]));
  const parts = saved.map((kept) => restoreUser(kept.name, kept.object as ObservedUser | null, { ...input, now: now.get(kept.name) }));
  return { wanted: parts.flatMap((part) => part.wanted ?? []), notes: parts.flatMap((part) => part.notes) };
}

interface Part {
  readonly wanted?: User;
  readonly notes: readonly string[];
}

type Seen = RestoreInput & { readonly now: ObservedUser | undefined };

function restoreUser(name: string, before: ObservedUser | null, seen: Seen): Part {
  const { now } = seen;
  const half = before !== null && before.marker !== '' && !before.marker.startsWith('adopted') && (!before.present || before.marker === 'adding' || before.marker === 'removing');
  if (before === null || half) return takeAway(name, seen);
  if (before.marker === '') return letGo(name, before, now);
  const exists = seen.names.has(name);
  if (before.marker === 'adopted' || before.marker === 'adopted-keys') {
    if (!exists) return skip(`user "${name}" is gone from the host; Reeve did not make it and cannot make it again`);
    if (now !== undefined && !isAdopted(now)) return skip(`user "${name}" was made anew since; it stays as it is`);
    const presence = before.marker === 'adopted' && before.locked ? 'locked' : 'present';
    return { wanted: { presence, name, account: { kind: 'adopted' } }, notes: now?.locked === true && presence === 'present' ? [givesBack(name)] : [] };
  }
  if (now !== undefined && isAdopted(now)) return skip(`user "${name}" was adopted since; it stays as it is`);
  const there = now !== undefined && now.present && now.marker !== 'adding' && now.marker !== 'removing';
  if (now === undefined && exists) return skip(`user "${name}" is not managed by Reeve any more; it stays as it is`);
  return there ? bringBack(before, now) : makeAgain(before);
}

/** An account that was not there: removed where the policy lets it be, else locked. */
function takeAway(name: string, { now, mayRemove }: Seen): Part {
  if (now === undefined) return { notes: [] };
  if (isAdopted(now)) return skip(`user "${name}" was adopted since; it stays as it is`);
  if (mayRemove(name)) return { wanted: { presence: 'absent', name, keepHome: false }, notes: [`user "${name}" was not there before: it is removed, and its home goes to the trash, /home/.reeve-trash`] };
  const note = `user "${name}" was not there before; the policy does not let it be removed, so it is locked`;
  return { wanted: { presence: 'locked', name, account: { kind: kindOf(now), uid: undefined, shell: now.shell, comment: now.comment, groups: now.groups } }, notes: [note] };
}

/** An account that was there and not managed. */
function letGo(name: string, before: ObservedUser, now: ObservedUser | undefined): Part {
  if (now === undefined || !isAdopted(now)) return { notes: [] };
  if (now.locked && !before.locked) {
    return { wanted: { presence: 'present', name, account: { kind: 'adopted' } }, notes: [givesBack(name), `user "${name}" stays adopted; to let it go: reeve user remove ${name}`] };
  }
  return { wanted: { presence: 'released', name }, notes: [] };
}

/** An account of ours that is there still. */
function bringBack(before: ObservedUser, now: ObservedUser): Part {
  const { name } = before;
  const gained = (now.locked && !before.locked) || before.groups.some((group) => !now.groups.includes(group));
  const account = { kind: kindOf(now), uid: undefined, shell: fitting(parseShell, before.shell, now.shell), comment: fitting(parseComment, before.comment, now.comment), groups: before.groups };
  return { wanted: { presence: before.locked ? 'locked' : 'present', name, account }, notes: gained ? [givesBack(name)] : [] };
}

/** An account of ours that was removed: a new one under the old uid; the old data are where the removal put them. */
function makeAgain(before: ObservedUser): Part {
  const { name, uid, groups } = before;
  const kind = kindOf(before);
  const account = { kind, uid, shell: fitting(parseShell, before.shell, '/usr/sbin/nologin'), comment: fitting(parseComment, before.comment, ''), groups };
  const data = kind === 'home' ? '; its home is new and empty, and the old one stays in the trash, /home/.reeve-trash, if the removal moved it there' : '';
  return { wanted: { presence: before.locked ? 'locked' : 'present', name, account }, notes: [`user "${name}" was removed and is made again with uid ${String(uid)} and no password${data}`] };
}

function isAdopted(user: ObservedUser): boolean {
  return user.marker.startsWith('adopted');
}

function kindOf(user: ObservedUser): 'home' | 'system' {
  return user.marker === 'system' || (user.marker !== 'home' && !user.home.startsWith('/home/')) ? 'system' : 'home';
}

function givesBack(name: string): string {
  return `user "${name}" gets access back`;
}

function skip(note: string): Part {
  return { notes: [note] };
}

/** What was set by hand need not be anything that Reeve would set. */
function fitting(parse: (text: string) => string, before: string, otherwise: string): string {
  try {
    return parse(before);
  } catch {
    return otherwise;
  }
}

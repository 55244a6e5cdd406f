import type { ObservedUser, User } from '../../shared/model/user.js';

/**
 * The part of what is wanted that only removes access: locks, removals, groups that are taken away; everything else of those accounts as it is now. What a
 * hold lets through. Letting go of an account takes no access from anybody, so it waits.
 */
export function removalsOf(wanted: readonly User[], observed: readonly ObservedUser[]): readonly User[] {
  const seen = new Map(observed.map((user) => [user.name, user]));
  return wanted.flatMap((user) => removalOf(user, seen.get(user.name)));
}

function removalOf(user: User, now: ObservedUser | undefined): readonly User[] {
  if (user.presence === 'absent') return now === undefined || now.marker === '' ? [] : [user];
  if (user.presence === 'released' || now === undefined) return [];
  const locks = user.presence === 'locked' && !now.locked;
  // An account that is adopted and locked at once is locked at once: the mark is what lets the helper lock it.
  if (user.account.kind === 'adopted') return locks && now.marker !== 'home' && now.marker !== 'system' ? [user] : [];
  if (now.marker !== 'home' && now.marker !== 'system') return [];
  if (!now.present) return [];
  const { groups } = user.account;
  const kept = now.groups.filter((group) => groups.includes(group));
  if (!locks && kept.length === now.groups.length) return [];
  const account = { kind: now.marker, uid: undefined, shell: now.shell, comment: now.comment, groups: kept };
  return [{ name: user.name, presence: locks || now.locked ? 'locked' : 'present', account }];
}

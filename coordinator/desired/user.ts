import { formatUser, type User } from '../../shared/model/user.js';

/** What the agent of a host is asked to make so: all wanted users, sorted by name. */
export function desiredUsers(users: readonly User[]): ReturnType<typeof formatUser>[] {
  return users.map(formatUser).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

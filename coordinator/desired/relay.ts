import type { RelayChild } from '../../shared/model/relay.js';

/** What the agent of a host is asked to make so: all hosts that it passes bytes to, sorted by id. */
export function desiredRelay(children: readonly RelayChild[]): RelayChild[] {
  return [...children].sort((a, b) => (a.hostId < b.hostId ? -1 : a.hostId > b.hostId ? 1 : 0));
}

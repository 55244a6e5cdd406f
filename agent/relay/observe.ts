import type { RelayChild } from '../../shared/model/relay.js';
import type { RelayList } from './list.js';

/** The children that this host passes bytes to now, sorted by id. */
export function observeRelay(list: RelayList): readonly RelayChild[] {
  return list.children;
}

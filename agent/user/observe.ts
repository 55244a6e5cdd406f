import { reeveError } from '../../shared/errors/error.js';
import type { ObservedUser } from '../../shared/model/user.js';
import type { Helper } from '../host/host.js';

const markers: readonly ObservedUser['marker'][] = ['', 'home', 'system', 'adopted', 'adopted-keys', 'adding', 'removing'];

/** The accounts of the host as the helper sees them, sorted by name. Errors: POLICY_DENIED, POLICY_UNUSABLE, HELPER_UNREACHABLE, VERSION_UNSUPPORTED. */
export async function observeUsers(helper: Helper, operationId: string, scope: 'managed' | 'all'): Promise<readonly ObservedUser[]> {
  const { user } = await helper.call('observe.user', operationId, { scope });
  return user
    .map(({ group, marker, ...fields }) => ({ ...fields, marker: parseMarker(marker), groups: [...group].sort() }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function parseMarker(text: string): ObservedUser['marker'] {
  const marker = markers.find((known) => known === text);
  if (marker === undefined) throw reeveError('VERSION_UNSUPPORTED', { value: `of marker "${text}"`, rule: 'the helper is newer than the agent' });
  return marker;
}

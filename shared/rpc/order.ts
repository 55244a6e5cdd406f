import { ReeveError, reeveError } from '../errors/error.js';
import type { Endpoint } from '../model/host.js';
import { parseReachableEndpoint } from '../model/join-token.js';

/** Tries endpoints in order, going on while they cannot be reached. Errors: of the last one. */
export async function inOrder<T>(endpoints: readonly string[], attempt: (endpoint: Endpoint) => Promise<T>): Promise<T> {
  let last: unknown = reeveError('COORDINATOR_UNREACHABLE', { value: 'no address', reason: 'none is known' });
  for (const text of endpoints) {
    try {
      return await attempt(parseReachableEndpoint(text));
    } catch (error) {
      last = error;
      if (!(error instanceof ReeveError) || error.code !== 'COORDINATOR_UNREACHABLE') throw error;
    }
  }
  throw last;
}

import { reeveError } from '../../shared/errors/error.js';
import type { Live } from '../fleet/live.js';
import type { Noun } from './noun.js';

/** An agent that is too old for a noun is not asked for it; one that is not there is found out about by asking. Errors: VERSION_UNSUPPORTED. */
export function requireAble({ state, status }: Pick<Live, 'state' | 'status'>, { needs }: Pick<Noun, 'needs'>): void {
  if (needs === undefined || state !== 'connected' || status === undefined || status.capabilities.includes(needs.capability)) return;
  throw reeveError('VERSION_UNSUPPORTED', { value: `${status.agentVersion} of the agent`, rule: needs.lack });
}

import { reeveError, ReeveError } from '../../shared/errors/error.js';
import type { Host } from '../host/host.js';
import { parseOperationId } from '../host/privd.js';
import type { Journal } from '../journal/journal.js';

/** The nouns whose changes can cut the coordinator off, each with the method that makes them. */
const confirmable = { key: 'reeve.agent.v1.KeyService/SyncAuthorizedKeys', nat: 'reeve.agent.v1.NatService/ApplyNat' } as const;

/** A request to keep a change. */
export interface Confirmation {
  readonly id: string;
  readonly noun: string;
  /** When the connection of the request was accepted, by the host's clock. */
  readonly openedAt: number | undefined;
}

/**
 * Keeps a pending change. A connection that was there before the change proves nothing about new ones, so it is refused. Repeatable for the change confirmed last.
 * Errors: CONFIRM_UNKNOWN, FIELD_INVALID, HELPER_UNREACHABLE, AUDIT_UNWRITABLE.
 */
export async function confirm(agent: { readonly journal: Journal; readonly host: Host; readonly hostName: string }, asked: Confirmation): Promise<void> {
  const { id, openedAt } = asked;
  const unknown = (cause?: unknown): ReeveError => reeveError('CONFIRM_UNKNOWN', { host: agent.hostName, value: id }, { cause });
  const noun = isConfirmable(asked.noun) ? asked.noun : undefined;
  const entry = noun === undefined ? undefined : agent.journal.findOperation(id, confirmable[noun]);
  if (noun === undefined || entry === undefined) throw unknown();
  if (entry.endedAt === undefined || openedAt === undefined || openedAt < entry.endedAt) {
    throw reeveError('FIELD_INVALID', { field: 'connection', value: openedAt === undefined ? '' : new Date(openedAt).toISOString(), rule: 'one that was opened after the change was made is wanted' });
  }
  try {
    await agent.host.helper.call('pending.confirm', id, { noun, operation: parseOperationId(id) });
  } catch (error) {
    throw error instanceof ReeveError && error.code === 'CONFIRM_UNKNOWN' ? unknown(error) : error;
  }
}

function isConfirmable(noun: string): noun is keyof typeof confirmable {
  return Object.hasOwn(confirmable, noun);
}

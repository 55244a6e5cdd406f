import { ReeveError } from '../../shared/errors/error.js';
import type { PendingGetReply } from '../../shared/gen/privd.js';
import { newId } from '../../shared/kit/id.js';
import { createPrivdClient } from './privd.js';

/** Longest answer of the helper, ms. */
const helperMs = 10_000;

/** Changes that revert by themselves and the last that did, as the helper knows them; undefined: it does not answer, or is one that has none. */
export async function readPending(helperSocket: string): Promise<PendingGetReply | undefined> {
  const client = createPrivdClient({ socketPath: helperSocket, timeoutMs: helperMs });
  try {
    return await client.call('pending.get', newId(Date.now()), {});
  } catch (error) {
    if (error instanceof ReeveError) return undefined;
    throw error;
  } finally {
    client.close();
  }
}

/** One sentence for each, pending ones first; texts of the helper are its own. */
export function describePending(reply: PendingGetReply): { readonly pending: readonly string[]; readonly reverted: readonly string[] } {
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    pending: reply.change.map(({ noun, state, deadlineMs }) => (state === 'reverting' ? `the change of noun ${noun} is being taken back` : `the change of noun ${noun} is taken back at ${at(deadlineMs)} unless it is confirmed`)),
    reverted: reply.reverted.map(({ noun, atMs, reason }) => `the change of noun ${noun} was taken back at ${at(atMs)}: ${reason}`),
  };
}

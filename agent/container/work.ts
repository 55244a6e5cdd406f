import { isUnreachable } from '../engine/apply.js';
import { beginWork, resultOf, type ContainerTicket, type UnitTicket, type WorkPlace } from '../engine/ticket.js';
import { fieldText, type JobEvent, type JobFields } from '../host/job.js';
import type { PrivdRequest } from '../../shared/gen/privd.js';

/** How a piece of work ended. */
export interface Ended {
  readonly ok: boolean;
  /** Why not; a sentence. */
  readonly reason: string;
  readonly fields: JobFields;
}

/** No piece of work takes longer, ms: its programs have bounds of their own, and this one is for what nobody thought of. */
export const longestWorkMs = 3_600_000;

/** Longest reason that is passed on, characters. */
const mostReason = 1000;

/** How a result reads. */
export function endOf(fields: JobFields): Ended {
  const ok = fieldText(fields, 'ok') === '1';
  const reason = fieldText(fields, 'reason').slice(0, mostReason);
  return { ok, reason: ok || reason !== '' ? reason : 'it does not say why', fields };
}

/** Does a piece of work to its end, whoever waits for it. Errors: what the helper refuses, HELPER_UNREACHABLE when it has not begun. */
export async function doWork<V extends ContainerTicket | UnitTicket>(
  place: WorkPlace, verb: V, operationId: string, request: PrivdRequest<V>, hear?: (event: Exclude<JobEvent, { kind: 'result' }>) => void,
): Promise<Ended> {
  const job = await beginWork(place, verb, operationId, request);
  const timer = setTimeout(() => job.close(), longestWorkMs);
  try {
    return endOf(await resultOf(job, hear));
  } catch (error) {
    // It began: that it died is how it ended.
    if (isUnreachable(error)) return { ok: false, reason: 'the program that does it ended without a word', fields: new Map() };
    throw error;
  } finally {
    clearTimeout(timer);
    job.close();
  }
}

/** What a container wrote last, for people; empty: nothing, or nobody may know. */
export async function lastLine(place: WorkPlace, operationId: string, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    await doWork(place, 'container.log', operationId, { name, lines: 5, follow: false }, (event) => {
      if (event.kind === 'output') chunks.push(event.bytes);
    });
  } catch {
    return '';
  }
  const lines = Buffer.concat(chunks).toString('utf8').split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return (lines.at(-1) ?? '').slice(0, 300);
}

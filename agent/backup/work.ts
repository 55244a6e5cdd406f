import type { BackupWorkInput } from '../../shared/gen/proto/reeve/agent/v1/BackupWork.js';
import type { PrivdRequest } from '../../shared/gen/privd.js';
import { withHost } from '../engine/apply.js';
import { beginWork, type BackupTicket, type WorkPlace } from '../engine/ticket.js';
import { fieldNumber, fieldText, type JobFields } from '../host/job.js';
import { entryOf, progressOf, snapshotOf } from './event.js';

/** A piece of work from its ticket to its result, as the stream of its events. It ends when the caller goes. */
export async function* runWork<V extends BackupTicket>(
  place: WorkPlace,
  what: { readonly verb: V; readonly operationId: string; readonly request: PrivdRequest<V>; readonly phase: string; readonly rows: 'entry' | 'snapshot'; readonly input?: readonly Uint8Array[] },
  signal: AbortSignal,
): AsyncGenerator<BackupWorkInput> {
  const job = await beginWork(place, what.verb, what.operationId, what.request);
  const began = place.host.clock.monotonic();
  const stop = (): void => job.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (what.input !== undefined) await job.input(what.input);
    for await (const event of job.events) {
      switch (event.kind) {
        case 'progress':
          yield { progress: progressOf(event.fields, what.phase, Math.round(place.host.clock.monotonic() - began)) };
          break;
        case 'row':
          yield what.rows === 'entry' ? { entry: entryOf(event.fields) } : { snapshot: snapshotOf(event.fields) };
          break;
        case 'result':
          yield { result: workResult(event.fields) };
          return;
        default:
          break;
      }
    }
  } catch (error) {
    throw withHost(error, place.hostName);
  } finally {
    signal.removeEventListener('abort', stop);
    job.close();
  }
}

function workResult(fields: JobFields): { ok: boolean; reason: string; truncated: boolean; bytes: number; count: number; rows: number } {
  return {
    ok: fieldText(fields, 'ok') === '1',
    reason: fieldText(fields, 'reason').slice(0, 4096),
    truncated: fieldText(fields, 'truncated') === '1',
    bytes: fieldNumber(fields, 'bytes'),
    count: fieldNumber(fields, 'count'),
    rows: fieldNumber(fields, 'rows'),
  };
}

import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import type { ContainerWorkInput } from '../../shared/gen/proto/reeve/agent/v1/ContainerWork.js';
import type { PrivdRequest } from '../../shared/gen/privd.js';
import { withBeats } from '../../shared/kit/beat.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { withHost } from '../engine/apply.js';
import { beginWork, type ContainerTicket, type WorkPlace } from '../engine/ticket.js';
import { fieldNumber, fieldText, type Job, type JobEvent, type JobFields } from '../host/job.js';
import { endOf, longestWorkMs } from './work.js';

/** A caller hears something at least this often, ms. */
const beatMs = 5_000;

/** A piece of work that somebody asked for. */
export interface Order<V extends ContainerTicket = ContainerTicket> {
  readonly verb: V;
  readonly operationId: string;
  readonly request: PrivdRequest<V>;
  /** What is done, for people, while nothing else is known of it. */
  readonly text: string;
  /** What a program prints is what was asked for; otherwise it tells how far the work is. */
  readonly log?: boolean;
  /** The error that the work failed with. */
  readonly failed: (reason: string) => ReeveError;
}

/** The events of a piece of work, read as fast as they are taken. It ends when the caller goes. `feed` brings its data. */
export async function* streamWork(place: WorkPlace, order: Order, signal: AbortSignal, feed?: (job: Job) => Promise<void>): AsyncGenerator<ContainerWorkInput> {
  const job = await beginWork(place, order.verb, order.operationId, order.request);
  const stop = (): void => job.close();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let unfed: unknown;
  const feeding = feed?.(job).catch((error: unknown) => {
    unfed = error;
    job.close();
  });
  try {
    yield* formatEvents(order, job.events);
  } catch (error) {
    throw withHost(unfed ?? error, place.hostName);
  } finally {
    signal.removeEventListener('abort', stop);
    job.close();
    await feeding;
  }
}

/**
 * The same for work that goes on to its end without its caller. `between` runs it between the changes of the noun, with what else belongs to it: the result is told when
 * all of that is done.
 */
export async function* finishWork(place: WorkPlace, order: Order, between: (task: () => Promise<void>) => Promise<void>): AsyncGenerator<ContainerWorkInput> {
  const heard = createEventQueue<ContainerWorkInput>();
  let result: ContainerWorkInput | undefined;
  const pump = async (): Promise<void> => {
    for await (const event of streamWork(place, order, AbortSignal.timeout(longestWorkMs))) {
      if (event.result === undefined) heard.push(event);
      else result = event;
    }
  };
  const end = (): void => {
    if (result !== undefined) heard.push(result);
    heard.end();
  };
  between(pump).then(end, (error: unknown) => heard.end(withHost(error, place.hostName)));
  yield* withBeats(heard, { progress: { text: order.text } }, beatMs);
}

async function* formatEvents(order: Order, events: AsyncIterable<JobEvent>): AsyncGenerator<ContainerWorkInput> {
  const told = formatEach(order, events);
  yield* order.log === true ? told : withBeats(told, { progress: { text: order.text } }, beatMs);
}

async function* formatEach(order: Order, events: AsyncIterable<JobEvent>): AsyncGenerator<ContainerWorkInput> {
  for await (const event of events) {
    switch (event.kind) {
      case 'progress':
        yield { progress: progressOf(event.fields, order.text) };
        break;
      case 'output':
        if (order.log === true) yield { output: event.bytes };
        else yield { progress: { text: lastWords(event.bytes) || order.text } };
        break;
      case 'row':
        yield rowOf(event.fields);
        break;
      case 'result': {
        const { ok, reason, fields } = endOf(event.fields);
        if (!ok) throw order.failed(reason);
        yield { result: { digest: fieldText(fields, 'digest').slice(0, 512), bytes: fieldNumber(fields, 'bytes'), note: noteOf(fields) } };
        return;
      }
      default:
        break;
    }
  }
  throw reeveError('HELPER_UNREACHABLE', { reason: 'the work ended without a result' });
}

function progressOf(fields: JobFields, text: string): NonNullable<ContainerWorkInput['progress']> {
  return { text: fieldText(fields, 'text').slice(0, 300) || text, bytes: fieldNumber(fields, 'bytes'), total: fieldNumber(fields, 'total') };
}

function lastWords(bytes: Buffer): string {
  const lines = bytes.toString('utf8').split(/[\r\n]/).map((line) => line.trim()).filter((line) => line !== '');
  return (lines.at(-1) ?? '').slice(0, 300);
}

function rowOf(fields: JobFields): ContainerWorkInput {
  const [createdMs, bytes] = [fieldNumber(fields, 'created-ms'), fieldNumber(fields, 'bytes')];
  const snapshot = fieldText(fields, 'snapshot');
  if (snapshot !== '') return { snapshot: { name: snapshot.slice(0, 255), createdMs, bytes } };
  const usedBy = fieldText(fields, 'used').split(',').filter((name) => name !== '');
  return {
    image: {
      kind: fieldText(fields, 'kind').slice(0, 32), image: fieldText(fields, 'image').slice(0, 255), digest: fieldText(fields, 'digest').replace(/^sha256:/, '').slice(0, 64), tag: fieldText(fields, 'tag').slice(0, 128), createdMs, bytes, usedBy,
    },
  };
}

/** What there is to know of work that was done. */
function noteOf(fields: JobFields): string {
  const [consistent, left] = [fieldText(fields, 'consistent'), fieldNumber(fields, 'left')];
  if (consistent === '0') return 'the container ran meanwhile: what it was writing may be in the snapshot by half; stop it first for one that is whole';
  return left > 0 ? `${String(left)} images could not be removed` : '';
}

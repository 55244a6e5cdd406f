import { reeveError } from '../../shared/errors/error.js';
import type { PrivdRequest, PrivdVerbName } from '../../shared/gen/privd.js';
import type { Host, JobProgram } from '../host/host.js';
import type { Job, JobEvent, JobFields } from '../host/job.js';
import { withHost } from './apply.js';

/** Where long work is done. */
export interface WorkPlace {
  readonly host: Host;
  readonly hostName: string;
}

/** Verbs of the helper that answer a ticket, by the program that takes it. */
export type BackupTicket =
  | 'backup.inspect' | 'backup.send' | 'backup.receive' | 'backup.fetch' | 'backup.restore' | 'backup.discard' | 'backup.dump' | 'backup.load' | 'backup.look' | 'backup.hash' | 'backup.prune' | 'backup.adopt';
export type ContainerTicket =
  | 'container.build' | 'container.control' | 'container.remove' | 'container.snapshot' | 'container.look' | 'container.pull' | 'container.import' | 'container.prune' | 'container.log' | 'container.adopt';
export type UnitTicket = 'unit.status' | 'unit.restart' | 'unit.log';
export type TicketVerb = BackupTicket | ContainerTicket | UnitTicket;

function programOf(verb: PrivdVerbName): JobProgram {
  if (verb.startsWith('unit.')) return 'unit';
  return verb.startsWith('container.') ? 'container' : 'job';
}

/** Asks the helper for a ticket and begins its work. Errors: what the helper refuses, HELPER_UNREACHABLE. */
export async function beginWork<V extends TicketVerb>({ host, hostName }: WorkPlace, verb: V, operationId: string, request: PrivdRequest<V>): Promise<Job> {
  try {
    const { ticket } = (await host.helper.call(verb, operationId, request)) as { readonly ticket: string };
    return await host.openJob(ticket, programOf(verb));
  } catch (error) {
    throw withHost(error, hostName);
  }
}

/** What a job has to say that is no result, and its result. Errors: HELPER_UNREACHABLE. */
export async function resultOf(job: Job, hear: (event: Exclude<JobEvent, { kind: 'result' }>) => void = () => undefined): Promise<JobFields> {
  for await (const event of job.events) {
    if (event.kind === 'result') return event.fields;
    hear(event);
  }
  throw reeveError('HELPER_UNREACHABLE', { reason: 'the work ended without a result' });
}

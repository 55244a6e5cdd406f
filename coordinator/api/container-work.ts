import { reeveError } from '../../shared/errors/error.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import type { ImportImageRequestInput as AgentImport } from '../../shared/gen/proto/reeve/agent/v1/ImportImageRequest.js';
import type { ContainerEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerEvent.js';
import type { FollowContainerLogRequest } from '../../shared/gen/proto/reeve/coordinator/v1/FollowContainerLogRequest.js';
import type { ImportImageRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ImportImageRequest.js';
import type { PruneImagesRequest } from '../../shared/gen/proto/reeve/coordinator/v1/PruneImagesRequest.js';
import type { PullImageRequest } from '../../shared/gen/proto/reeve/coordinator/v1/PullImageRequest.js';
import type { RestartContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RestartContainerRequest.js';
import type { SnapshotContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SnapshotContainerRequest.js';
import { newId } from '../../shared/kit/id.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { isLocalImage, parseContainerName, parseContainerSnapshot, parseImage, parseImportKind, parseLocalImage, parseSnapshotAction } from '../../shared/model/container-field.js';
import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { agentContainers, workOn, type WorkEvent } from '../reconcile/container-agent.js';
import type { OperatorCaller } from './caller.js';
import { auditedWork } from './container-audit.js';
import { findContainer } from './container-change.js';
import { pullImage } from './container-image.js';
import { changeableHost, hostFor } from './select.js';

type Context = CallContext<OperatorCaller>;
type Events = AsyncGenerator<ContainerEventInput>;

/** Most and usual lines of a log. */
const logLines = { min: 1, max: 100_000, usual: 100 } as const;

async function* formatWork(work: AsyncIterable<WorkEvent>): Events {
  for await (const event of work) {
    switch (event.kind) {
      case 'progress':
        yield { progress: event.progress };
        break;
      case 'image':
        yield { image: event.image };
        break;
      case 'output':
        yield { output: event.output };
        break;
      case 'result':
        yield { finished: { digest: event.digest, bytes: event.bytes, note: event.note } };
        break;
      case 'snapshot':
        break;
    }
  }
}

/** The events of work that goes on to its end when nobody listens any more: half of it would leave a container where nobody wants it. */
async function* toItsEnd(work: AsyncIterable<WorkEvent>): AsyncGenerator<WorkEvent> {
  const queue = createEventQueue<WorkEvent>();
  const pump = async (): Promise<void> => {
    for await (const event of work) queue.push(event);
  };
  pump().then(() => queue.end(), (error: unknown) => queue.end(error instanceof Error ? error : new Error(String(error))));
  yield* queue;
}

/** Nothing but the end of the connection ends it. */
const never = new AbortController().signal;

function ofContainer(office: Office, { principal }: Context, request: { readonly host: string; readonly name: string }): { host: HostRow; name: string } {
  const host = changeableHost(office.db, principal, request.host);
  const { name } = findContainer(office.db, host, parseContainerName(request.name));
  return { host, name };
}

/** Restarts a container. */
export function restartContainer(office: Office, context: Context, request: RestartContainerRequest): Events {
  const { host, name } = ofContainer(office, context, request);
  const work = (operationId: string): AsyncIterable<WorkEvent> =>
    workOn(office.fleet, host, {
      what: `Restart of container "${name}"`, signal: never,
      open: (channel, signal) => channel.stream<ContainerServiceDefinition, 'RestartContainer'>(agentContainers, 'RestartContainer', { operationId, name }, { signal }),
    });
  return formatWork(toItsEnd(auditedWork(office, context, { host, action: 'container restart', detail: { name }, work })));
}

/** Makes, restores or removes a snapshot. */
export function snapshotContainer(office: Office, context: Context, request: SnapshotContainerRequest): Events {
  const { host, name } = ofContainer(office, context, request);
  const action = parseSnapshotAction(request.action);
  const snapshot = parseContainerSnapshot(request.snapshot);
  const work = (operationId: string): AsyncIterable<WorkEvent> =>
    workOn(office.fleet, host, {
      what: `Snapshot "${snapshot}" of container "${name}"`, signal: never,
      open: (channel, signal) => channel.stream<ContainerServiceDefinition, 'SnapshotContainer'>(agentContainers, 'SnapshotContainer', { operationId, name, action, snapshot }, { signal }),
    });
  return formatWork(toItsEnd(auditedWork(office, context, { host, action: `container snapshot ${action}`, detail: { name, snapshot }, work })));
}

/** What a container has written, and with `follow` what it writes. */
export function followLog({ db, fleet }: Office, { principal, signal }: Context, request: FollowContainerLogRequest): Events {
  const host = hostFor(db, principal, request.host);
  const name = parseContainerName(request.name);
  const lines = request.lines === 0 ? logLines.usual : parseInteger('lines', request.lines, logLines);
  return formatWork(workOn(fleet, host, {
    what: `Reading the log of container "${name}"`, signal, quiet: request.follow,
    open: (channel, ended) => channel.stream<ContainerServiceDefinition, 'FollowContainerLog'>(agentContainers, 'FollowContainerLog', { name, lines, follow: request.follow }, { signal: ended }),
  }));
}

/** Has a host fetch an image; a caller that goes ends it. */
export function pull(office: Office, context: Context, request: PullImageRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const image = parseImage(request.image);
  if (isLocalImage(image)) throw reeveError('CONTAINER_IMAGE', { value: image, host: host.name, rule: 'localhost is no registry', remedy: `To bring it: reeve container image import ${host.name} FILE --image ${image}` });
  return formatWork(auditedWork(office, context, { host, action: 'container image pull', detail: { image }, work: (operationId) => pullImage(office, host, { image, operationId, signal: context.signal }) }));
}

/** Gives a host an image or an archive; a caller that goes ends it. */
export function importImage(office: Office, context: Context, first: ImportImageRequest, rest: AsyncIterable<ImportImageRequest>): Events {
  const { start } = first;
  if (!start) throw fieldMissing('start', 'what comes: host and kind');
  const host = changeableHost(office.db, context.principal, start.host);
  const kind = parseImportKind(start.kind);
  if (kind !== 'rootfs' && start.image !== '') throw fieldInvalid('image', start.image, 'only of a root file system: other archives have names of their own');
  const image = kind === 'rootfs' ? parseLocalImage(start.image) : '';
  const said: Said = {};
  const events = (operationId: string): AsyncIterable<WorkEvent> =>
    workOn(office.fleet, host, {
      what: 'The import', signal: context.signal,
      open: (channel, signal) => channel.duplex<ContainerServiceDefinition, 'ImportImage'>(agentContainers, 'ImportImage', importMessages({ operationId, kind, image }, rest, said), { signal }),
    });
  async function* work(operationId: string): AsyncGenerator<WorkEvent> {
    try {
      yield* events(operationId);
    } catch (error) {
      // To the host that is a call that was cancelled, and no more.
      throw said.mistake ?? error;
    }
  }
  return formatWork(auditedWork(office, context, { host, action: 'container image import', detail: { kind, image }, work }));
}

/** What was wrong with what the caller said. */
interface Said {
  mistake?: Error;
}

async function* importMessages(start: NonNullable<AgentImport['start']>, rest: AsyncIterable<ImportImageRequest>, said: Said): AsyncGenerator<AgentImport> {
  const mistaken = (mistake: Error): Error => (said.mistake = mistake);
  yield { start };
  for await (const { start: again, data, end } of rest) {
    if (again) throw mistaken(fieldInvalid('start', 'given', 'only in the first message'));
    if (end === true) {
      yield { end: true };
      return;
    }
    if (data) yield { data };
  }
  throw mistaken(fieldMissing('end', 'the word that all of it came'));
}

/** Takes away what no container of a host needs, or only tells what that is. */
export function prune(office: Office, context: Context, request: PruneImagesRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const plan = request.mode === 'CHANGE_MODE_PLAN';
  if (!plan && request.mode !== 'CHANGE_MODE_APPLY') throw fieldMissing('mode', 'PLAN or APPLY');
  const work = (operationId: string): AsyncIterable<WorkEvent> =>
    workOn(office.fleet, host, {
      what: 'Taking images away', signal: plan ? context.signal : never,
      open: (channel, signal) => channel.stream<ContainerServiceDefinition, 'PruneImages'>(agentContainers, 'PruneImages', { operationId, plan }, { signal }),
    });
  if (plan) return formatWork(work(newId(office.clock.now())));
  return formatWork(toItsEnd(auditedWork(office, context, { host, action: 'container image prune', detail: {}, work })));
}

import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import type { ContainerWorkInput } from '../../shared/gen/proto/reeve/agent/v1/ContainerWork.js';
import type { ImportImageRequest } from '../../shared/gen/proto/reeve/agent/v1/ImportImageRequest.js';
import type { InspectContainerRequest } from '../../shared/gen/proto/reeve/agent/v1/InspectContainerRequest.js';
import type { InspectContainerResponseInput } from '../../shared/gen/proto/reeve/agent/v1/InspectContainerResponse.js';
import type { SnapshotContainerRequest } from '../../shared/gen/proto/reeve/agent/v1/SnapshotContainerRequest.js';
import { newId } from '../../shared/kit/id.js';
import { containerEngines, formatContainerSpec, type ContainerSpec } from '../../shared/model/container.js';
import { mostContainer, parseContainerName, parseContainerSnapshot, parseImage, parseImportKind, parseLocalImage, parseSnapshotAction } from '../../shared/model/container-field.js';
import { isContainerUp } from '../../shared/model/container-state.js';
import { parseContainerText } from '../../shared/model/container-text.js';
import { fieldInvalid, fieldMissing, parseInteger } from '../../shared/model/field.js';
import { parseId } from '../../shared/model/id.js';
import { chunkBytes, writeBytes } from '../../shared/rpc/bytes.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import type { Coordinator } from '../access.js';
import { withHost } from '../engine/apply.js';
import type { Engine } from '../engine/engine.js';
import type { WorkPlace } from '../engine/ticket.js';
import { fieldText } from '../host/job.js';
import type { ContainerNoun } from './apply.js';
import { observeAll } from './look.js';
import { observeContainers } from './observe.js';
import { putSecret } from './secret.js';
import { finishWork, streamWork } from './stream.js';
import { doWork } from './work.js';

/** What ContainerService needs. */
export interface ContainerServiceOptions {
  readonly engine: Engine;
  readonly work: ContainerNoun;
  readonly place: WorkPlace;
}

type Events = AsyncIterable<ContainerWorkInput>;

/** Most lines of a log. */
const logLines = { min: 0, max: 100_000 } as const;

const reads = { roles: ['coordinator'], risk: 'read', rate: { perSecond: 20, burst: 100 }, maxBytes: 8192, deadlineMs: 0 } as const;
const changes = { ...reads, risk: 'change' } as const;

/** reeve.agent.v1.ContainerService. */
export function containerService(options: ContainerServiceOptions): Service<Coordinator> {
  const { engine, work, place } = options;
  return defineService<ContainerServiceDefinition, Coordinator>('reeve.agent.v1.ContainerService', {
    ApplyContainer: {
      roles: ['coordinator'], risk: 'change', rate: { perSecond: 20, burst: 40 }, maxBytes: 4 * 1024 * 1024, deadlineMs: 1_800_000,
      handle: (request, context) => engine.run(work, request, context.signal),
    },
    ObserveContainer: { ...reads, deadlineMs: 60_000, handle: (request) => observeAll(place, request) },
    RestartContainer: { ...changes, handle: (request) => restart(options, request) },
    PutContainerSecret: { ...changes, maxBytes: mostContainer.secretBytes + 4096, deadlineMs: 60_000, handle: (request) => putSecret(place, request) },
    SnapshotContainer: { ...changes, handle: (request) => snapshot(options, request) },
    ListContainerSnapshots: { ...reads, handle: (request, context) => listSnapshots(place, request.name, context.signal) },
    InspectContainer: { ...reads, deadlineMs: 60_000, handle: (request) => inspect(place, request) },
    ListImages: { ...reads, handle: (_request, context) => listImages(place, context.signal) },
    PullImage: { ...changes, handle: (request, context) => pull(place, request, context.signal) },
    ImportImage: { ...changes, maxBytes: chunkBytes + 64, handle: (request, context, rest) => importImage(place, request, rest, context.signal) },
    PruneImages: { ...changes, handle: (request, context) => prune(place, request, context.signal) },
    FollowContainerLog: { ...reads, handle: (request, context) => followLog(place, request, context.signal) },
  });
}

function failedWith(value: string): (reason: string) => ReeveError {
  return (rule) => reeveError('CONTAINER_FAILED', { value, rule });
}

function idOf({ host }: WorkPlace): string {
  return newId(host.clock.now());
}

function restart({ engine, place }: ContainerServiceOptions, request: { readonly operationId: string; readonly name: string }): Events {
  const operationId = parseId('operation id', request.operationId);
  const name = parseContainerName(request.name);
  const text = `Restarting container "${name}"`;
  return finishWork(place, { verb: 'container.control', operationId, request: { name, action: 'restart' }, text, failed: failedWith(text) }, (task) => engine.read('container', task));
}

function snapshot({ engine, place }: ContainerServiceOptions, request: SnapshotContainerRequest): Events {
  const operationId = parseId('operation id', request.operationId);
  const name = parseContainerName(request.name);
  const action = parseSnapshotAction(request.action);
  const text = `Snapshot "${parseContainerSnapshot(request.snapshot)}" of container "${name}"`;
  const order = { verb: 'container.snapshot', operationId, request: { name, action, snapshot: request.snapshot }, text, failed: failedWith(text) } as const;
  return finishWork(place, order, (task) =>
    engine.read('container', async () => {
      if (action !== 'create') await requireSnapshot(place, operationId, name, request.snapshot);
      await (action === 'restore' ? whileStopped(place, operationId, name, task) : task());
    }));
}

/** Does a task while a container is stopped, and starts it again when it was up, whatever became of the task. Errors: those of the task; CONTAINER_FAILED. */
async function whileStopped(place: WorkPlace, operationId: string, name: string, task: () => Promise<void>): Promise<void> {
  const { containers } = await observeContainers(place.host.helper, operationId, 'managed', name);
  const control = async (action: 'start' | 'stop', what: string): Promise<void> => {
    const { ok, reason } = await doWork(place, 'container.control', operationId, { name, action });
    if (!ok) throw failedWith(`${what} container "${name}"`)(reason);
  };
  if (!containers.some((container) => container.name === name && isContainerUp(container.state))) {
    await task();
    return;
  }
  await control('stop', 'Stopping');
  try {
    await task();
  } finally {
    await control('start', 'Starting');
  }
}

async function requireSnapshot(place: WorkPlace, operationId: string, name: string, snapshot: string): Promise<void> {
  const names: string[] = [];
  const { ok, reason } = await doWork(place, 'container.look', operationId, { what: 'snapshots', name }, (event) => {
    if (event.kind === 'row') names.push(fieldText(event.fields, 'snapshot'));
  });
  if (!ok) throw failedWith(`Listing snapshots of container "${name}"`)(reason);
  if (!names.includes(snapshot)) throw reeveError('CONTAINER_SNAPSHOT', { value: name, rule: snapshot });
}

function listSnapshots(place: WorkPlace, container: string, signal: AbortSignal): Events {
  const name = parseContainerName(container);
  const text = `Listing snapshots of container "${name}"`;
  return streamWork(place, { verb: 'container.look', operationId: idOf(place), request: { what: 'snapshots', name }, text, failed: failedWith(text) }, signal);
}

async function inspect(place: WorkPlace, request: InspectContainerRequest): Promise<InspectContainerResponseInput> {
  const engine = containerEngines.find((known) => known === request.engine);
  if (engine === undefined) throw fieldInvalid('engine', request.engine, 'podman, lxc or pct');
  const name = parseContainerName(request.name);
  const { ok, reason, fields } = await doWork(place, 'container.look', idOf(place), { what: 'inspect', name, engine });
  const problem = (rule: string): ReeveError => withHost(reeveError('CONTAINER_ADOPT', { value: name, rule }), place.hostName);
  if (!ok) throw problem(reason);
  const texts = (key: string): string[] => (fields.get(key) ?? []).map((value) => value.toString('utf8').slice(0, 8192));
  const problems = texts('problem');
  const spec = readInspected(texts('spec'));
  if (spec === undefined && problems.length === 0) throw problem('what it is made from has no place in a container of Reeve');
  return { ...(spec === undefined ? {} : { spec: formatContainerSpec(spec) }), problems };
}

/** undefined: it is no whole spec, which the problems tell of. */
function readInspected(lines: readonly string[]): ContainerSpec | undefined {
  const first = 'container 1';
  try {
    return parseContainerText(`${(lines[0] === first ? lines : [first, ...lines]).join('\n')}\n`);
  } catch {
    return undefined;
  }
}

function listImages(place: WorkPlace, signal: AbortSignal): Events {
  const text = 'Listing images';
  return streamWork(place, { verb: 'container.look', operationId: idOf(place), request: { what: 'images' }, text, failed: failedWith(text) }, signal);
}

function imageFailed(value: string, remedy: string): (reason: string) => ReeveError {
  return (rule) => reeveError('CONTAINER_IMAGE', { value, rule, remedy });
}

function pull(place: WorkPlace, request: { readonly operationId: string; readonly image: string }, signal: AbortSignal): Events {
  const operationId = parseId('operation id', request.operationId);
  const image = parseImage(request.image);
  return streamWork(place, { verb: 'container.pull', operationId, request: { image }, text: `Fetching ${image}`, failed: imageFailed(image, 'See whether the host reaches the registry, and whether it has that image.') }, signal);
}

function importImage(place: WorkPlace, { start }: ImportImageRequest, rest: AsyncIterable<ImportImageRequest>, signal: AbortSignal): Events {
  if (start === undefined || start === null) throw fieldMissing('start', 'the first message says what comes');
  const operationId = parseId('operation id', start.operationId);
  const { image } = start;
  const kind = parseImportKind(start.kind);
  if (kind !== 'rootfs' && image !== '') throw fieldInvalid('image', image, 'only with rootfs');
  const named = kind === 'rootfs' ? { image: parseLocalImage(image) } : {};
  const failed = imageFailed(image === '' ? kind : image, 'Give another file.');
  return streamWork(place, { verb: 'container.import', operationId, request: { kind, ...named }, text: 'Taking it in', failed }, signal, (job) => writeBytes(job.data, untilEnd(rest)));
}

/** What a caller brings; half of an image is none. */
async function* untilEnd(messages: AsyncIterable<ImportImageRequest>): AsyncGenerator<{ data: Buffer } | { end: true }> {
  for await (const { data, end } of messages) {
    if (data !== undefined) yield { data };
    if (end !== true) continue;
    yield { end };
    return;
  }
  throw reeveError('CANCELLED');
}

function prune(place: WorkPlace, request: { readonly operationId: string; readonly plan: boolean }, signal: AbortSignal): Events {
  const operationId = parseId('operation id', request.operationId);
  const text = 'Removing images that no container needs';
  return streamWork(place, { verb: 'container.prune', operationId, request: { plan: request.plan }, text, failed: failedWith(text) }, signal);
}

function followLog(place: WorkPlace, request: { readonly name: string; readonly lines: number; readonly follow: boolean }, signal: AbortSignal): Events {
  const name = parseContainerName(request.name);
  const lines = parseInteger('lines', request.lines, logLines);
  const text = `Reading the log of container "${name}"`;
  return streamWork(place, { verb: 'container.log', operationId: idOf(place), request: { name, lines, follow: request.follow }, text, log: true, failed: failedWith(text) }, signal);
}

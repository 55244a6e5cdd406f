import { reeveError } from '../../shared/errors/error.js';
import type { AddContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AddContainerRequest.js';
import type { AdoptContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/AdoptContainerRequest.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import type { ContainerSecretValue } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerSecretValue.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerService.js';
import type { RemoveContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/RemoveContainerRequest.js';
import type { SetContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/SetContainerRequest.js';
import { newId } from '../../shared/kit/id.js';
import { parseContainerSpec, type ContainerSpec } from '../../shared/model/container.js';
import { parseContainerName } from '../../shared/model/container-field.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { defineService, maxMessageBytes, type CallContext, type Service } from '../../shared/rpc/server.js';
import { startedSpec, stoppedSpec } from '../desired/container.js';
import { getContainer, presentContainer } from '../inventory/container.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { agentContainers, lookAt, readContainerSnapshots, readImages } from '../reconcile/container-agent.js';
import type { OperatorCaller } from './caller.js';
import { findContainer, knownSpec, parseContainerOptions, requirePresent, runContainer } from './container-change.js';
import { listContainers, showContainer, watchContainers } from './container-show.js';
import { parseAskedSpec, parseSecrets } from './container-spec.js';
import { followLog, importImage, prune, pull, restartContainer, snapshotContainer } from './container-work.js';
import { changes, reads } from './row.js';
import { changeableHost, hostFor } from './select.js';

type Context = CallContext<OperatorCaller>;
type Events = AsyncGenerator<ChangeEventInput>;

/** A spec, and values of secrets. */
const sized = { ...changes, maxBytes: maxMessageBytes };

/** A part of an image. */
const parts = { ...changes, maxBytes: 131_072 };

/** Hosts are asked. */
const asks = { ...reads, rate: { perSecond: 10, burst: 100 }, deadlineMs: 300_000 };

/** Containers of hosts, for operators. */
export function containerService(office: () => Office): Service<OperatorCaller> {
  return defineService<ContainerServiceDefinition, OperatorCaller>('reeve.coordinator.v1.ContainerService', {
    AddContainer: { ...sized, handle: (request, context) => orForgotten(request.secrets, () => add(office(), context, request)) },
    SetContainer: { ...sized, handle: (request, context) => orForgotten(request.secrets, () => set(office(), context, request)) },
    StartContainer: { ...changes, handle: (request, context) => alter(office(), context, request, 'start', startedSpec) },
    StopContainer: { ...changes, handle: (request, context) => alter(office(), context, request, 'stop', stoppedSpec) },
    RestartContainer: { ...changes, handle: (request, context) => restartContainer(office(), context, request) },
    RemoveContainer: { ...changes, handle: (request, context) => remove(office(), context, request) },
    AdoptContainer: { ...changes, handle: (request, context) => adopt(office(), context, request) },
    ListContainers: { ...asks, handle: (request, context) => listContainers(office(), context, request) },
    ShowContainer: { ...asks, handle: (request, context) => showContainer(office(), context, request) },
    WatchContainers: { ...asks, handle: (request, context) => watchContainers(office(), context, request) },
    FollowContainerLog: { ...asks, handle: (request, context) => followLog(office(), context, request) },
    SnapshotContainer: { ...changes, handle: (request, context) => snapshotContainer(office(), context, request) },
    ListContainerSnapshots: {
      ...asks,
      handle: async (request, { principal, signal }) => {
        const { db, fleet } = office();
        return { snapshots: [...(await readContainerSnapshots(fleet, hostFor(db, principal, request.host), parseContainerName(request.name), signal))] };
      },
    },
    ListImages: {
      ...asks,
      handle: async (request, { principal, signal }) => {
        const { db, fleet } = office();
        const images = [...(await readImages(fleet, hostFor(db, principal, request.host), signal))];
        return { images: images.sort((a, b) => ((a.image ?? '') === (b.image ?? '') ? Number(b.createdMs) - Number(a.createdMs) : (a.image ?? '') < (b.image ?? '') ? -1 : 1)) };
      },
    },
    PullImage: { ...changes, handle: (request, context) => pull(office(), context, request) },
    ImportImage: { ...parts, handle: (request, context, rest) => importImage(office(), context, request, rest) },
    PruneImages: { ...changes, handle: (request, context) => prune(office(), context, request) },
  });
}

/** Values of secrets of a command that is refused are overwritten with zeroes. */
function orForgotten<T>(secrets: readonly ContainerSecretValue[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    for (const { value } of secrets) value.fill(0);
    throw error;
  }
}

function add(office: Office, context: Context, request: AddContainerRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseContainerName(request.name);
  const secrets = parseSecrets(name, request.secrets, () => newId(office.clock.now()));
  const { spec, image, detail } = parseAskedSpec(request.spec, new Map(secrets.map(({ secret, version }) => [secret, version])));
  if (spec.adopted) throw fieldInvalid('adopted', 'true', 'false: to take over one that is there: reeve container adopt');
  return runContainer(office, context, {
    host, verb: 'add', name, detail: { spec: detail }, options: parseContainerOptions(request.options, secrets), image, secrets,
    wanted: (before, pinned) => {
      if (before !== undefined) throw reeveError('CONTAINER_EXISTS', { value: name, host: host.name });
      return { presence: 'present', name, spec: knownSpec(spec, { image: pinned, secrets, before: undefined }), overwrite: false, adopt: false };
    },
  });
}

function set(office: Office, context: Context, request: SetContainerRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseContainerName(request.name);
  const now = findContainer(office.db, host, name).spec;
  const secrets = parseSecrets(name, request.secrets, () => newId(office.clock.now()));
  const { overwrite } = request;
  const { spec, image, detail } = parseAskedSpec(request.spec, new Map(secrets.map(({ secret, version }) => [secret, version])));
  return runContainer(office, context, {
    host, verb: 'set', name, detail: { spec: detail, ...(overwrite ? { overwrite } : {}) }, options: parseContainerOptions(request.options, secrets), secrets,
    // The image that it has is not asked for again.
    image: image === now.image ? '' : image,
    wanted: (known, pinned) => {
      const before = requirePresent(known, host, name);
      requireSame(host, name, before.spec, spec);
      return { ...before, spec: knownSpec(spec, { image: pinned, secrets, before: before.spec }), overwrite: before.overwrite || overwrite };
    },
  });
}

/** What no host could alter of a container. Errors: CONTAINER_FIXED. */
function requireSame(host: HostRow, name: string, before: ContainerSpec, after: ContainerSpec): void {
  const fixed = (field: string, rule: string): Error => reeveError('CONTAINER_FIXED', { field, value: name, host: host.name, rule });
  if (before.engine !== after.engine) throw fixed('The engine', `it is one of ${before.engine}`);
  if (before.adopted !== after.adopted) throw fixed('That it was taken over', 'it keeps its own configuration or it does not');
}

/** Alters what is wanted of one that is there. */
function alter(office: Office, context: Context, request: { readonly options: WireOptions | null; readonly host: string; readonly name: string }, verb: string, edit: (spec: ContainerSpec) => ContainerSpec): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseContainerName(request.name);
  findContainer(office.db, host, name);
  return runContainer(office, context, {
    host, verb, name, detail: {}, options: parseContainerOptions(request.options, []),
    wanted: (known) => {
      const before = requirePresent(known, host, name);
      return { ...before, spec: edit(before.spec) };
    },
  });
}

function remove(office: Office, context: Context, request: RemoveContainerRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseContainerName(request.name);
  const { volumes } = request;
  return runContainer(office, context, {
    host, verb: 'remove', name, detail: volumes ? { volumes } : {}, options: parseContainerOptions(request.options, []),
    wanted: () => ({ presence: 'absent', name, removeVolumes: volumes }),
  });
}

async function* adopt(office: Office, context: Context, request: AdoptContainerRequest): Events {
  const host = changeableHost(office.db, context.principal, request.host);
  const name = parseContainerName(request.name);
  const options = parseContainerOptions(request.options, []);
  const spec = presentContainer(getContainer(office.db, host.id, name)) === undefined ? await inspect(office, host, name, context.signal) : undefined;
  yield* runContainer(office, context, {
    host, verb: 'adopt', name, detail: {}, options,
    wanted: (before) => {
      if (before !== undefined) return before;
      if (spec === undefined) throw reeveError('CONTAINER_UNKNOWN', { host: host.name, value: name });
      return { presence: 'present', name, spec, overwrite: false, adopt: true };
    },
  });
}

/** One that somebody else made, as it could be managed. Errors: CONTAINER_ADOPT, CONTAINER_UNKNOWN, HOST_*, what the agent says. */
async function inspect({ fleet }: Office, host: HostRow, name: string, signal: AbortSignal): Promise<ContainerSpec> {
  const { containers } = await lookAt(fleet, host, { name }, signal);
  const found = containers.find((container) => container.name === name);
  if (found === undefined) throw reeveError('CONTAINER_UNKNOWN', { host: host.name, value: name });
  const { spec, problems } = await fleet.call(host, agentContainers, 'InspectContainer', { name, engine: found.engine }, { deadlineMs: 60_000, signal });
  if (problems.length > 0) throw reeveError('CONTAINER_ADOPT', { value: name, host: host.name, rule: problems.slice(0, 20).map((problem) => problem.slice(0, 200)).join('; ') });
  return parseContainerSpec(spec);
}

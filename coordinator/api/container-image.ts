import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostResultInput } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { ContainerImageInput } from '../../shared/gen/proto/reeve/type/v1/ContainerImage.js';
import { isLocalImage, parsePinnedImage, splitImage } from '../../shared/model/container-field.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import type { ChangeOptions } from '../reconcile/change.js';
import { agentContainers, readImages, workOn, type WorkEvent } from '../reconcile/container-agent.js';
import type { OperatorCaller } from './caller.js';
import { auditedWork } from './container-audit.js';
import { standIn } from './container-spec.js';

type Context = CallContext<OperatorCaller>;

/** An image that a container is to have. */
export interface ResolvedImage {
  /** By digest; one that stands in for it where it still has to be fetched. */
  readonly image: string;
  /** What people have to know of it, a line each. */
  readonly notes: readonly string[];
}

/**
 * Finds out which image is meant, and has the host fetch one that is not there; nothing is fetched for a plan. An image by digest needs no host that can be reached.
 * Errors: CONTAINER_IMAGE, FIELD_INVALID, HOST_UNREACHABLE, what the agent says.
 */
export async function* resolveImage(office: Office, context: Context, asked: { readonly host: HostRow; readonly image: string; readonly mode: ChangeOptions['mode'] }): AsyncGenerator<ChangeEventInput, ResolvedImage> {
  const { host, image, mode } = asked;
  const { name, tag, digest } = splitImage(image);
  if (tag === '' && (mode !== 'apply' || isLocalImage(image) || office.fleet.live(host.id).state !== 'connected')) return { image, notes: [] };
  if (mode === 'stage') throw fieldInvalid('image', image, 'NAME@sha256:DIGEST where only something is stored: which image a tag means is asked of its host');
  const found = (await askImages(office, context, host)).find((known) => known.kind === 'podman' && known.image === name && (tag === '' ? known.digest === digest : known.tag === tag));
  if (found !== undefined) return { image: parsePinnedImage(`${name}@sha256:${found.digest ?? ''}`), notes: [] };
  if (isLocalImage(image)) throw reeveError('CONTAINER_IMAGE', { value: image, host: host.name, rule: 'nobody has imported it', remedy: `To bring it: reeve container image import ${host.name} FILE --image ${image}` });
  if (mode === 'plan') return { image: standIn(image), notes: [`${image} is not on "${host.name}": it is fetched first, and which one it is by digest is known then`] };
  return { image: yield* fetchImage(office, context, host, image), notes: [] };
}

async function askImages({ fleet }: Office, { signal }: Context, host: HostRow): Promise<readonly ContainerImageInput[]> {
  try {
    return await readImages(fleet, host, signal);
  } catch (error) {
    if (!(error instanceof ReeveError) || error.code !== 'HOST_UNREACHABLE') throw error;
    throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: `${error.fields['reason'] ?? ''}; which image a tag means is asked of it, so nothing was stored (name it by digest: NAME@sha256:...)` }, { cause: error });
  }
}

/** Has podman of a host fetch an image. Errors: as of workOn. */
export function pullImage({ fleet }: Pick<Office, 'fleet'>, host: HostRow, { image, operationId, signal }: { readonly image: string; readonly operationId: string; readonly signal: AbortSignal }): AsyncGenerator<WorkEvent> {
  return workOn(fleet, host, {
    what: `Fetching of "${image}"`, signal,
    open: (channel, ended) => channel.stream<ContainerServiceDefinition, 'PullImage'>(agentContainers, 'PullImage', { operationId, image }, { signal: ended }),
  });
}

async function* fetchImage(office: Office, context: Context, host: HostRow, image: string): AsyncGenerator<ChangeEventInput, string> {
  const { signal } = context;
  const work = auditedWork(office, context, { host, action: 'container image pull', detail: { image }, work: (operationId) => pullImage(office, host, { image, operationId, signal }) });
  let pinned = '';
  for await (const event of work) {
    if (event.kind === 'progress') yield { progress: { hostName: host.name, progress: event.progress } };
    if (event.kind === 'result') pinned = event.digest;
  }
  return parsePinnedImage(pinned, `image that "${host.name}" has fetched`);
}

/** Steps of a plan with the name that people know in place of a digest that nobody knows yet, and with notes. */
export function withImage(event: ChangeEventInput, { image, notes }: ResolvedImage, asked: string): ChangeEventInput {
  if (!event.planned || (notes.length === 0 && standIn(asked) !== image)) return event;
  const shown = (text: string | undefined): string => (text ?? '').replaceAll(image, asked);
  const hosts = (event.planned.hosts ?? []).map((result): HostResultInput => ({
    ...result,
    changes: (result.changes ?? []).map((change) => ({ ...change, fields: (change.fields ?? []).map(({ field, from, to }) => ({ field: field ?? '', from: shown(from), to: shown(to) })) })),
    errors: (result.errors ?? []).map((error) => ({ ...error, fields: Object.fromEntries(Object.entries(error.fields ?? {}).map(([key, value]) => [key, shown(value)])) })),
    notes: [...notes, ...(result.notes ?? []).map(shown).filter((note) => !note.includes(asked))],
  }));
  return { planned: { ...event.planned, hosts } };
}

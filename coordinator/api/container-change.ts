import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { ChangeEventInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptions as WireOptions } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import { withBeats } from '../../shared/kit/beat.js';
import type { Container, ContainerSpec } from '../../shared/model/container.js';
import { splitImage } from '../../shared/model/container-field.js';
import { fieldInvalid } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import { versionedSecrets, type PresentContainer } from '../desired/container.js';
import { getContainer, presentContainer, putContainer } from '../inventory/container.js';
import type { Database } from '../inventory/database.js';
import type { HostRow } from '../inventory/host.js';
import { getOperation } from '../inventory/operation.js';
import type { Office } from '../office.js';
import { requireAble } from '../reconcile/able.js';
import type { ChangeOptions } from '../reconcile/change.js';
import { containerNoun } from '../reconcile/container.js';
import { announceSecrets, sendSecrets, type PassedSecret } from '../reconcile/container-secret.js';
import type { OperatorCaller } from './caller.js';
import { resolveImage, withImage, type ResolvedImage } from './container-image.js';
import { formatSteps, parseChangeOptions } from './event.js';

/** A command about one container of a host. */
export interface ContainerCommand {
  readonly host: HostRow;
  /** `add`, `set`, `start`, ... */
  readonly verb: string;
  readonly name: string;
  /** Its arguments as they were given, to tell two commands apart; never a value of a secret. */
  readonly detail: unknown;
  readonly options: ChangeOptions;
  /** The image that is asked for, by tag or digest; empty: none, or the one from before. */
  readonly image?: string;
  /** Go to the host before anything is stored. */
  readonly secrets?: readonly PassedSecret[];
  /** What is wanted of it, from what was wanted; `image`: by digest. Throws to refuse the command. */
  readonly wanted: (before: PresentContainer | undefined, image: string) => Container;
}

/** A caller hears something at least this often while a host is at work: a container may take a quarter of an hour to get healthy. Ms. */
const beatMs = 5_000;

/** Values of secrets are stored nowhere, so that nothing can be stored that needs one later. Errors: FIELD_INVALID. */
export function parseContainerOptions(wire: WireOptions | null, secrets: readonly PassedSecret[]): ChangeOptions {
  const options = parseChangeOptions(wire);
  if (secrets.length > 0 && options.mode === 'stage') throw fieldInvalid('mode', 'STAGE', 'PLAN or APPLY with the value of a secret: it is passed on to the host, and stored nowhere else');
  return options;
}

/** Runs a command about one container. Values of secrets that came with it are passed on first, and overwritten with zeroes. Errors: HOST_UNREACHABLE, what the agent says of images and secrets. */
export async function* runContainer(office: Office, context: CallContext<OperatorCaller>, command: ContainerCommand): AsyncGenerator<ChangeEventInput> {
  const { db } = office;
  const { host, verb, name, options, secrets = [], image: asked = '' } = command;
  let forget: () => void = () => undefined;
  try {
    const known = options.operationId !== undefined && getOperation(db, options.operationId) !== undefined;
    let resolved: ResolvedImage = { image: '', notes: [] };
    if (!known) {
      // What can be refused without the host is refused before it fetches anything.
      command.wanted(presentContainer(getContainer(db, host.id, name)), asked);
      if (asked !== '') resolved = yield* resolveImage(office, context, { host, image: asked, mode: options.mode });
      if (options.mode === 'apply') await passOn(office, host, secrets);
    }
    if (options.mode === 'apply') forget = announceSecrets(db, host.id, secrets);
    const steps = office.changes.run(
      {
        summary: `container ${verb} ${host.name} ${name}`,
        identity: `container ${verb} ${host.id} ${JSON.stringify({ name, ...(command.detail as object) })}`,
        principal: context.principal,
        nouns: [containerNoun],
        hosts: [host],
        edit: (database, _host, generation) => store(database, command, { image: resolved.image, by: context.principal.account, now: office.clock.now(), generation }),
      },
      options,
      context.signal,
    );
    for await (const event of withBeats(formatSteps(steps), undefined, beatMs)) {
      if (event !== undefined) yield withOutcome(db, command, withImage(event, resolved, asked));
      else if (options.mode === 'apply') yield { progress: { hostName: host.name, progress: { text: `working on container "${name}"` } } };
    }
  } finally {
    forget();
    for (const { value } of secrets) value.fill(0);
  }
}

/** What a host could not make is not wanted of it any more, or only as it was before. */
function withOutcome(db: Database, { host, name }: ContainerCommand, event: ChangeEventInput): ChangeEventInput {
  const isBack = event.host?.outcome === 'OUTCOME_FAILED' && event.host.errors?.some(({ fields }) => fields?.['container'] === name) === true;
  if (!event.host || !isBack) return event;
  const note = getContainer(db, host.id, name) === undefined ? `nothing is wanted of container "${name}" any more` : `what is wanted of container "${name}" is what it was before`;
  return { host: { ...event.host, notes: [...(event.host.notes ?? []), note] } };
}

async function passOn(office: Office, host: HostRow, secrets: readonly PassedSecret[]): Promise<void> {
  if (secrets.length === 0) return;
  requireAble(office.fleet.live(host.id), containerNoun);
  try {
    await sendSecrets({ world: office, fleet: office.fleet, host }, secrets);
  } catch (error) {
    if (!(error instanceof ReeveError) || error.code !== 'HOST_UNREACHABLE') throw error;
    throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: `${error.fields['reason'] ?? ''}; nobody but the host keeps values of secrets, so nothing was stored` }, { cause: error });
  }
}

function store(db: Database, { host, name, wanted }: ContainerCommand, entry: { image: string; by: string; now: number; generation: number }): boolean {
  const { image, ...stored } = entry;
  return putContainer(db, wanted(presentContainer(getContainer(db, host.id, name)), image), { hostId: host.id, ...stored });
}

/** The container that a person names. Errors: CONTAINER_UNKNOWN. */
export function findContainer(db: Database, host: HostRow, name: string): PresentContainer {
  return requirePresent(presentContainer(getContainer(db, host.id, name)), host, name);
}

/** Errors: CONTAINER_UNKNOWN. */
export function requirePresent(container: PresentContainer | undefined, host: HostRow, name: string): PresentContainer {
  if (container === undefined) throw reeveError('CONTAINER_UNKNOWN', { host: host.name, value: name });
  return container;
}

/** A spec that was asked for with what is known by now: the image by digest, and the versions of its secrets. Errors: FIELD_MISSING. */
export function knownSpec(spec: ContainerSpec, { image, secrets, before }: { readonly image: string; readonly secrets: readonly PassedSecret[]; readonly before: ContainerSpec | undefined }): ContainerSpec {
  const fresh = new Map(secrets.map(({ secret, version }) => [secret, version]));
  return { ...spec, ...(splitImage(image).digest === '' ? {} : { image }), secrets: versionedSecrets(spec.secrets, fresh, before) };
}

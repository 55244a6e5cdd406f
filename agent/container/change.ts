import { ReeveError, reeveError, type ErrorItem } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import type { ContainerSpec } from '../../shared/model/container.js';
import { parseContainerText } from '../../shared/model/container-text.js';
import { isUnreachable, withHost } from '../engine/apply.js';
import type { WorkPlace } from '../engine/ticket.js';
import { fieldNumber } from '../host/job.js';
import type { StoredStep } from '../journal/line.js';
import { awaitHealth } from './health.js';
import { observeContainers } from './observe.js';
import type { ContainerAction, ContainerBefore } from './plan.js';
import { doWork, lastLine, type Ended } from './work.js';

/** One change of a container: where it is made, for whom, and what of. */
export interface ContainerChange {
  readonly place: WorkPlace;
  readonly operationId: string;
  readonly name: string;
  readonly spec: ContainerSpec;
  /** The canonical text. */
  readonly text: string;
  readonly adopt: boolean;
  readonly build: boolean;
  readonly action: ContainerAction;
  readonly before: ContainerBefore;
  /** An earlier change of it was not settled: how far that went nobody knows. */
  readonly pending: boolean;
  /** Hears what people should know. */
  readonly note: (line: string) => void;
}

/** How far a change went. */
type Stage = 'writing' | 'building' | 'acting';

/** The change that a step asks for. */
export function changeOf(place: WorkPlace, operationId: string, { request }: StoredStep, note: (line: string) => void): ContainerChange {
  const text = String(request['spec']);
  return {
    place, operationId, text, note,
    name: String(request['name']), spec: parseContainerText(text), adopt: request['adopt'] === true, pending: request['pending'] === true, build: request['build'] === true,
    action: request['action'] as ContainerAction, before: request['before'] as ContainerBefore,
  };
}

/**
 * Makes a container what is wanted: writes its record, does what that takes, and keeps the record once it is healthy; otherwise all is as it was before, and the error names it
 * in its field `container`. Can be repeated at any point of it. Errors: CONTAINER_UNHEALTHY, CONTAINER_IMAGE, CONTAINER_ADOPT, CONTAINER_FAILED, what the helper refuses; with
 * HELPER_UNREACHABLE it is pending.
 */
export async function makeContainer(change: ContainerChange): Promise<void> {
  const { place, operationId, name } = change;
  let stage: Stage = change.pending ? 'acting' : 'writing';
  try {
    await write(change);
    failpoint('agent.container.written');
    if (stage === 'writing') stage = 'building';
    if (change.build) await build(change);
    failpoint('agent.container.built');
    stage = 'acting';
    await act(change);
    failpoint('agent.container.acted');
    await requireHealth(change);
    failpoint('agent.container.healthy');
  } catch (error) {
    // Nobody answers: it is taken back, or made, when somebody does.
    if (isUnreachable(error)) throw error;
    const left = await takeBack(change, stage);
    // With its name the coordinator takes back what it wanted of it, too.
    const back = left.length === 0 ? { container: name } : {};
    throw new ReeveError([...withHost(error, place.hostName).items.map(({ code, fields }) => ({ code, fields: { ...fields, ...back } })), ...left], { cause: error });
  }
  await place.host.helper.call('container.settle', operationId, { name, keep: true });
  failpoint('agent.container.settled');
}

async function write({ place, operationId, name, text, adopt }: ContainerChange): Promise<void> {
  const spec = Buffer.from(text);
  if (!adopt) {
    await place.host.helper.call('container.put', operationId, { name, spec });
    return;
  }
  const { ok, reason } = await doWork(place, 'container.adopt', operationId, { name, spec });
  if (!ok) throw reeveError('CONTAINER_ADOPT', { value: name, rule: reason });
}

async function build({ place, operationId, name, spec, note }: ContainerChange): Promise<void> {
  const { ok, reason, fields } = await doWork(place, 'container.build', operationId, { name });
  const skipped = fieldNumber(fields, 'skipped');
  if (skipped > 0) note(`container "${name}": ${String(skipped)} devices of its archive were left out; it is given its own`);
  if (ok) return;
  if (spec.engine === 'podman') throw reeveError('CONTAINER_IMAGE', { value: spec.image, rule: reason, remedy: 'Bring it to the host: reeve container image pull, or reeve container image import' });
  throw failed(`Making container "${name}"`, reason);
}

async function act(change: ContainerChange): Promise<void> {
  const { action, name } = change;
  if (action === 'none') return;
  const { ok, reason, fields } = await control(change, action);
  if (action === 'limit') for (const limit of fields.get('ignored') ?? []) change.note(ignoredLimit(name, limit.toString('utf8').slice(0, 32)));
  if (ok) return;
  if (action === 'start' || action === 'restart') throw reeveError('CONTAINER_UNHEALTHY', { value: name, rule: reason });
  throw failed(action === 'stop' ? `Stopping container "${name}"` : `Setting limits of container "${name}"`, reason);
}

async function requireHealth(change: ContainerChange): Promise<void> {
  const { place, operationId, name, spec, action, adopt } = change;
  const began = action === 'start' || action === 'restart' || (adopt && spec.running);
  const reason = began ? await awaitHealth(place, operationId, name, spec) : '';
  if (reason === '') return;
  const line = await lastLine(place, operationId, name);
  const rule = line === '' ? reason : `${reason}. It wrote last: ${line}`;
  // What others made is not put together again by us.
  if (adopt) change.note(`container "${name}" is taken over, and is not healthy: ${rule}`);
  else throw reeveError('CONTAINER_UNHEALTHY', { value: name, rule });
}

function control({ place, operationId, name }: ContainerChange, action: Exclude<ContainerAction, 'none'>): Promise<Ended> {
  return doWork(place, 'container.control', operationId, { name, action });
}

function failed(value: string, rule: string): ReeveError {
  return reeveError('CONTAINER_FAILED', { value, rule });
}

/** What people are told of a limit that the kernel does not keep. */
export function ignoredLimit(name: string, limit: string): string {
  return `container "${name}": the kernel of this host does not keep limits of ${limit}; the limit is written down and holds once it does`;
}

/** Makes a container what it was before a change; answers what could not be taken back. `stage`: how far the change went. Errors: HELPER_UNREACHABLE. */
export async function takeBack(change: ContainerChange, stage: Stage = 'acting'): Promise<readonly ErrorItem[]> {
  const { place, operationId, name, action, before } = change;
  const left: ErrorItem[] = [];
  const attempt = async (what: string, task: () => Promise<Partial<Ended>>): Promise<boolean> => {
    try {
      const answer = await task();
      if (answer.ok !== false) return true;
      left.push(notTakenBack(place, `${what}: ${String(answer.reason)}`));
    } catch (error) {
      if (isUnreachable(error)) throw error;
      left.push(notTakenBack(place, `${what}: ${error instanceof Error ? error.message : String(error)}`));
    }
    return false;
  };
  const acted = stage === 'acting';
  const ran = acted && (action === 'start' || action === 'restart' || before === 'unknown');
  if (before === 'absent' && stage !== 'writing') await removeNew(change);
  // What cannot be stopped is started anew below, or told there.
  else if (ran) await control(change, 'stop').catch(ignoreUnlessUnreachable);
  const back = await attempt(`container "${name}" could not be put back`, () => place.host.helper.call('container.settle', operationId, { name, keep: false }));
  failpoint('agent.container.returned');
  if (!back || !acted) return left;
  const runs = before === 'up' ? ran || action === 'stop' : before === 'unknown' && (await shouldRun(change));
  if (runs) await attempt(`container "${name}" could not be started again`, () => control(change, 'start'));
  else if (before === 'fallen' && ran) await control(change, 'start').catch(ignoreUnlessUnreachable);
  else if (before === 'up' && action === 'limit') await attempt(`limits of container "${name}" could not be set again`, () => control(change, 'limit'));
  return left;
}

/** Whether the record that was put back says that it runs. */
async function shouldRun({ place, operationId, name }: ContainerChange): Promise<boolean> {
  const { containers } = await observeContainers(place.host.helper, operationId, 'managed', name);
  return containers.some((container) => container.name === name && container.spec?.running === true);
}

/** Takes away what was begun of a container that was not there; where the policy lets nobody remove it, it is stopped and what was unpacked stays. One that others made stays. */
async function removeNew(change: ContainerChange): Promise<void> {
  const { place, operationId, name, spec } = change;
  if (spec.adopted) return;
  const gone = await doWork(place, 'container.remove', operationId, { name, volumes: false }).catch(ignoreUnlessUnreachable);
  if (gone?.ok !== true) await control(change, 'stop').catch(ignoreUnlessUnreachable);
}

function ignoreUnlessUnreachable(error: unknown): undefined {
  if (isUnreachable(error)) throw error;
  return undefined;
}

function notTakenBack({ hostName }: WorkPlace, rule: string): ErrorItem {
  return { code: 'IO_FAILED', fields: { host: hostName, rule } };
}

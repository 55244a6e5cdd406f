import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import type { Job, JobEvent } from '../../agent/host/job.js';
import type { ListeningSocket } from '../../agent/host/host.js';
import { reeveError } from '../../shared/errors/error.js';
import type { ObserveContainerReply } from '../../shared/gen/privd.js';
import { createEventQueue } from '../../shared/kit/event-queue.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { ContainerEngine, ContainerSpec } from '../../shared/model/container.js';
import { splitImage } from '../../shared/model/container-field.js';
import type { ContainerState } from '../../shared/model/container-state.js';
import { formatContainerText, parseContainerText } from '../../shared/model/container-text.js';

/** A container of a simulated host. */
export interface SimulatedContainer {
  readonly name: string;
  engine: ContainerEngine;
  /** Its record; undefined: somebody else made it. */
  text: string | undefined;
  /** The record before a change that is not settled: undefined when none is pending, empty when there was none. */
  before: string | undefined;
  state: ContainerState;
  reason: string;
  /** What it was started with, which is not always its record. */
  runs: string;
  /** A path that was altered by hand. */
  edited: string;
  /** Its root file system was made. */
  built: boolean;
  /** Of one that somebody else made. */
  image: string;
  address: string;
  bridge: string;
  readonly log: string[];
  readonly snapshots: Map<string, number>;
}

/** The containers of a simulated host; tests may change them, and call touch('container') then. */
export interface SimulatedContainers {
  readonly containers: Map<string, SimulatedContainer>;
  engines: readonly ContainerEngine[];
  /** Controllers of its kernel. */
  controllers: readonly string[];
  /** Images by "NAME@sha256:DIGEST", and archives by their sha256, with their bytes. Where `anyImage` is set all others are there, too. */
  readonly images: Map<string, number>;
  anyImage: boolean;
  /** Tags of registries: what a pull of "REGISTRY/NAME:TAG" brings. */
  readonly registry: Map<string, string>;
  /** Images whose containers end at once, with what they write; and those whose check says no. */
  readonly broken: Map<string, string>;
  readonly unhealthy: Set<string>;
  /** Values of secrets by "CONTAINER SECRET VERSION". */
  readonly secrets: Map<string, string>;
  /** What a look at one of others finds: a spec, and what stands in the way. */
  readonly inspected: Map<string, { readonly spec: ContainerSpec; readonly problems: readonly string[] }>;
  /** Folders of volumes that were removed. */
  readonly removedVolumes: string[];
  /** Sockets of other programs. */
  listening: readonly ListeningSocket[];
  /** Every piece of work that began, oldest first: "control web restart". */
  readonly works: string[];
  /** Those that go on. */
  readonly running: Set<string>;
  /** A piece of work waits for this before it ends. */
  gate: (work: string) => Promise<void>;
  /** Answers a piece of work instead of doing it: a reason to fail with, or "die" to end without a result. */
  fails: (work: string) => string | undefined;
  /** Work that was asked for, by ticket. */
  readonly tickets: Map<string, Asked & { readonly verb: string }>;
}

type Asked = Readonly<Record<string, string | number | boolean | Uint8Array | undefined>>;

/** Containers of a host that has podman and lxc, a kernel with all controllers, every image, and no container. */
export function createSimulatedContainers(): SimulatedContainers {
  return {
    containers: new Map(), engines: ['podman', 'lxc'], controllers: ['cpu', 'memory', 'pids'], images: new Map(), anyImage: true, registry: new Map(), broken: new Map(), unhealthy: new Set(),
    secrets: new Map(), inspected: new Map(), removedVolumes: [], listening: [], works: [], running: new Set(), gate: () => Promise.resolve(), fails: () => undefined, tickets: new Map(),
  };
}

/** Puts one there that somebody else made. */
export function addForeignContainer(state: SimulatedContainers, over: Partial<SimulatedContainer> & { readonly name: string }): SimulatedContainer {
  const made: SimulatedContainer = { ...newContainer(over.name), text: undefined, state: 'running', ...over };
  state.containers.set(made.name, made);
  return made;
}

function newContainer(name: string): SimulatedContainer {
  return { name, engine: 'podman', text: '', before: undefined, state: 'stopped', reason: '', runs: '', edited: '', built: false, image: '', address: '', bridge: '', log: [], snapshots: new Map() };
}

/** Verbs whose answer is a ticket. */
const ticketVerbs: readonly string[] = [
  'container.build', 'container.control', 'container.remove', 'container.snapshot', 'container.look', 'container.pull', 'container.import', 'container.prune', 'container.log', 'container.adopt',
];

/** A verb of containers; undefined: it is none. */
export function answerContainerVerb(state: SimulatedContainers, verb: string, asked: Asked): object | undefined {
  const name = String(asked['name'] ?? '');
  if (ticketVerbs.includes(verb)) {
    refuseTicket(state, verb, name, asked);
    const ticket = randomBytes(16).toString('hex');
    state.tickets.set(ticket, { ...asked, verb });
    return { ticket };
  }
  switch (verb) {
    case 'observe.container':
      return observe(state, asked);
    case 'container.put':
      return put(state, name, Buffer.from(asked['spec'] as Uint8Array).toString('utf8'));
    case 'container.settle':
      settle(state, name, asked['keep'] === true);
      return {};
    case 'container.secret':
      state.secrets.set(`${name} ${String(asked['secret'])} ${String(asked['version'])}`, Buffer.from(asked['value'] as Uint8Array).toString('latin1'));
      return {};
    case 'container.release': {
      const container = state.containers.get(name);
      if (container !== undefined) container.text = undefined;
      return {};
    }
    default:
      return undefined;
  }
}

/** Work on a container needs one. */
function refuseTicket({ containers }: SimulatedContainers, verb: string, name: string, asked: Asked): void {
  const needs = verb === 'container.build' || verb === 'container.control' || verb === 'container.snapshot' || verb === 'container.log' || (verb === 'container.look' && asked['what'] !== 'images');
  if (!needs) return;
  const found = containers.get(name);
  if (found === undefined) throw reeveError('CONTAINER_UNKNOWN', { value: name });
  if (found.text === undefined && asked['what'] !== 'inspect') throw reeveError('CONTAINER_FOREIGN', { value: name });
}

function put({ containers, secrets }: SimulatedContainers, name: string, text: string): { changed: boolean } {
  const spec = parseContainerText(text);
  const found = containers.get(name);
  if (found !== undefined && found.text === undefined) throw reeveError('CONTAINER_FOREIGN', { value: name });
  const missing = spec.secrets.find((secret) => !secrets.has(`${name} ${secret.name} ${secret.version}`));
  if (missing !== undefined) throw reeveError('FIELD_INVALID', { field: 'secret', value: missing.name, rule: 'its value was not given' });
  const container = found ?? newContainer(name);
  const changed = container.text !== text || container.edited !== '';
  container.before ??= found === undefined ? '' : (found.text ?? '');
  Object.assign(container, { text, engine: spec.engine, edited: '', address: spec.address, bridge: spec.bridge });
  containers.set(name, container);
  return { changed };
}

function settle({ containers, secrets }: SimulatedContainers, name: string, keep: boolean): void {
  const container = containers.get(name);
  if (container?.before === undefined) return;
  const { before } = container;
  container.before = undefined;
  if (!keep && before === '') containers.delete(name);
  else if (!keep) container.text = before;
  const named = new Set(container.text === undefined || !containers.has(name) ? [] : parseContainerText(container.text).secrets.map((secret) => `${name} ${secret.name} ${secret.version}`));
  for (const key of secrets.keys()) if (key.startsWith(`${name} `) && !named.has(key)) secrets.delete(key);
}

function observe({ containers, engines, controllers }: SimulatedContainers, asked: Asked): ObserveContainerReply {
  const scope = asked['scope'] === 'all' ? () => true : ({ text }: SimulatedContainer) => text !== undefined;
  const wanted = [...containers.values()].filter((container) => scope(container) && (asked['name'] === undefined || asked['name'] === container.name));
  return {
    container: wanted.sort((a, b) => (a.name < b.name ? -1 : 1)).map((container) => {
      const spec = container.text === undefined ? undefined : parseContainerText(container.text);
      const running = container.state === 'running';
      return {
        name: container.name, engine: container.engine, managed: spec !== undefined, adopted: spec?.adopted === true, spec: Buffer.from(container.text ?? ''), pending: container.before !== undefined,
        fresh: container.before === '', state: container.state, reason: container.reason, boot: spec?.boot === true, edited: container.edited, sinceMs: running ? 1_750_000_000_000 : 0, pid: running ? 4242 : 0,
        cpuUs: running ? 1_000_000 : 0, memory: running ? 8 * 2 ** 20 : 0, memoryMax: spec?.limits.memory ?? 0, memoryCounted: controllers.includes('memory'), tasks: running ? 2 : 0, disk: 0,
        image: container.image, address: container.address, bridge: container.bridge, id: spec?.id ?? 0, unit: spec === undefined ? '' : `reeve-container-${container.name}.service`,
      };
    }),
    podman: engines.includes('podman'), lxc: engines.includes('lxc'), pct: engines.includes('pct'), limit: [...controllers], truncated: false,
  };
}

type Fields = Readonly<Record<string, string | readonly string[]>>;

function event(kind: 'progress' | 'row' | 'result', fields: Fields): JobEvent {
  const list = (value: string | readonly string[]): readonly string[] => (typeof value === 'string' ? [value] : value);
  return { kind, fields: new Map(Object.entries(fields).map(([key, value]) => [key, list(value).map((text) => Buffer.from(text))])) };
}

/** Takes up the work of a ticket. Errors: HELPER_UNREACHABLE. */
export function openSimulatedContainerJob(state: SimulatedContainers, ticket: string): Promise<Job> {
  const asked = state.tickets.get(ticket);
  if (!state.tickets.delete(ticket) || asked === undefined) return Promise.reject(reeveError('HELPER_UNREACHABLE', { reason: 'there is no such ticket' }));
  const events = createEventQueue<JobEvent>();
  const data = new PassThrough();
  const chunks: Buffer[] = [];
  data.on('data', (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
  const came = new Promise<Buffer>((resolve) => data.once('end', () => resolve(Buffer.concat(chunks))));
  const broken = reeveError('HELPER_UNREACHABLE', { reason: 'it was ended' });
  const closed = new Promise<'closed'>((resolve) => data.once('close', () => resolve('closed')));
  const work = workName(asked);
  state.works.push(work);
  state.running.add(work);
  const run = async (): Promise<void> => {
    const begun = await Promise.race([state.gate(work), closed]);
    const failure = begun === 'closed' ? 'die' : state.fails(work);
    const outcome = failure === 'die' ? undefined : failure ?? await doSimulatedWork(state, asked, { events, came: () => Promise.race([came, closed.then(() => Buffer.alloc(0))]), closed });
    if (outcome !== undefined) events.push(event('result', typeof outcome === 'string' ? { ok: '0', reason: outcome } : { ok: '1', ...outcome }));
    events.end(outcome === undefined ? broken : undefined);
  };
  void run()
    .catch((error: unknown) => events.end(error instanceof Error ? error : new Error(String(error))))
    .finally(() => state.running.delete(work));
  return Promise.resolve({
    data, events,
    input: () => Promise.resolve(),
    close: () => {
      data.destroy();
      events.end(broken);
    },
  });
}

function workName(asked: Asked & { readonly verb: string }): string {
  const words = [asked.verb.slice('container.'.length), asked['name'], asked['action'] ?? asked['what'] ?? asked['kind'], asked['snapshot'], asked['image']];
  return words.filter((word) => word !== undefined && word !== '').map(String).join(' ');
}

interface Wires {
  readonly events: ReturnType<typeof createEventQueue<JobEvent>>;
  readonly came: () => Promise<Buffer>;
  readonly closed: Promise<unknown>;
}

/** Fields of the result, the reason it failed with, or undefined: it was ended. */
async function doSimulatedWork(state: SimulatedContainers, asked: Asked & { readonly verb: string }, wires: Wires): Promise<Fields | string | undefined> {
  const name = String(asked['name'] ?? '');
  const container = state.containers.get(name);
  switch (asked.verb) {
    case 'container.build':
      return build(state, container);
    case 'container.control':
      return container === undefined ? 'it is gone' : control(state, container, String(asked['action']));
    case 'container.remove':
      return remove(state, container, asked['volumes'] === true);
    case 'container.adopt':
      return adopt(container, Buffer.from(asked['spec'] as Uint8Array).toString('utf8'));
    case 'container.snapshot':
      return snapshotWork(container, String(asked['action']), String(asked['snapshot']));
    case 'container.look':
      return look(state, name, String(asked['what']), wires);
    case 'container.pull':
      return pull(state, String(asked['image']), wires);
    case 'container.import':
      return importImage(state, asked, await wires.came());
    case 'container.prune':
      return prune(state, asked['plan'] === true, wires);
    case 'container.log': {
      const lines = container?.log.slice(-Number(asked['lines'])) ?? [];
      if (lines.length > 0) wires.events.push({ kind: 'output', bytes: Buffer.from(`${lines.join('\n')}\n`) });
      if (asked['follow'] !== true) return {};
      await wires.closed;
      return undefined;
    }
    default:
      return 'there is no such work';
  }
}

function isThere({ anyImage, images }: SimulatedContainers, image: string): boolean {
  return anyImage || images.has(image);
}

function build(state: SimulatedContainers, container: SimulatedContainer | undefined): Fields | string {
  const spec = parseContainerText(container?.text ?? '');
  const image = spec.image === '' ? spec.archive : spec.image;
  if (container === undefined || (image !== '' && !isThere(state, image))) return `${image} is not on this host`;
  container.built = true;
  if (container.state === 'missing') container.state = 'stopped';
  return {};
}

function control(state: SimulatedContainers, container: SimulatedContainer, action: string): Fields | string {
  const text = container.text ?? '';
  const spec = parseContainerText(text);
  switch (action) {
    case 'start':
    case 'restart': {
      const words = state.broken.get(spec.image);
      Object.assign(container, { runs: text, state: spec.idleSeconds === undefined ? 'running' : 'sleeping', reason: '' });
      if (words === undefined) return {};
      container.log.push(words);
      Object.assign(container, { state: 'failed', reason: words });
      return words;
    }
    case 'stop':
      Object.assign(container, { state: 'stopped', reason: '' });
      return {};
    case 'health':
      return state.unhealthy.has(spec.image) ? 'the check ended with 1' : {};
    default: {
      container.runs = text;
      const names = (['memory', 'swap', 'cpu', 'tasks'] as const).filter((limit) => spec.limits[limit] !== undefined);
      const kept = (limit: string): boolean => state.controllers.includes(limit === 'tasks' ? 'pids' : limit === 'swap' ? 'memory' : limit);
      return { enforced: names.filter(kept), ignored: names.filter((limit) => !kept(limit)) };
    }
  }
}

function remove({ containers, removedVolumes }: SimulatedContainers, container: SimulatedContainer | undefined, volumes: boolean): Fields | string {
  if (container === undefined) return {};
  if (container.text === undefined) return 'it was made by others';
  if (volumes) removedVolumes.push(...parseContainerText(container.text).volumes.map(({ folder }) => folder));
  containers.delete(container.name);
  return {};
}

function adopt(container: SimulatedContainer | undefined, text: string): Fields | string {
  if (container === undefined) return 'it is gone';
  const spec = parseContainerText(text);
  Object.assign(container, { text, before: '', built: true });
  if (spec.engine === 'podman') Object.assign(container, { runs: text, state: spec.running ? 'running' : 'stopped' });
  return {};
}

function snapshotWork(container: SimulatedContainer | undefined, action: string, name: string): Fields | string {
  if (container === undefined) return 'it is gone';
  if (action === 'create') {
    if (container.snapshots.has(name)) return 'there is one of that name';
    container.snapshots.set(name, 1_750_000_000_000);
    return { consistent: container.state === 'running' ? '0' : '1' };
  }
  if (!container.snapshots.has(name)) return `there is no snapshot "${name}"`;
  if (action === 'remove') container.snapshots.delete(name);
  return {};
}

function look(state: SimulatedContainers, name: string, what: string, { events }: Wires): Fields | string {
  if (what === 'snapshots') {
    for (const [snapshot, createdMs] of state.containers.get(name)?.snapshots ?? []) events.push(event('row', { snapshot, 'created-ms': String(createdMs), bytes: '1000' }));
    return {};
  }
  if (what === 'images') {
    for (const [image, bytes] of state.images) events.push(imageRow(state, image, bytes));
    return {};
  }
  const found = state.inspected.get(name);
  if (found === undefined) return 'nothing is known of it';
  return { spec: formatContainerText(found.spec).trimEnd().split('\n').slice(1), problem: found.problems };
}

function imageRow(state: SimulatedContainers, image: string, bytes: number): JobEvent {
  const { name, digest } = image.includes('@') ? splitImage(image) : { name: '', digest: image };
  const tag = [...state.registry].find(([, pinned]) => pinned === image)?.[0].split(':').at(-1) ?? '';
  return event('row', { kind: name === '' ? 'lxc' : 'podman', image: name, digest, tag, bytes: String(bytes), 'created-ms': '1750000000000', used: usersOf(state, image).join(',') });
}

function usersOf({ containers }: SimulatedContainers, image: string): string[] {
  return [...containers.values()].filter(({ text }) => text !== undefined && text !== '' && [parseContainerText(text).image, parseContainerText(text).archive].includes(image)).map(({ name }) => name);
}

function pull(state: SimulatedContainers, image: string, { events }: Wires): Fields | string {
  events.push(event('progress', { bytes: '500' }));
  const pinned = image.includes('@') ? image : state.registry.get(image);
  if (pinned === undefined) return 'the registry has no such image';
  state.images.set(pinned, 1000);
  return { digest: pinned, image, bytes: '1000' };
}

function importImage(state: SimulatedContainers, asked: Asked, bytes: Buffer): Fields | string | undefined {
  if (bytes.length === 0) return 'nothing came';
  const sum = sha256(bytes).toString('hex');
  const image = String(asked['image'] ?? '');
  const name = asked['kind'] === 'archive' ? sum : `${image === '' ? 'localhost/imported' : splitImage(image).name}@sha256:${sum}`;
  state.images.set(name, bytes.length);
  if (image !== '') state.registry.set(image, name);
  return { digest: name, bytes: String(bytes.length) };
}

function prune(state: SimulatedContainers, plan: boolean, { events }: Wires): Fields {
  const unused = [...state.images].filter(([image]) => usersOf(state, image).length === 0);
  for (const [image, bytes] of unused) {
    events.push(imageRow(state, image, bytes));
    if (!plan) state.images.delete(image);
  }
  return { bytes: String(unused.reduce((sum, [, bytes]) => sum + bytes, 0)), left: '0' };
}

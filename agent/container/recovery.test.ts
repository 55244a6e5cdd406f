import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { memoryFile } from '../../test/support/memory-file.js';
import type { SimulatedContainer } from '../../test/support/simulated-container.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { lxcSpec, podmanSpec, testImage, wanted } from '../../test/support/test-container.js';
import type { ApplyContainerRequest, ApplyContainerRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyContainerRequest.js';
import { newId } from '../../shared/kit/id.js';
import { formatContainer, type Container, type ContainerSpec } from '../../shared/model/container.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { createEngine, type Engine } from '../engine/engine.js';
import type { AppendFile } from '../host/append.js';
import { openJournal, type Journal } from '../journal/journal.js';
import { createLocalUndo, type LocalUndo } from '../undo/undo.js';
import { containerWork } from './apply.js';
import { createSettler } from './settle.js';

const log = pino({ level: 'silent' });
const codec = messageCodec<ApplyContainerRequestInput, ApplyContainerRequest>('reeve.agent.v1.ApplyContainerRequest');
const forever = new AbortController().signal;
const [old, next] = [podmanSpec(), podmanSpec({ image: testImage('web', 'b') })];

interface Run {
  readonly journal: Journal;
  readonly engine: Engine;
  readonly undo: LocalUndo;
  apply(rows: readonly Container[], generation: number): Promise<string>;
  back(to?: number): Promise<readonly string[]>;
}

function newHost(): SimulatedHost {
  const host = createSimulatedHost();
  host.nat.network = { ...host.nat.network, interfaces: [{ name: 'lxcbr0', addresses: [{ address: '10.0.3.1', prefix: 24 }] }] };
  return host;
}

/** As core.ts puts it together. */
async function start(host: SimulatedHost, file: AppendFile): Promise<Run> {
  const journal = await openJournal({ file, clock: host.clock, log, hostName: 'box' });
  const engine = createEngine({ host, journal, hostName: 'box', log, onChanged: () => undefined, admit: () => undefined });
  const place = { host, hostName: 'box' };
  const settler = createSettler({ place, log, signal: forever, between: (task) => engine.read('container', task) });
  const work = containerWork(place, () => void settler.run());
  const undo = createLocalUndo({ engine, journal, works: [work], signal: forever });
  await engine.recover([work], forever);
  await settler.run();
  return {
    journal, engine, undo,
    async apply(rows, generation) {
      const operationId = newId(Date.now());
      await engine.run(work, codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId, generation, epoch: 1 }, containers: rows.map(formatContainer) })), forever);
      return operationId;
    },
    async back(to) {
      const { targets, digest, notes } = await undo.plan('container', to);
      await undo.apply('container', { targets: targets.map(({ id }) => id), operationId: newId(Date.now()), digest });
      return notes;
    },
  };
}

/** The containers of a host: what each is made from, what it runs with, and how it does. */
function stateOf(host: SimulatedHost): unknown {
  return [...host.containers.containers.values()].map(({ name, text, runs, state, before }) => ({ name, text, runs, state, before }));
}

function running(name: string, spec: ContainerSpec): object {
  const text = formatContainerText(spec);
  return { name, text, runs: text, state: 'running', before: undefined };
}

type Died = { readonly host: SimulatedHost; readonly file: AppendFile; readonly id: string };

/** Applies, and gives the host and the journal as they were when a verb was called for the n-th time: before it was made, right after, or with its work done. */
async function diedAt(verb: string, when: 'before' | 'after', of: { readonly first?: readonly Container[]; readonly rows: readonly Container[]; readonly count?: number; readonly set?: (host: SimulatedHost) => void }): Promise<Died> {
  const host = newHost();
  const file = memoryFile();
  const run = await start(host, file);
  if (of.first !== undefined) await run.apply(of.first, 1);
  of.set?.(host);
  let left = of.count ?? 1;
  let died: { content: Buffer; containers: Map<string, SimulatedContainer> } | undefined;
  const remember = async (): Promise<void> => void (died = { content: Buffer.from(await file.readAll()), containers: new Map([...host.containers.containers].map(([name, container]) => [name, structuredClone(container)])) });
  const { call } = host.helper;
  host.helper.call = async (asked, ...rest) => {
    const now = asked === verb && (left -= 1) === 0;
    if (now && when === 'before') await remember();
    const reply = await call(asked, ...rest);
    if (now && when === 'after') await remember();
    return reply;
  };
  const id = newId(Date.now());
  await run.engine.run(containerWork({ host, hostName: 'box' }, () => undefined), codec.decode(codec.encode({ intent: { mode: 'MODE_APPLY', operationId: id, generation: 2, epoch: 1 }, containers: of.rows.map(formatContainer) })), forever).catch(() => undefined);
  if (died === undefined) throw new Error(`${verb} was not called`);
  const later = newHost();
  of.set?.(later);
  for (const [name, container] of died.containers) later.containers.containers.set(name, container);
  return { host: later, file: memoryFile(died.content), id };
}

const everywhere = [
  ['container.put', 'before', 1], ['container.put', 'after', 1], ['container.build', 'before', 1], ['container.build', 'after', 1], ['container.control', 'before', 1], ['container.control', 'after', 1],
  ['container.settle', 'before', 1], ['container.settle', 'after', 1],
] as const;

describe('an agent that dies while a container is changed', () => {
  it.each(everywhere)('at %s, %s it was made: finishes a replacement', async (verb, when, count) => {
    const { host, file, id } = await diedAt(verb, when, { first: [wanted('web', old)], rows: [wanted('web', next)], count });
    const run = await start(host, file);
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(stateOf(host)).toEqual([running('web', next)]);
  });

  it.each(everywhere)('at %s, %s it was made: finishes one that is new', async (verb, when, count) => {
    const { host, file, id } = await diedAt(verb, when, { rows: [wanted('one', lxcSpec())], count });
    const run = await start(host, file);
    expect(run.journal.findOperation(id)).toMatchObject({ state: 'ok' });
    expect(stateOf(host)).toEqual([running('one', lxcSpec())]);
  });

  const breaks = (host: SimulatedHost): void => void host.containers.broken.set(testImage('web', 'b'), 'no');

  it.each([...everywhere.slice(0, 6), ['container.control', 'after', 2], ['container.control', 'after', 3], ['container.settle', 'before', 1], ['container.settle', 'after', 1]] as const)(
    'at %s, %s it was made (%i): has the old one back when the new one does not start', async (verb, when, count) => {
      const { host, file, id } = await diedAt(verb, when, { first: [wanted('web', old)], rows: [wanted('web', next)], count, set: breaks });
      const run = await start(host, file);
      expect(run.journal.findOperation(id)).toMatchObject({ state: 'failed' });
      expect(stateOf(host)).toEqual([running('web', old)]);
    });

  it.each([...everywhere.slice(0, 6), ['container.remove', 'before', 1], ['container.remove', 'after', 1], ['container.settle', 'before', 1], ['container.settle', 'after', 1]] as const)(
    'at %s, %s it was made (%i): leaves nothing of a new one that does not start', async (verb, when, count) => {
      const { host, file, id } = await diedAt(verb, when, { rows: [wanted('web', next)], count, set: breaks });
      const run = await start(host, file);
      expect(run.journal.findOperation(id)).toMatchObject({ state: 'failed' });
      expect(stateOf(host)).toEqual([]);
    });

  it('takes back what the journal knows nothing of', async () => {
    const { host } = await diedAt('container.control', 'after', { first: [wanted('web', old)], rows: [wanted('web', next), wanted('new', podmanSpec({ ports: [] }))], count: 1 });
    // The first of two: the other one is as it would be after its record was written.
    const text = formatContainerText(podmanSpec({ ports: [] }));
    host.containers.containers.set('half', { name: 'half', engine: 'podman', text, before: '', state: 'running', reason: '', runs: text, edited: '', built: true, image: '', address: '', bridge: '', log: [], snapshots: new Map() });
    await start(host, memoryFile());
    expect(stateOf(host)).toMatchObject([{ name: 'web', before: undefined, state: 'running' }]);
  });

  it('leaves one that was stopped stopped', async () => {
    const stopped = { running: false, boot: false };
    const { host } = await diedAt('container.put', 'after', { first: [wanted('web', podmanSpec(stopped))], rows: [wanted('web', next)] });
    await start(host, memoryFile());
    expect(stateOf(host)).toMatchObject([{ name: 'web', text: formatContainerText(podmanSpec(stopped)), before: undefined, state: 'stopped' }]);
  });

  it('looks for nothing where the policy lets nobody see containers', async () => {
    const host = createSimulatedHost({ policy: openPolicy.replace('allow observe.container\n', '') });
    await start(host, memoryFile());
    expect(host.calls).toEqual([]);
  });
});

describe('a change that goes back', () => {
  it('leaves a new one stopped where the policy lets nobody remove it', async () => {
    const host = newHost();
    host.setPolicy(openPolicy.replace('allow container.remove volumes=no,yes\n', ''));
    host.containers.broken.set(testImage('web', 'b'), 'no');
    const run = await start(host, memoryFile());
    await expect(run.apply([wanted('web', next)], 1)).rejects.toMatchObject({ code: 'CONTAINER_UNHEALTHY', items: [{}] });
    expect(host.containers.works).toEqual(['build web', 'control web start', 'control web stop']);
    expect(stateOf(host)).toEqual([]);
  });

  it('tells what could not be taken back', async () => {
    const host = newHost();
    const run = await start(host, memoryFile());
    await run.apply([wanted('web', old)], 1);
    host.containers.broken.set(testImage('web', 'b'), 'no');
    host.containers.fails = (work) => (work === 'control web start' ? 'the port is in use' : undefined);
    await expect(run.apply([wanted('web', next)], 2)).rejects.toMatchObject({
      items: [{ code: 'CONTAINER_UNHEALTHY', fields: { value: 'web', rule: 'no' } }, { code: 'IO_FAILED', fields: { host: 'box', rule: 'container "web" could not be started again: the port is in use' } }],
    });
  });

  it.each<[string, ContainerSpec, string, object, readonly string[]]>([
    ['an image that is not there', next, 'build web', { code: 'CONTAINER_IMAGE', fields: { value: testImage('web', 'b'), rule: 'so' } }, ['build web']],
    ['limits that cannot be set', podmanSpec({ limits: { ...old.limits, cpu: 50 } }), 'control web limit', { code: 'CONTAINER_FAILED', fields: { value: 'Setting limits of container "web"', rule: 'so' } }, ['control web limit', 'control web limit']],
    ['one that does not stop', podmanSpec({ running: false, boot: false }), 'control web stop', { code: 'CONTAINER_FAILED', fields: { value: 'Stopping container "web"', rule: 'so' } }, ['control web stop', 'control web start']],
  ])('does no more than it has to: %s', async (_what, spec, fails, error, works) => {
    const host = newHost();
    const run = await start(host, memoryFile());
    await run.apply([wanted('web', old)], 1);
    host.containers.works.length = 0;
    host.containers.fails = (work) => (work === fails && host.containers.works.filter((known) => known === work).length === 1 ? 'so' : undefined);
    await expect(run.apply([wanted('web', spec)], 2)).rejects.toMatchObject(error);
    expect(host.containers.works).toEqual(works);
    expect(stateOf(host)).toEqual([running('web', old)]);
  });
});

describe('undo', () => {
  it('leads back through each state', async () => {
    const host = newHost();
    const run = await start(host, memoryFile());
    const two = wanted('two', lxcSpec());
    const steps: readonly (readonly Container[])[] = [[wanted('web', old)], [wanted('web', next), two], [wanted('web', { ...next, running: false, boot: false }), two], [{ presence: 'absent', name: 'web', removeVolumes: false }, two]];
    const states: unknown[] = [stateOf(host)];
    for (const [index, rows] of steps.entries()) {
      await run.apply(rows, index + 1);
      states.push(stateOf(host));
    }
    const texts = (state: unknown): unknown => (state as { name: string; text: string; state: string }[]).map(({ name, text, state: how }) => [name, text, how]).sort();
    const notes: string[] = [];
    for (let to = steps.length - 1; to >= 0; to -= 1) {
      notes.push(...(await run.back(to)));
      expect(texts(stateOf(host))).toEqual(texts(states[to]));
    }
    expect(notes).toEqual([
      'container "web" was removed and is made again; the folders of its volumes are as they are now',
      'container "two" was not there before: it is removed, and the folders of its volumes stay', 'container "web" was not there before: it is removed, and the folders of its volumes stay',
    ]);
  });

  it('lets go of what was taken over', async () => {
    const host = newHost();
    const run = await start(host, memoryFile());
    host.containers.containers.set('own', { name: 'own', engine: 'lxc', text: undefined, before: undefined, state: 'running', reason: '', runs: '', edited: '', built: true, image: '', address: '', bridge: 'lxcbr0', log: [], snapshots: new Map() });
    await run.apply([wanted('own', lxcSpec({ adopted: true, archive: '' }), { adopt: true })], 1);
    expect(await run.back()).toEqual(['container "own" was not managed before: it is let go, and stays as it is now']);
    expect(stateOf(host)).toMatchObject([{ name: 'own', text: undefined, state: 'running' }]);
  });
});

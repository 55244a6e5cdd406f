import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentChannel } from '../../test/support/agent-channel.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { addForeignContainer } from '../../test/support/simulated-container.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { lxcSpec, podmanSpec, testImage, wanted } from '../../test/support/test-container.js';
import { until, type UntilOptions } from '../../test/support/until.js';
import { reeveError } from '../../shared/errors/error.js';
import type { ApplyContainerResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyContainerResponse.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import type { ContainerWork } from '../../shared/gen/proto/reeve/agent/v1/ContainerWork.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { newId } from '../../shared/kit/id.js';
import { formatContainer, type Container } from '../../shared/model/container.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { createAgentServer, type AgentServer } from '../server.js';

const service = serviceName<ContainerServiceDefinition>('reeve.agent.v1.ContainerService');
const fleet = createTestFleet();
const options = { deadlineMs: 20_000 };

let stateDir: string;
let host: SimulatedHost;
let agent: AgentServer;
let channel: Channel;
let logged: string[];

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-container-'));
  host = createSimulatedHost();
  host.nat.network = { ...host.nat.network, interfaces: [{ name: 'lxcbr0', addresses: [{ address: '10.0.3.1', prefix: 24 }] }] };
  logged = [];
  const log = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(chunk.toString()); done(); } }));
  const identity = fleet.host('web1');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  channel = openAgentChannel(fleet, identity, agent.address.port);
});

afterEach(async () => {
  channel.close();
  await agent.close(1000);
  rmSync(stateDir, { recursive: true, force: true });
});

function apply(generation: number, containers: readonly Container[], intent: IntentInput = {}): Promise<ApplyContainerResponse> {
  const full = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1, ...intent } as const;
  return channel.unary(service, 'ApplyContainer', { intent: full, containers: containers.map(formatContainer) }, options);
}

async function all(events: AsyncIterable<ContainerWork>): Promise<ContainerWork[]> {
  const heard: ContainerWork[] = [];
  for await (const event of events) heard.push(event);
  return heard;
}

const wait = (what: string): UntilOptions => ({ timeoutMs: 5000, what });
const works = (): string[] => host.containers.works.splice(0);
const container = (name: string): { state?: string; runs?: string; text?: string | undefined; before?: string | undefined } => host.containers.containers.get(name) ?? {};

describe('ApplyContainer', () => {
  it('plans without changing anything, makes a container, and then finds nothing to do', async () => {
    const rows = [wanted('web', podmanSpec({ environment: [{ name: 'COLOUR', value: 'blue' }] }))];
    const plan = await apply(1, rows, { mode: 'MODE_PLAN' });
    expect(plan.changes).toMatchObject([{ kind: 'CHANGE_KIND_CREATE', subject: 'web' }]);
    expect(plan.changes[0]?.fields).toContainEqual({ field: 'environment COLOUR', from: '', to: 'blue' });
    expect(host.containers.containers.size).toBe(0);
    const done = await apply(1, rows, { expectedDigest: plan.digest, policyDigest: plan.policyDigest });
    expect(works()).toEqual(['build web', 'control web start']);
    expect(done.containers).toMatchObject([{ name: 'web', engine: 'podman', managed: true, state: 'running', pending: false, spec: { image: testImage() } }]);
    const again = await apply(2, rows);
    expect(again.changes).toEqual([]);
    expect(again.digest.equals(done.digest)).toBe(true);
    expect(works()).toEqual([]);
  });

  it('replaces one of podman, and goes back to the old one when the new one does not start or is not healthy', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    works();
    await apply(2, [wanted('web', podmanSpec({ image: testImage('web', 'b') }))]);
    expect(works()).toEqual(['build web', 'control web restart']);
    const good = container('web').text;

    host.containers.broken.set(testImage('web', 'c'), 'cannot open /data');
    await expect(apply(3, [wanted('web', podmanSpec({ image: testImage('web', 'c') }))])).rejects.toMatchObject({
      code: 'CONTAINER_UNHEALTHY', fields: { value: 'web', host: 'web1', rule: 'cannot open /data' },
    });
    expect(works()).toEqual(['build web', 'control web restart', 'control web stop', 'control web start']);
    expect(container('web')).toMatchObject({ text: good, runs: good, state: 'running', before: undefined });

    host.containers.unhealthy.add(testImage('web', 'd'));
    const health = { kind: 'command', words: ['/bin/check'], startSeconds: 1 } as const;
    host.containers.containers.get('web')?.log.push('not yet');
    await expect(apply(4, [wanted('web', podmanSpec({ image: testImage('web', 'd'), health }))])).rejects.toMatchObject({
      code: 'CONTAINER_UNHEALTHY', fields: { rule: 'its check says: the check ended with 1, after 1 s. It wrote last: not yet' },
    });
    expect(container('web')).toMatchObject({ text: good, runs: good, state: 'running', before: undefined });
  });

  it('takes away what it began of a container that does not start, and makes the others', async () => {
    host.containers.broken.set(testImage('bad', 'e'), 'no');
    const bad = wanted('bad', podmanSpec({ image: testImage('bad', 'e'), ports: [] }));
    await expect(apply(1, [bad, wanted('web', podmanSpec())])).rejects.toMatchObject({ code: 'CONTAINER_UNHEALTHY', fields: { value: 'bad' } });
    expect([...host.containers.containers.keys()]).toEqual(['web']);
    expect(container('web')).toMatchObject({ state: 'running', before: undefined });
  });

  it('sets limits without a restart, and tells of those that the kernel does not keep', async () => {
    await apply(1, [wanted('one', lxcSpec())]);
    works();
    host.containers.controllers = ['cpu'];
    const done = await apply(2, [wanted('one', lxcSpec({ limits: { memory: 2 ** 26, swap: undefined, cpu: 150, tasks: undefined, disk: undefined } }))]);
    expect(works()).toEqual(['control one limit']);
    expect(done.changes[0]?.fields).toEqual([{ field: 'memory', from: '', to: '64 MiB' }, { field: 'cpu', from: '', to: '150 %' }]);
    expect(done.notes).toEqual(['container "one": the kernel of this host does not keep limits of memory; the limit is written down and holds once it does']);
  });

  it('stops, starts again, and removes with and without volumes', async () => {
    const volumes = [{ folder: '/srv/web', target: '/data', readOnly: false }];
    await apply(1, [wanted('web', podmanSpec({ volumes }))]);
    works();
    const stopped = await apply(2, [wanted('web', podmanSpec({ volumes, running: false, boot: false }))]);
    expect(stopped.changes[0]?.fields).toContainEqual({ field: 'state', from: 'running', to: 'stopped' });
    await apply(3, [wanted('web', podmanSpec({ volumes }))]);
    expect(works()).toEqual(['control web stop', 'control web start']);
    await apply(4, [{ presence: 'absent', name: 'web', removeVolumes: false }]);
    expect(host.containers.removedVolumes).toEqual([]);
    await apply(5, [wanted('web', podmanSpec({ volumes }))]);
    await apply(6, [{ presence: 'absent', name: 'web', removeVolumes: true }]);
    expect(host.containers.removedVolumes).toEqual(['/srv/web']);
    expect((await apply(7, [{ presence: 'absent', name: 'web', removeVolumes: true }])).changes).toEqual([]);
  });

  it('takes over one of others only when that is asked for, and lets go of it again', async () => {
    addForeignContainer(host.containers, { name: 'old', engine: 'lxc', address: '10.0.3.9/24', bridge: 'lxcbr0' });
    const spec = lxcSpec({ adopted: true, archive: '', address: '10.0.3.9/24' });
    await expect(apply(1, [wanted('old', spec)])).rejects.toMatchObject({ code: 'CONTAINER_FOREIGN', fields: { value: 'old', host: 'web1' } });
    await apply(1, [wanted('old', spec, { adopt: true })]);
    expect(works()).toEqual(['adopt old']);
    expect(container('old')).toMatchObject({ state: 'running', before: undefined });
    await apply(2, [{ presence: 'released', name: 'old' }]);
    expect(container('old')).toMatchObject({ state: 'running', text: undefined });
  });

  it('lets go of all of them with the noun, and removes nothing while a hold lasts but what is to go', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    await apply(2, [wanted('web', podmanSpec()), wanted('two', podmanSpec({ ports: [] }))]);
    const held = await apply(3, [wanted('web', podmanSpec({ running: false, boot: false })), { presence: 'absent', name: 'two', removeVolumes: false }], { removalOnly: true });
    expect(held.changes.map(({ subject }) => subject)).toEqual(['two']);
    expect(held.held?.changes.map(({ subject }) => subject)).toEqual(['web']);
    const released = await apply(4, [], { release: true });
    expect(released.changes).toMatchObject([{ subject: 'web', fields: [{ field: 'presence', from: 'present', to: 'released' }] }]);
    expect(container('web')).toMatchObject({ state: 'running', text: undefined });
  });
});

describe('what a crash of the helper leaves', () => {
  it('is taken back once somebody answers again', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    const good = container('web').text;
    host.fail('container.settle', reeveError('HELPER_UNREACHABLE', { reason: 'it went' }));
    await expect(apply(2, [wanted('web', podmanSpec({ image: testImage('web', 'b') }))])).rejects.toMatchObject({ code: 'HELPER_UNREACHABLE' });
    expect(container('web').before).toBe(good);
    host.fail('container.settle', undefined);
    await until(() => container('web').before === undefined && container('web').runs === good && container('web').state === 'running', wait('the old one is back'));
    expect(container('web').text).toBe(good);
  });

  it('is how a piece of work failed when its program dies', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    const good = container('web').text;
    host.containers.fails = (work) => (work === 'control web restart' ? 'die' : undefined);
    await expect(apply(2, [wanted('web', podmanSpec({ image: testImage('web', 'b') }))])).rejects.toMatchObject({ code: 'CONTAINER_UNHEALTHY' });
    expect(container('web')).toMatchObject({ text: good, runs: good, state: 'running', before: undefined });
  });
});

describe('streams', () => {
  it('restart one to its end, whoever listens', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    works();
    let open = (): void => undefined;
    host.containers.gate = () => new Promise((resolve) => (open = resolve));
    const leaving = new AbortController();
    const heard = all(channel.stream(service, 'RestartContainer', { operationId: newId(Date.now()), name: 'web' }, { signal: leaving.signal })).catch(() => 'left');
    await until(() => host.containers.running.has('control web restart'), wait('the restart begins'));
    Object.assign(host.containers.containers.get('web') ?? {}, { state: 'stopped' });
    leaving.abort();
    expect(await heard).toBe('left');
    open();
    await until(() => container('web').state === 'running', wait('it runs again'));
    host.containers.gate = () => Promise.resolve();
    expect(await all(channel.stream(service, 'RestartContainer', { operationId: newId(Date.now()), name: 'web' }, {}))).toMatchObject([{ event: 'result' }]);
    await expect(all(channel.stream(service, 'RestartContainer', { operationId: newId(Date.now()), name: 'none-such' }, {}))).rejects.toMatchObject({ code: 'CONTAINER_UNKNOWN', fields: { value: 'none-such', host: 'web1' } });
  });

  it('follow a log until the caller goes', async () => {
    await apply(1, [wanted('web', podmanSpec())]);
    host.containers.containers.get('web')?.log.push('one', 'two', 'three');
    const [last] = await all(channel.stream(service, 'FollowContainerLog', { name: 'web', lines: 2, follow: false }, {}));
    expect(last?.output?.toString()).toBe('two\nthree\n');
    const leaving = new AbortController();
    const following = channel.stream(service, 'FollowContainerLog', { name: 'web', lines: 1, follow: true }, { signal: leaving.signal });
    await (async () => {
      for await (const { output } of following) if (output?.toString() === 'three\n') leaving.abort();
    })().catch(() => undefined);
    expect(leaving.signal.aborted).toBe(true);
    await until(() => host.containers.running.size === 0, wait('nobody reads the log any more'));
  });

  it('fetch, list, prune and take in images', async () => {
    host.containers.registry.set('reg.example/web:1', testImage('web', 'f'));
    const pulled = await all(channel.stream(service, 'PullImage', { operationId: newId(Date.now()), image: 'reg.example/web:1' }, {}));
    expect(pulled).toMatchObject([{ progress: { text: 'Fetching reg.example/web:1', bytes: 500 } }, { result: { digest: testImage('web', 'f'), bytes: 1000 } }]);
    await expect(all(channel.stream(service, 'PullImage', { operationId: newId(Date.now()), image: 'reg.example/web:2' }, {}))).rejects.toMatchObject({ code: 'CONTAINER_IMAGE', fields: { value: 'reg.example/web:2', host: 'web1' } });
    const [imported] = (await all(channel.duplex(service, 'ImportImage', parts('archive', [Buffer.from('abc'), Buffer.from('def')], true), {}))).slice(-1);
    expect(imported?.result).toMatchObject({ bytes: 6 });
    const listed = await all(channel.stream(service, 'ListImages', {}, {}));
    expect(listed.flatMap(({ image }) => (image ? [[image.kind, image.image, image.tag]] : []))).toEqual([['podman', 'localhost/web', '1'], ['lxc', '', '']]);
    await all(channel.stream(service, 'PruneImages', { operationId: newId(Date.now()), plan: true }, {}));
    expect(host.containers.images.size).toBe(2);
    await all(channel.stream(service, 'PruneImages', { operationId: newId(Date.now()), plan: false }, {}));
    expect(host.containers.images.size).toBe(0);
  });

  it('take in nothing of an image whose caller stops in the middle', async () => {
    await expect(all(channel.duplex(service, 'ImportImage', parts('archive', [Buffer.from('abc')], false), {}))).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(host.containers.images.size).toBe(0);
  });

  it('make, list, restore and remove snapshots', async () => {
    await apply(1, [wanted('one', lxcSpec())]);
    const act = (action: string, snapshot = 'before'): Promise<ContainerWork[]> => all(channel.stream(service, 'SnapshotContainer', { operationId: newId(Date.now()), name: 'one', action, snapshot }, {}));
    expect((await act('create')).at(-1)?.result?.note).toContain('the container ran meanwhile');
    expect((await all(channel.stream(service, 'ListContainerSnapshots', { name: 'one' }, {})))[0]?.snapshot).toMatchObject({ name: 'before', bytes: 1000 });
    await expect(act('restore', 'other')).rejects.toMatchObject({ code: 'CONTAINER_SNAPSHOT', fields: { value: 'one', host: 'web1', rule: 'other' } });
    // To be restored it is stopped, and started again; it is done when that is.
    host.containers.works.length = 0;
    expect((await act('restore')).at(-1)?.result).toBeDefined();
    expect(host.containers.works.filter((work) => !work.startsWith('look'))).toEqual(['control one stop', 'snapshot one restore before', 'control one start']);
    host.containers.fails = (work) => (work === 'control one start' ? 'no address is free' : undefined);
    await expect(act('restore')).rejects.toMatchObject({ code: 'CONTAINER_FAILED', fields: { value: 'Starting container "one"', rule: 'no address is free' } });
    host.containers.fails = () => undefined;
    await act('remove');
    await expect(act('destroy')).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });
});

async function* parts(kind: string, chunks: readonly Buffer[], whole: boolean): AsyncGenerator<object> {
  yield { start: { operationId: newId(Date.now()), kind } };
  for (const data of chunks) yield { data: await Promise.resolve(data) };
  if (whole) yield { end: true };
}

describe('secrets and looks', () => {
  it('keeps the value of a secret out of the log, and forgets it with the container', async () => {
    const version = newId(Date.now());
    const put = { operationId: newId(Date.now()), name: 'web', secret: 'token', version, value: Buffer.from('s3cr3t-value') };
    await channel.unary(service, 'PutContainerSecret', put, options);
    expect([...host.containers.secrets.values()]).toEqual(['s3cr3t-value']);
    await apply(1, [wanted('web', podmanSpec({ secrets: [{ name: 'token', version }] }))]);
    expect(host.containers.secrets.size).toBe(1);
    await apply(2, [wanted('web', podmanSpec())]);
    expect(host.containers.secrets.size).toBe(0);
    expect(logged.join('')).not.toContain('s3cr3t');
    host.setPolicy(openPolicy.replace('allow container.write\n', ''));
    await expect(channel.unary(service, 'PutContainerSecret', put, options)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
  });

  it('tells how containers do, those of others only when they are asked for', async () => {
    addForeignContainer(host.containers, { name: 'hand-made', image: 'docker.io/library/redis' });
    host.containers.unhealthy.add(testImage('web', 'b'));
    const check = { kind: 'command', words: ['/bin/check'], startSeconds: 1 } as const;
    await apply(1, [wanted('web', podmanSpec({ health: check }))]);
    const ours = await channel.unary(service, 'ObserveContainer', { health: true }, options);
    expect(ours.containers.map(({ name, health }) => [name, health])).toEqual([['web', 'healthy']]);
    expect(ours.host).toMatchObject({ engines: ['podman', 'lxc'], ignoredLimits: [] });
    const every = await channel.unary(service, 'ObserveContainer', { all: true }, options);
    expect(every.containers.map(({ name, managed, health }) => [name, managed, health])).toEqual([['hand-made', false, ''], ['web', true, '']]);
    expect(every.digest.equals(ours.digest)).toBe(true);
  });

  it('says what one of others is made from, and what of it stands in the way', async () => {
    addForeignContainer(host.containers, { name: 'hand-made' });
    host.containers.inspected.set('hand-made', { spec: podmanSpec({ boot: false }), problems: ['it is privileged'] });
    expect(await channel.unary(service, 'InspectContainer', { name: 'hand-made', engine: 'podman' }, options)).toMatchObject({ spec: { image: testImage(), running: true }, problems: ['it is privileged'] });
  });
});

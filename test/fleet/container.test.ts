import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ContainerEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerEvent.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { ContainerSpecInput } from '../../shared/gen/proto/reeve/type/v1/ContainerSpec.js';
import { sha256 } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { formatContainerSpec } from '../../shared/model/container.js';
import { parseContainerText } from '../../shared/model/container-text.js';
import { serviceName } from '../../shared/rpc/client.js';
import { accessApi, came, optionsOf, type Came, type How } from '../support/access-api.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { addForeignContainer } from '../support/simulated-container.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { lxcSpec, podmanSpec, testImage } from '../support/test-container.js';
import { until } from '../support/until.js';

const containers = serviceName<ContainerServiceDefinition>('reeve.coordinator.v1.ContainerService');
const plans = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const hosts = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const deadline = { deadlineMs: 30_000 };

/** An image of a registry, another one for each letter. */
const nginx = (letter = 'a'): string => `docker.io/library/nginx@sha256:${letter.repeat(64)}`;

describe('containers of a fleet', () => {
  const logged: string[] = [];
  let fleet: LoopbackFleet;
  let web1: LoopbackAgent;

  beforeAll(async () => {
    const log = pino({ level: 'trace' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(chunk.toString()); done(); } }));
    fleet = await startLoopbackFleet({ log });
    web1 = await fleet.addAgent('web1', { host: createSimulatedHost() });
    const { nat } = web1.host;
    nat.network = { ...nat.network, interfaces: [{ name: 'lxcbr0', addresses: [{ address: '10.0.3.1', prefix: 24 }] }] };
  });

  afterAll(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  beforeEach(() => {
    Object.assign(web1.host.containers, { anyImage: true, gate: () => Promise.resolve(), fails: () => undefined });
    web1.host.containers.works.length = 0;
  });

  const spec = (more: ContainerSpecInput = {}): ContainerSpecInput => ({ ...formatContainerSpec(podmanSpec()), ...more });
  const add = (name: string, what: ContainerSpecInput, how?: How, more: object = {}): Promise<Came> => came(fleet.api.stream(containers, 'AddContainer', { options: optionsOf(how), host: 'web1', name, spec: what, ...more }, {}));
  const set = (name: string, what: ContainerSpecInput, how?: How, more: object = {}): Promise<Came> => came(fleet.api.stream(containers, 'SetContainer', { options: optionsOf(how), host: 'web1', name, spec: what, ...more }, {}));
  const about = (verb: 'StartContainer' | 'StopContainer' | 'RemoveContainer' | 'AdoptContainer', name: string, how?: How): Promise<Came> => came(fleet.api.stream(containers, verb, { options: optionsOf(how), host: 'web1', name }, {}));
  const stored = async (name: string): Promise<ContainerSpecInput> => (await fleet.api.unary(containers, 'ListContainers', { selector: 'web1', stored: true }, deadline)).rows.find((row) => row.name === name)?.spec ?? {};
  const list = async (selector = 'web1', more: object = {}): Promise<string[]> => (await fleet.api.unary(containers, 'ListContainers', { selector, ...more }, deadline)).rows.map((row) => `${row.hostName} ${row.name} ${row.status}`);
  const why = async (name: string): Promise<string> => (await fleet.api.unary(containers, 'ShowContainer', { host: 'web1', name }, deadline)).row?.reason ?? '';
  const work = async (events: AsyncIterable<ContainerEvent>): Promise<ContainerEvent[]> => {
    const heard: ContainerEvent[] = [];
    for await (const event of events) heard.push(event);
    return heard;
  };
  const here = (name: string) => web1.host.containers.containers.get(name);
  const record = (name: string) => parseContainerText(here(name)?.text ?? '');
  const clear = async (): Promise<void> => {
    web1.host.containers.fails = () => undefined;
    for (const name of [...web1.host.containers.containers.keys()]) {
      if (here(name)?.text === undefined) web1.host.containers.containers.delete(name);
      else await about('RemoveContainer', name);
    }
  };

  it('are added, altered, stopped, started, restarted and removed', async () => {
    const plan = await add('web', spec(), 'PLAN');
    expect(plan).toMatchObject({ outcome: 'ok', stored: false, changes: ['+ container web'], errors: [] });
    expect(here('web')).toBeUndefined();
    expect(await add('web', spec(), { planId: plan.planId })).toMatchObject({ outcome: 'ok', stored: true, changes: ['+ container web'] });
    expect([here('web')?.state, record('web').ports]).toEqual(['running', [{ protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }]]);
    await expect(add('web', spec())).rejects.toMatchObject({ code: 'CONTAINER_EXISTS', fields: { value: 'web', host: 'web1' } });
    expect(await list()).toEqual(['web1 web ok']);
    const altered = { ...(await stored('web')), limits: { memory: 512 * 2 ** 20 } };
    expect(await set('web', altered)).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect(await set('web', altered)).toMatchObject({ outcome: 'ok', changes: [] });
    expect(record('web').limits.memory).toBe(512 * 2 ** 20);
    expect(await about('StopContainer', 'web')).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect([here('web')?.state, record('web').boot]).toEqual(['stopped', false]);
    expect(await about('StartContainer', 'web')).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect([here('web')?.state, record('web').boot]).toEqual(['running', true]);
    web1.host.containers.works.length = 0;
    expect((await work(fleet.api.stream(containers, 'RestartContainer', { host: 'web1', name: 'web' }, {}))).at(-1)?.finished).toBeTruthy();
    expect(web1.host.containers.works).toEqual(['control web restart']);
    expect(await about('RemoveContainer', 'web')).toMatchObject({ outcome: 'ok', changes: ['- container web'] });
    expect(await about('RemoveContainer', 'web')).toMatchObject({ outcome: 'ok', changes: [] });
    expect([here('web'), await list()]).toEqual([undefined, []]);
    for (const call of [about('StartContainer', 'web'), set('web', spec()), work(fleet.api.stream(containers, 'RestartContainer', { host: 'web1', name: 'web' }, {}))]) {
      await expect(call).rejects.toMatchObject({ code: 'CONTAINER_UNKNOWN', fields: { host: 'web1', value: 'web' } });
    }
  });

  it('have an image by tag that is found or fetched once, and kept by digest', async () => {
    const { containers: host } = web1.host;
    host.anyImage = false;
    host.registry.set('docker.io/library/nginx:1', nginx());
    const tagged = spec({ image: 'docker.io/library/nginx:1' });
    const steps: ChangeEvent[] = [];
    for await (const event of fleet.api.stream(containers, 'AddContainer', { options: optionsOf('PLAN'), host: 'web1', name: 'web', spec: tagged }, {})) steps.push(event);
    const [planned] = steps.flatMap((event) => event.planned?.hosts ?? []);
    expect(planned?.changes[0]?.fields.find(({ field }) => field === 'image')).toMatchObject({ to: 'docker.io/library/nginx:1' });
    expect(planned?.notes).toContain('docker.io/library/nginx:1 is not on "web1": it is fetched first, and which one it is by digest is known then');
    expect([host.images.size, host.works.filter((name) => name.startsWith('pull'))]).toEqual([0, []]);
    const planId = steps.flatMap((event) => event.planned?.planId ?? [])[0] ?? '';
    const fetched: string[] = [];
    for await (const event of fleet.api.stream(containers, 'AddContainer', { options: optionsOf({ planId }), host: 'web1', name: 'web', spec: tagged }, {})) if (event.progress) fetched.push(event.progress.hostName);
    expect(fetched[0]).toBe('web1');
    expect([await stored('web'), record('web').image]).toMatchObject([{ image: nginx(), tag: '1' }, nginx()]);
    // The registry has another one by now; nobody asked for it.
    host.registry.set('docker.io/library/nginx:1', nginx('b'));
    expect(await set('web', { ...(await stored('web')), stopSeconds: 5 })).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect(record('web').image).toBe(nginx());
    await expect(add('own', spec({ image: 'localhost/own:1' }))).rejects.toMatchObject({ code: 'CONTAINER_IMAGE', fields: { value: 'localhost/own:1', host: 'web1', remedy: 'To bring it: reeve container image import web1 FILE --image localhost/own:1' } });
    await expect(add('own', spec({ image: 'docker.io/library/gone:1' }))).rejects.toMatchObject({ code: 'CONTAINER_IMAGE' });
    await expect(add('own', tagged, 'STAGE')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'image' } });
    expect(await list()).toEqual(['web1 web ok']);
    await clear();
  });

  it('go back to what was before when the new one does not get healthy, and are not tried again by themselves', async () => {
    expect(await add('web', spec({ health: { command: ['/bin/true'], startSeconds: 1 } }))).toMatchObject({ outcome: 'ok' });
    web1.host.containers.unhealthy.add(testImage('web', 'c'));
    const bad = { ...(await stored('web')), image: testImage('web', 'c') };
    expect(await set('web', bad)).toMatchObject({ outcome: 'failed', stored: true, errors: [{ code: 'CONTAINER_UNHEALTHY', fields: { value: 'web', host: 'web1' } }] });
    expect([here('web')?.state, record('web').image]).toEqual(['running', testImage()]);
    // What is wanted went back as well: nothing is pending, and nothing is tried again by itself.
    expect([(await stored('web')).image, await list()]).toEqual([testImage(), ['web1 web ok']]);
    web1.host.containers.works.length = 0;
    fleet.office().converge(web1.hostId);
    // What is asked of a host comes after what it still has to be told.
    await accessApi(fleet.api).user('AddUser', 'web1', 'ada');
    expect(web1.host.containers.works.filter((name) => name.startsWith('control'))).toEqual([]);
    expect(await add('sick', spec({ image: testImage('web', 'c'), ports: [], health: { command: ['/bin/true'], startSeconds: 1 } }))).toMatchObject({ outcome: 'failed', stored: true, errors: [{ code: 'CONTAINER_UNHEALTHY' }] });
    expect([here('sick'), await list()]).toEqual([undefined, ['web1 web ok']]);
    expect(await accessApi(fleet.api).apply('web1', 'container')).toMatchObject({ outcome: 'ok', changes: [] });
    web1.host.containers.unhealthy.clear();
    expect(await set('web', bad)).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect(record('web').image).toBe(testImage('web', 'c'));
    await clear();
  });

  it('leave nothing pending also where the first of a host cannot be made', async () => {
    const web2 = await fleet.addAgent('web2', { host: createSimulatedHost() });
    const { containers: host } = web2.host;
    const starts = (): number => host.works.filter((name) => name === 'control web start').length;
    host.broken.set(testImage(), 'no such file');
    expect(await add('web', spec(), undefined, { host: 'web2' })).toMatchObject({ outcome: 'failed', errors: [{ code: 'CONTAINER_UNHEALTHY' }] });
    await until(async () => (await fleet.api.unary(plans, 'ListPending', {}, deadline)).pending.length === 0, { timeoutMs: 10_000, everyMs: 20, what: 'that nothing is pending' });
    expect([await list('web2'), host.containers.size]).toEqual([[], 0]);
    // One that is repaired and cannot be made stays wanted as it was, and is not tried again by itself.
    host.broken.clear();
    expect(await add('web', spec(), undefined, { host: 'web2' })).toMatchObject({ outcome: 'ok' });
    host.containers.delete('web');
    web2.host.touch('container');
    host.broken.set(testImage(), 'no such file');
    const before = starts();
    expect(await accessApi(fleet.api).apply('web2', 'container')).toMatchObject({ outcome: 'failed' });
    await accessApi(fleet.api).user('AddUser', 'web2', 'ada');
    expect([starts() - before, await list('web2')]).toEqual([1, ['web2 web missing']]);
    await web2.close();
    await fleet.api.unary(hosts, 'RetireHost', { host: 'web2' }, deadline);
  });

  it('that are not as they should be are told with the command that helps, and repaired on request', async () => {
    await add('web', spec());
    Object.assign(here('web') ?? {}, { state: 'stopped' });
    web1.host.touch('container');
    expect([await list(), await why('web')]).toEqual([['web1 web drift'], 'it was stopped by hand; to start it: reeve apply --on web1 --noun container']);
    expect(await accessApi(fleet.api).apply('web1', 'container')).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect(here('web')?.state).toBe('running');
    web1.host.containers.containers.delete('web');
    web1.host.touch('container');
    expect(await list()).toEqual(['web1 web missing']);
    expect(await accessApi(fleet.api).apply('web1', 'container')).toMatchObject({ outcome: 'ok', changes: ['+ container web'] });
    Object.assign(here('web') ?? {}, { edited: '/etc/systemd/system/reeve-container-web.service' });
    expect(await why('web')).toBe('/etc/systemd/system/reeve-container-web.service was altered by hand; to write over it: reeve container set web1 web --overwrite');
    const now = await stored('web');
    expect(await set('web', { ...now, stopSeconds: 7 })).toMatchObject({ outcome: 'failed', stored: false, errors: [{ code: 'CONTAINER_DRIFT' }] });
    expect(await set('web', now, undefined, { overwrite: true })).toMatchObject({ outcome: 'ok' });
    expect(await list()).toEqual(['web1 web ok']);
    await clear();
  });

  it('of others are listed, told to be hosts of the inventory, and taken over', async () => {
    addForeignContainer(web1.host.containers, { name: 'mail', engine: 'lxc', address: '10.0.3.9/24' });
    addForeignContainer(web1.host.containers, { name: 'odd_name', engine: 'podman', image: 'docker.io/library/redis' });
    await fleet.invite('mail1', { address: '10.0.3.9:7420', parent: 'web1' });
    const { rows } = await fleet.api.unary(containers, 'ListContainers', { selector: 'web1' }, deadline);
    expect(rows.map(({ name, guest, status, reason }) => [name, guest, status, reason])).toEqual([
      ['mail', 'mail1', 'foreign', 'it is host "mail1"; to have Reeve manage the container, too: reeve container adopt web1 mail'],
      ['odd_name', '', 'foreign', 'Reeve does not manage it, and cannot take it over by this name'],
    ]);
    const adopted = lxcSpec({ adopted: true, archive: '', address: '10.0.3.9/24' });
    web1.host.containers.inspected.set('mail', { spec: adopted, problems: ['it is privileged', 'it has a hook'] });
    await expect(about('AdoptContainer', 'mail')).rejects.toMatchObject({ code: 'CONTAINER_ADOPT', fields: { value: 'mail', rule: 'it is privileged; it has a hook' } });
    web1.host.containers.inspected.set('mail', { spec: adopted, problems: [] });
    expect(await about('AdoptContainer', 'mail', 'PLAN')).toMatchObject({ outcome: 'ok', stored: false, changes: ['~ container mail'] });
    expect(await about('AdoptContainer', 'mail')).toMatchObject({ outcome: 'ok', changes: ['~ container mail'] });
    expect(await about('AdoptContainer', 'mail')).toMatchObject({ outcome: 'ok', changes: [] });
    await expect(about('AdoptContainer', 'nobody')).rejects.toMatchObject({ code: 'CONTAINER_UNKNOWN' });
    expect(await list()).toEqual(['web1 mail ok', 'web1 odd_name foreign']);
    await expect(set('mail', { ...(await stored('mail')), adopted: false, archive: 'b'.repeat(64) })).rejects.toMatchObject({ code: 'CONTAINER_FIXED' });
    await expect(add('other', { ...formatContainerSpec(adopted) })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'adopted' } });
    await clear();
  });

  it('are refused when what is asked for is none', async () => {
    const cases: [string, ContainerSpecInput, string][] = [
      ['Web', spec(), 'container name'], ['host', spec(), 'container name'], ['web', spec({ image: 'nginx:1' }), 'image'], ['web', spec({ engine: 'docker' }), 'engine'], ['web', spec({ environment: [{ name: 'LD_PRELOAD', value: 'x' }] }), 'variable'],
      ['web', spec({ volumes: [{ folder: '/srv/../etc', target: '/a' }] }), 'volume'], ['web', spec({ secrets: [{ name: 'a' }] }), 'value of secret "a"'], ['web', spec({ secrets: [] }), 'secrets'],
    ];
    for (const [name, what, field] of cases) {
      const more = field === 'secrets' ? { secrets: [{ name: 'b', value: Buffer.from('x') }] } : {};
      await expect(add(name, what, 'APPLY', more), JSON.stringify([name, field])).rejects.toMatchObject({ code: expect.stringMatching(/^FIELD_/) as string, fields: { field } });
    }
    const denied = await add('web', spec({ volumes: [{ folder: '/etc', target: '/a' }] }));
    expect(denied).toMatchObject({ outcome: 'failed', stored: false, errors: [{ code: 'POLICY_DENIED' }] });
    expect(await list()).toEqual([]);
  });

  it('of a host that cannot be reached are stored and pending, but nothing that needs the host now', async () => {
    await fleet.invite('web9', { address: '127.0.0.1:1' });
    expect(await add('web', spec(), undefined, { host: 'web9' })).toMatchObject({ outcome: 'pending', stored: true });
    expect(await list('web9')).toEqual(['web9 web pending']);
    expect(await list('web9', { stored: true })).toEqual(['web9 web pending']);
    const { problems } = await fleet.api.unary(containers, 'ListContainers', {}, deadline);
    expect(problems.map(({ hostName }) => hostName)).toEqual(['web9']);
    const secrets = { secrets: [{ name: 'token', value: Buffer.from('s3cret') }] };
    await expect(add('other', spec({ secrets: [{ name: 'token' }] }), undefined, { host: 'web9', ...secrets })).rejects.toMatchObject({ code: expect.stringMatching(/^HOST_/) as string });
    await expect(add('other', spec({ image: 'docker.io/library/nginx:1' }), undefined, { host: 'web9' })).rejects.toMatchObject({ code: expect.stringMatching(/^HOST_/) as string });
    expect(await list('web9')).toEqual(['web9 web pending']);
    const gone = await fleet.addAgent('web8', { host: createSimulatedHost() });
    await gone.close();
    await fleet.waitState(gone.hostId, 'lost');
    await expect(add('other', spec({ secrets: [{ name: 'token' }] }), undefined, { host: 'web8', ...secrets })).rejects.toMatchObject({ code: 'HOST_UNREACHABLE', fields: { reason: expect.stringContaining('nothing was stored') as string } });
    await expect(add('other', spec({ image: 'docker.io/library/nginx:1' }), undefined, { host: 'web8' })).rejects.toMatchObject({ code: 'HOST_UNREACHABLE', fields: { reason: expect.stringContaining('nothing was stored') as string } });
    expect(await list('web8', { stored: true })).toEqual([]);
  });

  it('have secrets that their hosts keep, and nobody else', async () => {
    const token = `token-${newId(Date.now())}-${'x'.repeat(40)}`;
    const other = `other-${newId(Date.now())}-${'y'.repeat(40)}`;
    const secret = (value: string): object => ({ secrets: [{ name: 'token', value: Buffer.from(value) }] });
    const what = spec({ secrets: [{ name: 'token' }] });
    const errors = [
      await add('web', what, 'STAGE', secret(token)).catch((error: unknown) => error),
      await add('Web', what, 'APPLY', secret(token)).catch((error: unknown) => error),
      await add('web', spec(), 'APPLY', secret(token)).catch((error: unknown) => error),
    ];
    expect(errors).toMatchObject([{ code: 'FIELD_INVALID', fields: { field: 'mode' } }, { code: 'FIELD_INVALID' }, { code: 'FIELD_INVALID', fields: { field: 'secrets' } }]);
    const plan = await add('web', what, 'PLAN', secret(token));
    expect([plan.outcome, web1.host.containers.secrets.size]).toEqual(['ok', 0]);
    expect(await add('web', what, { planId: plan.planId }, secret(token))).toMatchObject({ outcome: 'ok', changes: ['+ container web'] });
    expect([...web1.host.containers.secrets]).toEqual([[expect.stringMatching(/^web token [0-9a-f-]{36}$/), token]]);
    const now = await stored('web');
    // One that is not named anew keeps its value, whatever version is said.
    expect(await set('web', { ...now, stopSeconds: 3, secrets: [{ name: 'token' }] })).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect([...web1.host.containers.secrets.values()]).toEqual([token]);
    const operationId = newId(Date.now());
    expect(await set('web', { ...now, stopSeconds: 3 }, { operationId }, secret(other))).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect([...web1.host.containers.secrets.values()]).toEqual([other]);
    const calls = web1.host.calls.length;
    expect(await set('web', { ...now, stopSeconds: 3 }, { operationId }, secret(other))).toMatchObject({ outcome: 'ok', operationId });
    expect(web1.host.calls.slice(calls)).toEqual([]);
    expect(await set('web', { ...(await stored('web')), secrets: [] })).toMatchObject({ outcome: 'ok' });
    expect(web1.host.containers.secrets.size).toBe(0);
    const files = [fleet.stateDir, web1.stateDir].flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path, 'latin1')));
    const texts = [...files, ...logged, ...errors.map((error) => `${String(error)} ${JSON.stringify(error)} ${(error as Error).stack ?? ''}`)];
    expect(texts.join('')).toContain('container add');
    expect(logged.length).toBeGreaterThan(2);
    const needles = [token, other].flatMap((value) => [value, Buffer.from(value).toString('base64').slice(4, 40), Buffer.from(value).toString('hex'), sha256(value).toString('hex')]);
    for (const needle of needles) for (const text of texts) expect(text.includes(needle)).toBe(false);
    await clear();
  });

  it('keep their values also where another command tells the host of its containers in the middle', async () => {
    const { containers: host } = web1.host;
    await add('web', spec());
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    host.gate = (name) => (name === 'control web stop' ? held : Promise.resolve());
    const stopping = about('StopContainer', 'web');
    const what = spec({ secrets: [{ name: 'token' }], ports: [] });
    await until(() => host.running.has('control web stop'), { timeoutMs: 10_000, everyMs: 10, what: 'the container to be stopped' });
    const adding = add('other', what, undefined, { secrets: [{ name: 'token', value: Buffer.from('s3cret') }] });
    await until(() => host.secrets.size === 1, { timeoutMs: 10_000, everyMs: 10, what: 'the value of the secret' });
    // What the other command tells the host names no such container.
    host.secrets.clear();
    release();
    expect(await stopping).toMatchObject({ outcome: 'ok' });
    expect(await adding).toMatchObject({ outcome: 'ok' });
    expect([...host.secrets.values()]).toEqual(['s3cret']);
    await clear();
  });

  it('are watched, read and copied as long as somebody asks', async () => {
    await add('web', spec());
    here('web')?.log.push('started', 'ready\u001b[2J');
    const answers = [];
    for await (const answer of fleet.api.stream(containers, 'WatchContainers', { selector: 'web1', everySeconds: 1 }, {})) if (answers.push(answer) === 2) break;
    expect(answers.map(({ uses }) => uses.map(({ hostName, observed }) => [hostName, observed?.name]))).toEqual([[['web1', 'web']], [['web1', 'web']]]);
    expect(answers[1]?.uses[0]?.cpuPercent).toBe(0);
    const log = await work(fleet.api.stream(containers, 'FollowContainerLog', { host: 'web1', name: 'web', lines: 1 }, {}));
    expect(log.flatMap(({ output }) => output?.toString() ?? [])).toEqual(['ready\u001b[2J\n']);
    for await (const { output } of fleet.api.stream(containers, 'FollowContainerLog', { host: 'web1', name: 'web', follow: true }, {})) if (output) break;
    await add('mail', formatContainerSpec(lxcSpec()));
    const snapshot = (action: string, name = 'first'): Promise<ContainerEvent[]> => work(fleet.api.stream(containers, 'SnapshotContainer', { host: 'web1', name: 'mail', action, snapshot: name }, {}));
    expect((await snapshot('create')).at(-1)?.finished).toBeTruthy();
    expect((await fleet.api.unary(containers, 'ListContainerSnapshots', { host: 'web1', name: 'mail' }, deadline)).snapshots).toMatchObject([{ name: 'first', bytes: 1000 }]);
    await expect(snapshot('create')).rejects.toMatchObject({ code: 'CONTAINER_FAILED' });
    await expect(snapshot('copy')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'action' } });
    await expect(snapshot('create', '../x')).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'snapshot' } });
    expect((await snapshot('restore')).at(-1)?.finished).toBeTruthy();
    expect((await snapshot('remove')).at(-1)?.finished).toBeTruthy();
    await clear();
  });

  it('are made from images that are fetched, brought and taken away', async () => {
    const { containers: host } = web1.host;
    host.images.clear();
    host.registry.set('docker.io/library/redis:7', `docker.io/library/redis@sha256:${'d'.repeat(64)}`);
    const pulled = await work(fleet.api.stream(containers, 'PullImage', { host: 'web1', image: 'docker.io/library/redis:7' }, {}));
    expect(pulled.at(-1)?.finished).toMatchObject({ digest: `docker.io/library/redis@sha256:${'d'.repeat(64)}`, bytes: 1000 });
    await expect(work(fleet.api.stream(containers, 'PullImage', { host: 'web1', image: 'localhost/x:1' }, {}))).rejects.toMatchObject({ code: 'CONTAINER_IMAGE' });
    const bytes = Buffer.alloc(200_000, 'r');
    async function* parts(start: object, end = true) {
      yield { start: { host: 'web1', ...start } };
      for (let at = 0; at < bytes.length; at += 65_536) yield await Promise.resolve({ data: bytes.subarray(at, at + 65_536) });
      if (end) yield { end: true };
    }
    const imported = await work(fleet.api.duplex(containers, 'ImportImage', parts({ kind: 'rootfs', image: 'localhost/own:1' }), {}));
    expect(imported.at(-1)?.finished).toMatchObject({ digest: `localhost/own@sha256:${sha256(bytes).toString('hex')}`, bytes: 200_000 });
    expect((await work(fleet.api.duplex(containers, 'ImportImage', parts({ kind: 'archive' }), {}))).at(-1)?.finished).toMatchObject({ digest: sha256(bytes).toString('hex') });
    for (const [start, field] of [[{ kind: 'zip' }, 'kind'], [{ kind: 'archive', image: 'localhost/a:1' }, 'image'], [{ kind: 'rootfs', image: 'docker.io/a/b:1' }, 'image']] as const) {
      await expect(work(fleet.api.duplex(containers, 'ImportImage', parts(start), {}))).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field } });
    }
    await expect(work(fleet.api.duplex(containers, 'ImportImage', parts({ kind: 'archive' }, false), {}))).rejects.toMatchObject({ code: 'FIELD_MISSING', fields: { field: 'end' } });
    expect(await add('own', spec({ image: 'localhost/own:1' }))).toMatchObject({ outcome: 'ok' });
    const prune = async (mode: string): Promise<string[]> => (await work(fleet.api.stream(containers, 'PruneImages', { host: 'web1', mode: mode as never }, {}))).flatMap(({ image }) => (image ? [image.image || 'archive'] : []));
    expect(await prune('CHANGE_MODE_PLAN')).toEqual(['docker.io/library/redis', 'archive']);
    expect((await fleet.api.unary(containers, 'ListImages', { host: 'web1' }, deadline)).images).toHaveLength(3);
    await prune('CHANGE_MODE_APPLY');
    expect((await fleet.api.unary(containers, 'ListImages', { host: 'web1' }, deadline)).images).toMatchObject([{ image: 'localhost/own', usedBy: ['own'] }]);
    await expect(prune('CHANGE_MODE_STAGE')).rejects.toMatchObject({ code: 'FIELD_MISSING' });
    await clear();
  });

  it('go on when their host lets go of them, and are gone when it is retired', async () => {
    await add('web', spec());
    expect(await came(fleet.api.stream(hosts, 'ReleaseHost', { options: optionsOf(), host: 'web1', noun: 'container' }, {}))).toMatchObject({ outcome: 'ok', changes: ['~ container web'] });
    expect([here('web')?.state, here('web')?.text, await list()]).toEqual(['running', undefined, ['web1 web foreign']]);
    web1.host.containers.containers.clear();
    await fleet.api.unary(hosts, 'RetireHost', { host: 'web9' }, deadline);
    expect((await fleet.api.unary(containers, 'ListContainers', { stored: true }, deadline)).rows).toEqual([]);
  });
});

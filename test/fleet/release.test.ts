import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinFleet } from '../../agent/identity/enrol.js';
import { createAgentServer } from '../../agent/server.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import { getHost } from '../../coordinator/inventory/host.js';
import { pino } from 'pino';
import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { UserServiceDefinition as AgentUser } from '../../shared/gen/proto/reeve/agent/v1/UserService.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostResult } from '../../shared/gen/proto/reeve/coordinator/v1/HostResult.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { newId } from '../../shared/kit/id.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost, openPolicy } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const planService = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const agentUser = serviceName<AgentUser>('reeve.agent.v1.UserService');
const agentRelease = serviceName<ReleaseServiceDefinition>('reeve.agent.v1.ReleaseService');
const agentStatus = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');
const options = { deadlineMs: 20_000 };
const stranger = { name: 'byhand', uid: 30_001, gid: 30_001, shell: '/bin/sh', comment: '', home: '/home/byhand', groups: [], locked: false, marker: '', present: true } as const;

let fleet: LoopbackFleet;
let agent: LoopbackAgent;

/** How a change came out: its word, and what each noun of each host said. */
interface Outcome { readonly outcome: string; readonly results: readonly HostResult[] }

async function collect(events: AsyncGenerator<ChangeEvent>): Promise<Outcome> {
  let outcome = '';
  const planned: HostResult[] = [];
  const results: HostResult[] = [];
  for await (const event of events) {
    planned.push(...(event.planned?.hosts ?? []));
    if (event.host) results.push(event.host);
    if (event.finished) outcome = event.finished.outcome;
  }
  return { outcome, results: results.length > 0 ? results : planned };
}

const release = (more: { noun?: string; mode?: 'CHANGE_MODE_PLAN' | 'CHANGE_MODE_STAGE'; cancel?: boolean } = {}): Promise<Outcome> =>
  collect(fleet.api.stream(hostService, 'ReleaseHost', { host: 'web1', noun: more.noun ?? '', cancel: more.cancel ?? false, options: { mode: more.mode ?? 'CHANGE_MODE_APPLY' } }, {}));
const add = (name: string): Promise<Outcome> =>
  collect(fleet.api.stream(userService, 'AddUser', { selector: 'web1', user: { name, kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } }, {}));
const lock = (name: string, mode: 'CHANGE_MODE_APPLY' | 'CHANGE_MODE_STAGE' = 'CHANGE_MODE_APPLY'): Promise<Outcome> =>
  collect(fleet.api.stream(userService, 'LockUser', { selector: 'web1', name, options: { mode } }, {}));
const markers = (): Record<string, string> => Object.fromEntries([...agent.host.users.values()].map((user) => [user.name, `${user.marker}${user.locked ? ' locked' : ''}`]));
const state = (): string | undefined => getHost(fleet.office().db, agent.hostId)?.state;
const codes = (outcome: Outcome): string[] => outcome.results.flatMap((result) => result.errors.map((error) => error.code));

/** The agent's process ends and starts anew on its state. */
async function restartAgent(): Promise<void> {
  await agent.server.close(100);
  const identity = agent.enrol.store.load() ?? agent.identity;
  const server = await createAgentServer({ host: agent.host, identity, stateDir: agent.stateDir, listen: { host: '127.0.0.1', port: agent.port }, log: pino({ level: 'silent' }) });
  agent = { ...agent, server, close: () => server.close(100) };
}

beforeEach(async () => {
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1', { host: createSimulatedHost({ users: [stranger] }) });
  for (const name of ['ada', 'bob']) expect((await add(name)).outcome).toBe('OUTCOME_OK');
  expect((await lock('bob')).outcome).toBe('OUTCOME_OK');
  expect((await collect(fleet.api.stream(userService, 'AdoptUser', { host: 'web1', name: 'byhand', options: { mode: 'CHANGE_MODE_APPLY' } }, {}))).outcome).toBe('OUTCOME_OK');
});

afterEach(async () => {
  await agent.close();
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

describe('letting go of a host', () => {
  it('plans without changing anything', async () => {
    const plan = await release({ mode: 'CHANGE_MODE_PLAN' });
    expect(plan.results.flatMap((result) => result.changes.map((change) => `${change.noun} ${change.subject} ${change.fields.map((field) => field.to).join()}`))).toEqual([
      'user ada released', 'user bob released', 'user byhand released', 'host web1 released',
    ]);
    expect(markers()).toEqual({ ada: 'home', bob: 'home locked', byhand: 'adopted' });
    expect(state()).toBe('joined');
    await expect(release({ mode: 'CHANGE_MODE_STAGE' })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  it('leaves every account as it is, retires the host, and is refused for a second time', async () => {
    const before = [...agent.host.users.values()].map((user) => ({ ...user, marker: '' }));
    expect((await release()).outcome).toBe('OUTCOME_OK');
    expect([...agent.host.users.values()]).toEqual(before);
    expect(state()).toBe('retired');
    expect(agent.server.released()).toBe(true);
    expect(listAudit(fleet.office().db, 5).map((row) => row.action)).toContain('host retire web1');
    expect((await fleet.api.unary(userService, 'ListUser', { selector: '', name: '' }, options)).users).toEqual([]);
    await expect(release()).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
    expect(agent.host.calls.filter((call) => call.startsWith('user.release')).sort()).toEqual(['user.release ada', 'user.release bob', 'user.release byhand']);
  });

  it('also lets go of accounts that the coordinator does not know of', async () => {
    agent.host.users.set('old', { ...stranger, name: 'old', uid: 30_002, marker: 'home' });
    expect((await release()).outcome).toBe('OUTCOME_OK');
    expect(markers()['old']).toBe('');
  });

  it('names the line of the policy that is missing, and stores nothing', async () => {
    agent.host.setPolicy(openPolicy.replace('allow user.release\n', ''));
    const refused = await release();
    expect(refused.outcome).toBe('OUTCOME_FAILED');
    expect(refused.results[0]?.errors[0]?.fields).toMatchObject({ op: 'user.release', line: expect.stringMatching(/^allow user\.release/) as string });
    expect(state()).toBe('joined');
    expect((await fleet.api.unary(planService, 'ListPending', { selector: '' }, options)).pending).toEqual([]);
  });

  it('of one noun leaves the host managed, and what is asked for anew is managed again', async () => {
    expect((await release({ noun: 'user' })).outcome).toBe('OUTCOME_OK');
    expect(markers()).toEqual({ ada: '', bob: ' locked', byhand: '' });
    expect([state(), agent.server.released()]).toEqual(['joined', false]);
    expect((await fleet.api.unary(userService, 'ListUser', { selector: '', name: '' }, options)).users).toEqual([]);
    expect((await release({ noun: 'user' })).results.flatMap((result) => result.changes), 'a repeat').toEqual([]);
    expect(codes(await add('ada'))).toEqual(['USER_FOREIGN']);
    expect((await add('cleo')).outcome).toBe('OUTCOME_OK');
    expect(markers()).toMatchObject({ ada: '', cleo: 'home' });
    await expect(release({ noun: 'nothing' })).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  it('waits for a host that cannot be reached, takes nothing new for it meanwhile, and finishes when it returns', async () => {
    await agent.server.close(100);
    await fleet.waitState(agent.hostId, 'lost');
    const pending = await release();
    expect([pending.outcome, state()]).toEqual(['OUTCOME_PENDING', 'joined']);
    await expect(add('cleo')).rejects.toMatchObject({ code: 'HOST_RELEASING' });
    const listed = await fleet.api.unary(planService, 'ListPending', { selector: '' }, options);
    expect(listed.pending.map((row) => row.noun).sort()).toEqual(['host', 'user']);
    expect((await release()).outcome, 'a repeat').toBe('OUTCOME_PENDING');
    await restartAgent();
    await until(() => state() === 'retired', { timeoutMs: 20_000, what: 'the host to be released' });
    expect(markers()).toEqual({ ada: '', bob: ' locked', byhand: '' });
  });

  it('can be taken back while it is pending', async () => {
    await agent.server.close(100);
    await fleet.waitState(agent.hostId, 'lost');
    expect((await release()).outcome).toBe('OUTCOME_PENDING');
    expect((await release({ cancel: true })).outcome).toBe('OUTCOME_PENDING');
    await restartAgent();
    await fleet.waitState(agent.hostId, 'connected');
    expect((await lock('ada')).outcome).toBe('OUTCOME_OK');
    expect(markers()).toEqual({ ada: 'home locked', bob: 'home locked', byhand: 'adopted' });
    expect(state()).toBe('joined');
  });

  it('is refused while something that was asked for is not applied', async () => {
    await lock('ada', 'CHANGE_MODE_STAGE');
    await expect(release()).rejects.toMatchObject({ code: 'RELEASE_UNAPPLIED' });
    await collect(fleet.api.stream(planService, 'Reconcile', { selector: 'web1', noun: '', options: { mode: 'CHANGE_MODE_APPLY' } }, {}));
    expect((await release()).outcome).toBe('OUTCOME_OK');
    expect(markers()['ada'], 'the lock came first').toBe(' locked');
  });

  it('is refused for the parent of other hosts, and for a host that has not joined', async () => {
    await fleet.addAgent('guest');
    await fleet.api.unary(hostService, 'SetHost', { host: 'guest', parent: 'web1' }, options);
    await expect(release()).rejects.toMatchObject({ code: 'HOST_HAS_CHILDREN' });
    await fleet.api.unary(hostService, 'SetHost', { host: 'guest', parent: '' }, options);
    await fleet.invite('web9');
    await expect(collect(fleet.api.stream(hostService, 'ReleaseHost', { host: 'web9', options: { mode: 'CHANGE_MODE_APPLY' } }, {}))).rejects.toMatchObject({ code: 'HOST_NOT_JOINED' });
  });
});

describe('a released host', () => {
  it('refuses everything but its status, also after a restart, until it joins again', async () => {
    const { db, fleet: connections } = fleet.office();
    const host = getHost(db, agent.hostId);
    if (host === undefined) throw new Error('there is no host');
    // As when the coordinator dies before it hears the answer: it still takes the host for its own.
    const letGo = () => connections.call(host, agentRelease, 'ApplyRelease', { intent: { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation: 1, epoch: 1 } }, options);
    await expect(letGo()).rejects.toMatchObject({ code: 'RELEASE_MANAGED', fields: { noun: 'user', rule: 'user "ada", "bob", "byhand"' } });
    expect((await release({ noun: 'user' })).outcome).toBe('OUTCOME_OK');
    expect((await letGo()).changes).toHaveLength(1);
    expect((await letGo()).changes, 'a repeat').toEqual([]);
    expect(codes(await add('cleo'))).toEqual(['HOST_RELEASED']);
    await restartAgent();
    await until(() => fleet.office().fleet.live(agent.hostId).state === 'connected' && connections.live(agent.hostId).status !== undefined, { timeoutMs: 20_000, what: 'the agent to be back' });
    await until(async () => connections.call(host, agentStatus, 'GetStatus', {}, options).then(() => true, () => false), { timeoutMs: 20_000, what: 'its status' });
    await expect(connections.call(host, agentUser, 'ObserveUser', { all: true }, options)).rejects.toMatchObject({ code: 'HOST_RELEASED' });
    expect((await release()).outcome, 'the coordinator hears of it').toBe('OUTCOME_OK');
    expect(state()).toBe('retired');

    // Another life: a new id, whose generations count from 1.
    const { token } = await fleet.invite('web1', { address: `127.0.0.1:${String(agent.port)}` });
    const identity = await joinFleet(agent.enrol, parseJoinToken(token));
    await restartAgent();
    agent = { ...agent, hostId: identity.hostId };
    await fleet.waitState(identity.hostId, 'connected');
    expect(agent.server.released()).toBe(false);
    expect((await add('cleo')).outcome).toBe('OUTCOME_OK');
  });
});

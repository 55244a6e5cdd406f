import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { openApi, scratchFolder } from '../support/loopback-fleet.js';
import { freePort } from '../support/port.js';
import { startProcess, type AnsweringProcess } from '../support/process-message.js';
import type { AgentToRun, HostRecord } from '../support/simulated-agents.js';
import { until } from '../support/until.js';

const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operationService = serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
const planService = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const auditService = serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
const options = { deadlineMs: 20_000 };

const many = 200;
const lone = 'host199';
/** What each verb of a host's helper takes, so that a command on all hosts has a middle. */
const helperMs = 50;

let folder: string;
let socket: string;
let coordinator: AnsweringProcess;
let crowd: AnsweringProcess;
let single: AnsweringProcess;
let api: Channel;
let agents: AgentToRun[];
const figures: string[] = [];

const startCoordinator = async (): Promise<void> => {
  coordinator = startProcess('coordinator-process.ts', [join(folder, 'reeved'), socket]);
  await coordinator.ask({});
};
const startAgents = (): AnsweringProcess => startProcess('simulated-agents.ts', [join(folder, 'agents'), String(helperMs)]);
const connected = async (): Promise<number> => (await api.unary(fleetService, 'GetStatus', {}, options)).hosts?.connected ?? 0;
const waitConnected = (count: number): Promise<unknown> => until(async () => (await connected()) === count, { timeoutMs: 60_000, everyMs: 200, what: `${String(count)} hosts to be connected` });
const records = async (): Promise<HostRecord[]> => [...(await crowd.ask<HostRecord[]>({ kind: 'record' })), ...(await single.ask<HostRecord[]>({ kind: 'record' }))];
const pending = async (): Promise<{ hostName: string }[]> => (await api.unary(planService, 'ListPending', { selector: 'all' }, options)).pending;
const home = (name: string) => ({ name, kind: 'USER_KIND_HOME', shell: '/bin/bash' }) as const;

/** Runs a change of a user; answers the outcomes of the hosts and how long it took. */
async function change(verb: 'AddUser' | 'LockUser', request: object, operationId = newId(Date.now()), onHost?: (count: number) => void): Promise<{ outcomes: string[]; outcome: string; ms: number }> {
  const startedAt = performance.now();
  const results: ChangeEvent['host'][] = [];
  let outcome = '';
  for await (const event of api.stream(userService, verb, { selector: 'all', options: { mode: 'CHANGE_MODE_APPLY', operationId }, ...request }, {})) {
    if (event.host) {
      results.push(event.host);
      onHost?.(results.length);
    }
    if (event.finished) outcome = event.finished.outcome;
  }
  return { outcomes: results.map((host) => host?.outcome ?? ''), outcome, ms: performance.now() - startedAt };
}

/** Median time of one change on one host that is there, ms. */
async function latency(prefix: string): Promise<number> {
  const times: number[] = [];
  for (let index = 0; index < 5; index += 1) {
    const { outcome, ms } = await change('AddUser', { selector: 'host007', user: home(`${prefix}${String(index)}`) });
    expect(outcome).toBe('OUTCOME_OK');
    times.push(ms);
  }
  return times.sort((one, other) => one - other)[2] ?? Infinity;
}

const tally = (words: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
};

beforeAll(async () => {
  folder = scratchFolder('many');
  socket = join(folder, 'api.sock');
  await startCoordinator();
  api = openApi(socket);
  const [agentsPort, enrolmentPort, port] = [await freePort(), await freePort(), await freePort()];
  await api.unary(fleetService, 'InitFleet', { address: '127.0.0.1', agentsPort, enrolmentPort }, options);
  agents = [];
  for (let index = 0; index < many; index += 1) {
    const name = `host${String(index).padStart(3, '0')}`;
    const address = `127.1.0.${String(index + 1)}`;
    const { token } = await api.unary(hostService, 'InviteHost', { name, address: `${address}:${String(port)}` }, options);
    agents.push({ name, address, port, token });
  }
  [crowd, single] = [startAgents(), startAgents()];
});

afterAll(async () => {
  api.close();
  await Promise.all([coordinator.kill(), crowd.kill(), single.kill()]);
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`test/fleet/many: ${figures.join('; ')}\n`);
});

describe(`a fleet of ${String(many)} hosts`, () => {
  let before: number;

  it('joins, and is all connected', async () => {
    const startedAt = performance.now();
    await Promise.all([crowd.ask({ kind: 'run', agents: agents.slice(0, -1) }), single.ask({ kind: 'run', agents: agents.slice(-1) })]);
    await waitConnected(many);
    figures.push(`joined and connected in ${String(Math.round(performance.now() - startedAt))} ms`);
  });

  it('gets a user on every host with one command, made once on each', async () => {
    const { outcomes, ms } = await change('AddUser', { user: home('ada') });
    expect(tally(outcomes)).toEqual({ OUTCOME_OK: many });
    expect((await records()).map((record) => record.changes)).toEqual(Array.from({ length: many }, () => ['user.add ada']));
    figures.push(`user on all in ${String(Math.round(ms))} ms`);
    before = await latency('before');
  });

  it('shows a host that goes silent as lost within 30 s, and the others are as quick as before', async () => {
    single.child.kill('SIGSTOP');
    const startedAt = performance.now();
    const during = await latency('during');
    const state = async (): Promise<string> => (await api.unary(hostService, 'GetHost', { name: lone }, options)).host?.state ?? '';
    await until(async () => (await state()) === 'HOST_STATE_LOST', { timeoutMs: 30_000, everyMs: 100, what: 'the silent host to be lost' });
    figures.push(`silent host lost after ${String(Math.round(performance.now() - startedAt))} ms`);
    expect(await connected()).toBe(many - 1);
    const after = await latency('after');
    figures.push(`one change ${[before, during, after].map((ms) => String(Math.round(ms))).join(', ')} ms before, while it was silent, after it was lost`);
    // The machine has other work too: the bound only tells a wait for the silent host (seconds) from none.
    expect(Math.max(during, after)).toBeLessThan(before * 3 + 1_000);
    await single.kill();
  });

  it('goes on without it, and when it returns brings it to the newest state with one operation', async () => {
    for (const [verb, request] of [['AddUser', { user: home('bob') }], ['LockUser', { name: 'bob' }], ['AddUser', { user: home('carol') }]] as const) {
      const { outcomes, outcome, ms } = await change(verb, request);
      expect(tally(outcomes)).toEqual({ OUTCOME_OK: many - 1, OUTCOME_PENDING: 1 });
      expect(outcome).toBe('OUTCOME_PENDING');
      expect(ms, 'a lost host costs no time').toBeLessThan(20_000);
    }
    expect((await pending()).map((row) => row.hostName)).toEqual([lone]);
    single = startAgents();
    await single.ask({ kind: 'run', agents: agents.slice(-1) });
    await until(async () => (await pending()).length === 0, { timeoutMs: 45_000, everyMs: 100, what: 'nothing to be pending' });
    const [returned] = await single.ask<HostRecord[]>({ kind: 'record' });
    expect(returned?.users).toEqual(['ada', 'bob locked', 'carol']);
    const { operations } = await api.unary(operationService, 'ListOperation', { limit: 1000 }, options);
    expect(operations.filter((operation) => operation.operator === 'reeved').map(({ summary, outcome }) => ({ summary, outcome }))).toEqual([{ summary: `converge user of ${lone}`, outcome: 'OUTCOME_OK' }]);
  });

  it('loses and doubles nothing when the coordinator is killed in the middle of a command', async () => {
    const operationId = newId(Date.now());
    let answered = 0;
    const command = change('AddUser', { user: home('dave') }, operationId, (count) => {
      answered = count;
      if (count === 20) coordinator.child.kill('SIGKILL');
    });
    await expect(command).rejects.toMatchObject({ code: 'COORDINATOR_UNREACHABLE' });
    expect(answered).toBeGreaterThanOrEqual(20);
    expect(answered).toBeLessThan(many);
    const startedAt = performance.now();
    await coordinator.kill();
    await startCoordinator();
    await waitConnected(many);
    await until(async () => (await pending()).length === 0, { timeoutMs: 45_000, everyMs: 200, what: 'nothing to be pending' });
    figures.push(`killed after ${String(answered)} answers, whole again after ${String(Math.round(performance.now() - startedAt))} ms`);
    const made = (await records()).map((record) => ({ name: record.name, times: record.changes.filter((call) => call === 'user.add dave').length, there: record.users.includes('dave') }));
    expect(made.filter((row) => row.times !== 1 || !row.there)).toEqual([]);
    expect(made).toHaveLength(many);
    const known = await until(
      async () => {
        const found = await api.unary(operationService, 'GetOperation', { id: operationId }, options);
        return found.hosts.every((host) => host.outcome === 'OUTCOME_OK' || host.outcome === 'OUTCOME_PENDING') && found;
      },
      { timeoutMs: 30_000, everyMs: 200, what: 'the operation to be settled' },
    );
    expect(known.hosts).toHaveLength(many);
    expect(known.operation?.endedAt).not.toBeNull();
    const { users } = await api.unary(userService, 'ListUser', { selector: 'all', name: 'dave' }, options);
    expect(users.filter((row) => !row.pending)).toHaveLength(many);
    expect(await api.unary(auditService, 'VerifyAudit', {}, options)).toMatchObject({ intact: true });
  });
});

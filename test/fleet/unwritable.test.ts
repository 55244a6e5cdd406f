import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Helper } from '../../agent/host/host.js';
import { getOperation, operationHosts } from '../../coordinator/inventory/operation.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost, type SimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');

/** A simulated host that calls `after` when its helper has made an account. */
function hostThatTells(after: () => void): SimulatedHost {
  const host = createSimulatedHost();
  const helper: Helper = {
    async call(verb, operationId, request) {
      const reply = await host.helper.call(verb, operationId, request);
      if (verb === 'user.add') after();
      return reply;
    },
  };
  return { ...host, helper };
}

let fleet: LoopbackFleet;
let agent: LoopbackAgent;

/** The database refuses every write, as on a disk that is full or was mounted anew for reading only. */
const writable = (yes: boolean): void => void fleet.office().db.pragma(`query_only = ${yes ? 'OFF' : 'ON'}`);

beforeEach(async () => {
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1', { host: hostThatTells(() => writable(false)) });
});

afterEach(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

async function addUser(name: string): Promise<readonly ChangeEvent[]> {
  const events: ChangeEvent[] = [];
  const request = { options: { mode: 'CHANGE_MODE_APPLY' as const }, selector: 'web1', user: { name, kind: 'USER_KIND_HOME' as const, shell: '/bin/bash' } };
  for await (const event of fleet.api.stream(userService, 'AddUser', request, {})) events.push(event);
  return events;
}

it('a host that has answered when the database takes no writes any more: the caller is told, and it is recorded when it takes them again', async () => {
  const events = await addUser('ada');
  expect(agent.host.users.has('ada')).toBe(true);
  expect(events.find((event) => event.event === 'host')?.host).toMatchObject({ outcome: 'OUTCOME_OK', errors: [] });
  const finished = events.at(-1)?.finished;
  expect(finished).toMatchObject({ outcome: 'OUTCOME_OK', stored: true });
  const { db } = fleet.office();
  const id = finished?.operationId ?? '';
  expect(getOperation(db, id)?.outcome, 'somebody still works on it').toBe('running');
  writable(true);
  await until(() => getOperation(db, id)?.outcome === 'ok', { timeoutMs: 20_000, what: 'the operation to be recorded' });
  expect(operationHosts(db, id).map(({ outcome, changes }) => [outcome, changes.length])).toEqual([['ok', 1]]);
});

it('what hosts say while the database takes no writes is lost, and ends nothing', async () => {
  writable(false);
  agent.host.touch('accounts');
  fleet.office().fleet.flush();
  await expect(addUser('bob')).rejects.toMatchObject({ code: 'AUDIT_UNWRITABLE' });
  expect(fleet.office().fleet.live(agent.hostId).state).toBe('connected');
  writable(true);
  fleet.office().fleet.flush();
});

it('a coordinator that ends before it could record an answer asks the host after the next start', async () => {
  const finished = (await addUser('ada')).at(-1)?.finished;
  await fleet.restart();
  await until(() => getOperation(fleet.office().db, finished?.operationId ?? '')?.outcome === 'ok', { timeoutMs: 20_000, what: 'the host to be asked' });
});

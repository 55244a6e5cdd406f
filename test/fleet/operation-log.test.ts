import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reeveError } from '../../shared/errors/error.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';

const users = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const logged: Record<string, unknown>[] = [];
let fleet: LoopbackFleet;
let web1: LoopbackAgent;

beforeAll(async () => {
  const log = pino({ level: 'info' }, new Writable({ write: (chunk: Buffer, _encoding, done) => { logged.push(JSON.parse(chunk.toString()) as Record<string, unknown>); done(); } }));
  fleet = await startLoopbackFleet({ log });
  web1 = await fleet.addAgent('web1', { host: createSimulatedHost() });
});

afterAll(async () => {
  await fleet.close();
  expect(fleet.bugs).toEqual([]);
});

/** Adds an account; gives the id of the operation, and what was logged under it. */
async function add(name: string): Promise<string[]> {
  logged.length = 0;
  let operationId = '';
  for await (const event of fleet.api.stream(users, 'AddUser', { selector: 'web1', user: { name, kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } }, {})) if (event.finished) ({ operationId } = event.finished);
  expect(operationId).not.toBe('');
  return logged.filter((line) => line['operationId'] === operationId).map((line) => String(line['msg']));
}

it('names a change by the id of its operation in the logs of coordinator and agent, from its beginning to its end', async () => {
  expect(await add('ada')).toEqual(['an operation was stored', 'an operation begins', 'an operation is done', 'an operation ended']);
});

it('names one that fails as well', async () => {
  web1.host.fail('user.add', reeveError('TOOL_FAILED', { value: 'useradd', rule: 'it says no' }));
  expect(await add('grace')).toEqual(['an operation was stored', 'an operation begins', 'an operation failed', 'an operation ended']);
});

import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startCoordinator, type Coordinator } from '../../coordinator/coordinator.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import { systemClock } from '../../shared/kit/clock.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { openApi, peercred, scratchFolder } from '../support/loopback-fleet.js';
import { freePort } from '../support/port.js';

const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const answer = { deadlineMs: 20_000 };
const host = '127.0.0.1';

let stateDir: string;
let coordinator: Coordinator;
let api: Channel;
let metricsPort: number;
const bugs: unknown[] = [];

beforeEach(async () => {
  stateDir = scratchFolder('init');
  const socketPath = join(stateDir, 'api.sock');
  metricsPort = await freePort();
  coordinator = await startCoordinator({ metrics: { at: { kind: 'port', address: host, port: metricsPort }, tls: undefined }, stateDir, socketPath, peercred, bind: host, operatorsBind: host, clock: systemClock, log: pino({ level: 'silent' }), onBug: (error) => bugs.push(error) });
  api = openApi(socketPath);
});

afterEach(async () => {
  api.close();
  await coordinator.close(100);
  rmSync(stateDir, { recursive: true, force: true });
  expect(bugs).toEqual([]);
});

const ports = async () => ({ agentsPort: await freePort(), enrolmentPort: await freePort(), operatorsPort: await freePort() });
const init = (request: object) => api.unary(fleetService, 'InitFleet', { address: host, ...request }, answer);

test('a fleet whose port is taken is refused and leaves nothing; with a free port it is made', async () => {
  const wanted = await ports();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(wanted.enrolmentPort, host, resolve));
  await expect(init(wanted)).rejects.toMatchObject({ code: 'FIELD_INVALID', message: expect.stringMatching(/enrolment port.*EADDRINUSE/s) as string });
  expect(existsSync(join(stateDir, 'reeve.db'))).toBe(false);
  expect(existsSync(join(stateDir, 'pki'))).toBe(false);
  await new Promise((resolve) => other.close(resolve));
  expect((await init(wanted)).fleetId).not.toBe('');
});

test('one port for two listeners is refused', async () => {
  const wanted = await ports();
  await expect(init({ ...wanted, operatorsPort: wanted.agentsPort })).rejects.toMatchObject({ code: 'FIELD_INVALID', message: expect.stringMatching(/operators port.*another one than the agents port/s) as string });
  expect(existsSync(join(stateDir, 'reeve.db'))).toBe(false);
});

test('so is a fleet whose metrics could not be read, because their port is taken', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(metricsPort, host, resolve));
  await expect(init(await ports())).rejects.toMatchObject({ code: 'FIELD_INVALID', message: expect.stringMatching(/metrics-bind.*EADDRINUSE/s) as string });
  expect(existsSync(join(stateDir, 'reeve.db'))).toBe(false);
  await new Promise((resolve) => other.close(resolve));
  expect((await init(await ports())).fleetId).not.toBe('');
});

test('of two at once, one makes the fleet and the other is refused', async () => {
  const both = await Promise.allSettled([init(await ports()), init(await ports())]);
  const refused = both.find((one) => one.status === 'rejected');
  expect(both.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  expect(refused?.reason).toMatchObject({ code: 'ALREADY_INITIALISED' });
});

import { createServer, type ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAgentServer } from '../../agent/server.js';
import type { AlertServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AlertService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { joinAgent, openApi, scratchFolder } from '../support/loopback-fleet.js';
import { freePort } from '../support/port.js';
import { startProcess, type AnsweringProcess } from '../support/process-message.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const alertService = serviceName<AlertServiceDefinition>('reeve.coordinator.v1.AlertService');
const answer = { deadlineMs: 20_000 };

const folder = scratchFolder('alertkill');
const socket = join(folder, 'api.sock');
/** What the webhook was sent, and what waits for its answer. */
const came: { readonly id: string; readonly alerts: readonly { readonly kind: string }[] }[] = [];
const waiting: ServerResponse[] = [];
const hook = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    came.push(JSON.parse(Buffer.concat(parts).toString()) as (typeof came)[number]);
    waiting.push(response);
  });
});
let coordinator: AnsweringProcess;
let api: Channel;

async function start(): Promise<void> {
  coordinator = startProcess('coordinator-process.ts', [join(folder, 'reeved'), socket]);
  await coordinator.ask({});
  api = openApi(socket);
}
const connected = (): Promise<unknown> => until(async () => (await api.unary(fleetService, 'GetStatus', {}, answer)).hosts?.connected === 1, { timeoutMs: 60_000, everyMs: 200, what: 'the host to be connected' });

beforeAll(start);
afterAll(async () => {
  api.close();
  await coordinator.kill();
  hook.close();
  hook.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

test('an alert whose sending a kill -9 cut off is sent again, as the same message, and is owed no more once it was taken', async () => {
  const hookPort = await freePort();
  await new Promise<void>((resolve) => hook.listen(hookPort, '127.0.0.1', resolve));
  await api.unary(fleetService, 'InitFleet', { address: '127.0.0.1', agentsPort: await freePort(), enrolmentPort: await freePort() }, answer);
  await api.unary(alertService, 'AddAlertRoute', { webhook: `http://127.0.0.1:${String(hookPort)}/`, kinds: ['reboot'] }, answer);
  const port = await freePort();
  const { token } = await api.unary(hostService, 'InviteHost', { name: 'web1', address: `127.0.0.1:${String(port)}`, policy: 'full' }, answer);
  let bootId = 'boot-1';
  const simulated = createSimulatedHost({ hostname: 'web1' });
  const host = { ...simulated, readFacts: async () => ({ ...(await simulated.readFacts()), bootId }) };
  const bugs: unknown[] = [];
  const agent = await joinAgent('web1', token, { host, port, bugs });
  await connected();
  // The coordinator looks every half minute: what it has seen once is what it compares with.
  const seen = new Database(join(folder, 'reeved', 'reeve.db'), { readonly: true });
  await until(() => seen.prepare("SELECT 1 FROM alert_boot WHERE boot_id = 'boot-1'").get() !== undefined, { timeoutMs: 90_000, everyMs: 200, what: 'the first boot to be noted' });
  seen.close();
  await agent.server.close(0);
  bootId = 'boot-2';
  const stateDir = scratchFolder('alertagain');
  const again = await createAgentServer({ host, identity: agent.identity, stateDir, listen: { host: '127.0.0.1', port }, log: pino({ level: 'silent' }) });
  try {
    await until(() => came.length === 1, { timeoutMs: 120_000, everyMs: 50, what: 'the alert to be sent' });
    await coordinator.kill();
    api.close();
    await start();
    await until(() => came.length === 2, { timeoutMs: 150_000, everyMs: 50, what: 'the alert to be sent again' });
    expect(came[1]).toEqual(came[0]);
    expect(came[0]?.alerts.map(({ kind }) => kind)).toEqual(['reboot']);
    const db = new Database(join(folder, 'reeved', 'reeve.db'), { readonly: true });
    const owed = (): number => db.prepare('SELECT 1 FROM alert_message WHERE sent_at_ms IS NULL').all().length;
    expect(owed()).toBe(1);
    waiting[1]?.end('noted');
    await until(() => owed() === 0, { timeoutMs: 20_000, everyMs: 100, what: 'it to be noted' });
    db.close();
    expect(came).toHaveLength(2);
  } finally {
    await again.close(0);
    await agent.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
  expect(bugs).toEqual([]);
});

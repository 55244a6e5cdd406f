import { randomUUID } from 'node:crypto';
import { cpSync, rmSync } from 'node:fs';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinFleet, type EnrolOptions } from '../../agent/identity/enrol.js';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { renew } from '../../agent/identity/renew.js';
import { openIdentityStore } from '../../agent/identity/store.js';
import { createAgentServer, type AgentServer } from '../../agent/server.js';
import { listAudit } from '../../coordinator/inventory/audit.js';
import { getHost } from '../../coordinator/inventory/host.js';
import { currentKey } from '../../coordinator/inventory/key.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { serviceName } from '../../shared/rpc/client.js';
import { scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { freePort } from '../support/port.js';
import { createSimulatedHost, type SimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const planService = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const options = { deadlineMs: 20_000 };
const quiet = pino({ level: 'silent' });

/** An agent's process on a state folder. */
interface Running {
  readonly server: AgentServer;
  readonly enrol: EnrolOptions;
  readonly identity: AgentIdentity;
  readonly host: SimulatedHost;
}

let fleet: LoopbackFleet;
let agent: LoopbackAgent;
let folders: string[];
let servers: AgentServer[];

beforeEach(async () => {
  fleet = await startLoopbackFleet();
  agent = await fleet.addAgent('web1');
  folders = [];
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close(100)));
  await fleet.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  expect(fleet.bugs).toEqual([]);
});

/** A copy of a state folder, as a clone of the machine or a backup of it has one. */
function copyState(of = agent): string {
  const folder = scratchFolder('copy');
  cpSync(of.stateDir, folder, { recursive: true, verbatimSymlinks: true });
  folders.push(folder);
  return folder;
}

/** Another process of the agent on a state folder. */
async function start(folder: string, port: number, instanceId = randomUUID()): Promise<Running> {
  const host = createSimulatedHost({ hostname: 'copy' });
  const enrol: EnrolOptions = { store: openIdentityStore(folder), machineHint: Buffer.alloc(32, 0xcd), now: Date.now, instanceId };
  const identity = enrol.store.load();
  if (identity === undefined) throw new Error('the copy has no identity');
  const server = await createAgentServer({ host, identity, stateDir: folder, instanceId, listen: { host: '127.0.0.1', port }, log: quiet });
  servers.push(server);
  return { server, enrol, identity, host };
}

/** Renews, and takes the new certificate into use; resolves when the coordinator has used it. */
async function renewInUse(of: { enrol: EnrolOptions; identity: AgentIdentity; server: AgentServer }): Promise<AgentIdentity> {
  const before = currentKey(fleet.office().db, agent.hostId)?.fingerprint;
  const next = await renew(of.enrol, of.identity);
  of.server.updateIdentity(next);
  await until(() => currentKey(fleet.office().db, agent.hostId)?.fingerprint !== before && fleet.office().fleet.live(agent.hostId).state === 'connected', { timeoutMs: 20_000, what: 'the new certificate to be used' });
  return next;
}

const row = () => getHost(fleet.office().db, agent.hostId);
const lock = async (): Promise<ChangeEvent[]> => {
  const events: ChangeEvent[] = [];
  const request = { selector: 'web1', user: { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } } as const;
  for await (const event of fleet.api.stream(userService, 'AddUser', request, {})) events.push(event);
  return events;
};

describe('two live agents of one identity', () => {
  it('are both quarantined and named when the copy renews; nothing is sent to either, and what is asked stays pending', async () => {
    const copy = await start(copyState(), await freePort());
    await expect(renew(copy.enrol, copy.identity)).rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    expect(row()?.state).toBe('quarantined');
    await expect(renew(agent.enrol, agent.identity), 'the original').rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    await until(() => fleet.office().fleet.live(agent.hostId).state === 'lost', { timeoutMs: 10_000, what: 'the connection to be closed' });

    const status = await fleet.api.unary(fleetService, 'GetStatus', {}, options);
    expect(status.hosts).toMatchObject({ total: 1, connected: 0, lost: 0, quarantined: 1 });
    const [health] = status.health;
    expect(health).toMatchObject({ code: 'HOST_QUARANTINED', severity: 'error', hostName: 'web1' });
    expect(health?.text).toContain(`127.0.0.1:${String(agent.port)} (machine ${'ab'.repeat(6)})`);
    expect(health?.text).toContain(`one renews from 127.0.0.1 (machine ${'cd'.repeat(6)})`);
    expect(health?.text).toMatch(/reeve-agent reset.*reeve host invite web1 --rejoin/);
    const shown = await fleet.api.unary(hostService, 'GetHost', { name: 'web1' }, options);
    expect(shown.host).toMatchObject({ state: 'HOST_STATE_QUARANTINED', quarantine: expect.stringMatching(/two live agents.*since 20/) as string });
    expect(listAudit(fleet.office().db, 5).map((entry) => [entry.action, entry.code])).toContainEqual(['host quarantine web1', 'HOST_QUARANTINED']);

    const events = await lock();
    expect(events.at(-1)?.finished).toMatchObject({ outcome: 'OUTCOME_PENDING', stored: true });
    expect((await fleet.api.unary(planService, 'ListPending', { selector: '' }, options)).pending[0]?.reason).toMatch(/web1" is quarantined: two live agents/);
    expect([...agent.host.calls, ...copy.host.calls].filter((call) => call.startsWith('user.'))).toEqual([]);
  });

  it('stay quarantined over a restart of the coordinator', async () => {
    const copy = await start(copyState(), await freePort());
    await expect(renew(copy.enrol, copy.identity)).rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    await fleet.restart();
    expect(row()?.state).toBe('quarantined');
    await expect(renew(agent.enrol, agent.identity)).rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    expect(fleet.office().fleet.live(agent.hostId).state).toBe('lost');
  });

  it('are found at once when the copy of one that only dials out dials in', async () => {
    const till = await fleet.addAgent('till1', { link: 'dial-out' });
    await fleet.waitState(till.hostId, 'connected');
    const folder = copyState(till);
    const identity = openIdentityStore(folder).load();
    if (identity === undefined) throw new Error('the copy has no identity');
    servers.push(await createAgentServer({ host: createSimulatedHost({ hostname: 'copy' }), identity, stateDir: folder, machineHint: Buffer.alloc(32, 0xcd), listen: undefined, log: quiet }));
    await until(() => getHost(fleet.office().db, till.hostId)?.state === 'quarantined', { timeoutMs: 20_000, what: 'both to be quarantined' });
    expect(getHost(fleet.office().db, till.hostId)?.quarantine?.text).toContain(`one dials in from 127.0.0.1 (machine ${'cd'.repeat(6)})`);
    await until(() => fleet.office().fleet.live(till.hostId).state === 'lost', { timeoutMs: 10_000, what: 'the way to the first to be closed' });
  });

  it('is not what an agent is that was started again and dials in anew', async () => {
    const till = await fleet.addAgent('till1', { link: 'dial-out' });
    await fleet.waitState(till.hostId, 'connected');
    const before = fleet.office().fleet.live(till.hostId).status?.instanceId;
    const folder = copyState(till);
    await till.server.close(0);
    const identity = openIdentityStore(folder).load();
    if (identity === undefined) throw new Error('the copy has no identity');
    servers.push(await createAgentServer({ host: createSimulatedHost({ hostname: 'till1' }), identity, stateDir: folder, listen: undefined, log: quiet }));
    await until(() => fleet.office().fleet.live(till.hostId).state === 'connected' && fleet.office().fleet.live(till.hostId).status?.instanceId !== before, { timeoutMs: 30_000, what: 'the new process to be connected' });
    expect(getHost(fleet.office().db, till.hostId)?.state).toBe('joined');
  });

  it('are also found when the original has renewed since it was copied: a fork of the history of keys', async () => {
    const folder = copyState();
    await renewInUse(agent);
    const copy = await start(folder, await freePort());
    await expect(renew(copy.enrol, copy.identity)).rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    expect(row()?.quarantine?.text).toMatch(/one renews with an older key from 127\.0\.0\.1/);
  });

  it('are healed by a new invitation for one of them; the other is refused for good and told what to do', async () => {
    const folder = copyState();
    const copy = await start(folder, await freePort());
    await expect(renew(copy.enrol, copy.identity)).rejects.toMatchObject({ code: 'HOST_QUARANTINED' });
    await lock();
    const { token } = await fleet.invite('web1', { rejoin: true });
    const identity = await joinFleet(agent.enrol, parseJoinToken(token));
    agent.server.updateIdentity(identity);
    await fleet.waitState(agent.hostId, 'connected');
    expect(row()).toMatchObject({ state: 'joined', quarantine: undefined });
    await until(() => agent.host.users.has('ada'), { timeoutMs: 10_000, what: 'what was pending to be applied' });
    await expect(renew(copy.enrol, copy.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: expect.stringMatching(/revoked.*reeve-agent reset/) as string } });

    // What reeve-agent reset does: then it joins as a host of its own.
    copy.enrol.store.forgetAll();
    expect(copy.enrol.store.load()).toBeUndefined();
    const own = await fleet.invite('web2', { address: `127.0.0.1:${String(copy.server.address.port)}` });
    const other = await joinFleet(copy.enrol, parseJoinToken(own.token));
    expect(other.hostId).not.toBe(agent.hostId);
    await copy.server.close(100);
    await start(folder, copy.server.address.port);
    await fleet.waitState(other.hostId, 'connected');
    expect(row()?.state).toBe('joined');
  });
});

describe('what is no second agent', () => {
  const stays = async (): Promise<void> => {
    expect(row()?.state).toBe('joined');
    // The coordinator dials anew two seconds after each renewal.
    await until(async () => (await fleet.api.unary(fleetService, 'GetStatus', {}, options)).health.length === 0, { timeoutMs: 20_000, everyMs: 100, what: 'all to be well' });
  };

  it('a restart of the agent, also when the coordinator has not noticed it yet', async () => {
    await agent.server.close(0);
    // Nobody listens there now; the coordinator may still believe in the connection.
    await renew({ ...agent.enrol, instanceId: randomUUID() }, agent.identity);
    expect(row()?.state).toBe('joined');
    const again = await start(agent.stateDir, agent.port);
    await fleet.waitState(agent.hostId, 'connected');
    await renewInUse(again);
    expect(row()?.state).toBe('joined');
  });

  it('a moved address', async () => {
    await agent.server.close(100);
    const port = await freePort();
    const moved = await start(agent.stateDir, port);
    await fleet.api.unary(hostService, 'SetHost', { host: 'web1', address: `127.0.0.1:${String(port)}` }, options);
    await fleet.waitState(agent.hostId, 'connected');
    await renewInUse(moved);
    expect(row()?.state).toBe('joined');
  });

  it('a lost answer of Renew, asked again with the old key', async () => {
    await renew(agent.enrol, agent.identity);
    await renewInUse(agent);
    await stays();
  });

  it('an agent of the release before, which tells no name', async () => {
    const copy = await start(copyState(), await freePort());
    const { instanceId, ...older } = copy.enrol;
    expect(instanceId).not.toBe('');
    await renew(older, copy.identity);
    expect(row()?.state).toBe('joined');
  });

  it('a machine that was restored from a snapshot: its older key is refused, and the host is lost until an operator lets it join again', async () => {
    const snapshot = copyState();
    await renewInUse(agent);
    await agent.server.close(100);
    await fleet.waitState(agent.hostId, 'lost');
    const restored = await start(snapshot, agent.port);
    await expect(renew(restored.enrol, restored.identity)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: expect.stringMatching(/replaced by a newer one/) as string } });
    expect(row()?.state).toBe('joined');
    const health = await until(async () => {
      const [item] = (await fleet.api.unary(fleetService, 'GetStatus', {}, options)).health;
      return item?.text.includes('--rejoin') === true ? item : undefined;
    }, { timeoutMs: 40_000, what: 'the reason to be named' });
    expect(health).toMatchObject({ code: 'HOST_LOST', text: expect.stringMatching(/restored from an older state.*reeve host invite web1 --rejoin/) as string });
    const { token } = await fleet.invite('web1', { rejoin: true });
    const identity = await joinFleet(restored.enrol, parseJoinToken(token));
    restored.server.updateIdentity(identity);
    await fleet.waitState(agent.hostId, 'connected');
  });
});

describe('a host that was given another name', () => {
  it('is called so in errors at once, and calls itself so after its next renewal', async () => {
    await fleet.api.unary(hostService, 'SetHost', { host: 'web1', name: 'www' }, options);
    agent.host.setPolicy('version 1\nallow observe.user\n');
    const events: ChangeEvent[] = [];
    const request = { selector: 'www', user: { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' }, options: { mode: 'CHANGE_MODE_APPLY' } } as const;
    for await (const event of fleet.api.stream(userService, 'AddUser', request, {})) events.push(event);
    expect(events[0]?.planned?.hosts[0]?.errors[0]?.fields['host']).toBe('www');
    expect((await renew(agent.enrol, agent.identity)).hostName).toBe('www');
    expect(agent.enrol.store.load()?.hostName).toBe('www');
  });
});

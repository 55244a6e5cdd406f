import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelayServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/RelayService.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { renew } from '../../agent/identity/renew.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { reeveError, type ReeveError } from '../../shared/errors/error.js';
import { startLoopbackFleet, type LoopbackAgent, type LoopbackFleet } from '../support/loopback-fleet.js';
import { startWiretap, type Wiretap } from '../support/loopback-link.js';
import { until } from '../support/until.js';

const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const relayService = serviceName<RelayServiceDefinition>('reeve.agent.v1.RelayService');
const options = { deadlineMs: 20_000 };
const canary = 'Canary-5f0c9d5e';

let fleet: LoopbackFleet;
let parent: LoopbackAgent;
let guest: LoopbackAgent;
let nested: LoopbackAgent;
let outer: LoopbackAgent;
let tap: Wiretap;

beforeAll(async () => {
  fleet = await startLoopbackFleet();
  parent = await fleet.addAgent('vm1', { address: '127.0.7.1', relayListen: '127.0.7.1' });
  await until(async () => (await host('vm1')).relay === '127.0.7.1', { timeoutMs: 10_000, what: 'the parent to tell where its children reach the coordinator' });
  guest = await fleet.addAgent('guest1', {
    address: '127.0.7.2', link: 'parent', parent: 'vm1',
    toldPort: async (port) => {
      tap = await startWiretap('127.0.7.2', () => port);
      return tap.port;
    },
  });
  nested = await fleet.addAgent('nested1', { address: '127.0.7.3', link: 'parent', parent: 'guest1' });
  outer = await fleet.addAgent('till7', { link: 'dial-out' });
});

afterAll(async () => {
  await fleet.close();
  await tap.close();
  expect(fleet.bugs).toEqual([]);
});

const host = async (name: string) => {
  const answer = await fleet.api.unary(hostService, 'GetHost', { name }, options);
  if (answer.host === null) throw new Error(`no host ${name}`);
  return { ...answer.host, status: answer.status };
};

/** Adds a user on one host; answers the outcome. */
async function addUser(name: string, on: string, comment = ''): Promise<string> {
  let outcome = '';
  const user = { name, kind: 'USER_KIND_HOME', shell: '/bin/bash', comment } as const;
  for await (const event of fleet.api.stream(userService, 'AddUser', { selector: on, user, options: { mode: 'CHANGE_MODE_APPLY' } }, {}) as AsyncIterable<ChangeEvent>) {
    if (event.finished) outcome = event.finished.outcome;
  }
  return outcome;
}

/** A channel of the coordinator to an agent that listens. */
function dialAs(agent: LoopbackAgent, shown = fleet.office().authority.coordinator()): Channel {
  const uri = formatIdentity({ kind: 'host', fleetId: agent.identity.fleetId, hostId: agent.hostId });
  return openChannel({
    target: `ipv4:${agent.server.address.address}:${String(agent.server.address.port)}`,
    credentials: clientCredentials(shown, (certificate) => (certificateProblem(certificate, { uri, usage: 'server', now: Date.now() }) === undefined ? undefined : new Error('refused'))),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: agent.name, reason }),
  });
}

describe.each([['a host behind a parent', () => guest], ['a host behind a host behind a parent', () => nested], ['a host that only dials out', () => outer]] as const)('%s', (_name, of) => {
  it('is connected, and changed like any other', async () => {
    const agent = of();
    await fleet.waitState(agent.hostId, 'connected');
    expect(await addUser('ada', agent.name, canary)).toBe('OUTCOME_OK');
    expect(agent.host.users.get('ada')).toMatchObject({ comment: canary });
  });

  it('comes back by itself when the coordinator was restarted', async () => {
    const agent = of();
    await fleet.restart();
    await fleet.waitState(agent.hostId, 'connected');
    expect(await addUser('bob', agent.name)).toBe('OUTCOME_OK');
  });
});

describe('a parent', () => {
  it('sees nothing of what passes', () => {
    const seen = tap.seen();
    expect(seen.length).toBeGreaterThan(2000);
    for (const secret of [canary, 'ada', 'ApplyUser', guest.identity.hostId]) expect(seen.includes(secret), secret).toBe(false);
  });

  it.each(['to', 'from'] as const)('that alters a byte on its way %s the guest only breaks the connection', async (direction) => {
    const before = guest.host.calls.filter((call) => call.startsWith('user.')).length;
    const connections = guest.firstCalls();
    tap.flip(direction);
    // Something has to pass now, both ways. A heartbeat may have been the one that was altered: then this is answered, over another connection.
    const answer = await fleet.api.unary(userService, 'ObserveUser', { host: 'guest1' }, options).then(() => 'answered', (error: unknown) => (error as ReeveError).code);
    expect(['HOST_UNREACHABLE', 'answered']).toContain(answer);
    await until(() => guest.firstCalls() > connections, { timeoutMs: 30_000, what: 'the guest to be dialled anew' });
    await fleet.waitState(guest.hostId, 'connected');
    expect(guest.host.calls.filter((call) => call.startsWith('user.')).length, 'nothing was done').toBe(before);
    expect(await addUser(`after-${direction}`, 'guest1')).toBe('OUTCOME_OK');
  });

  it('tells what it passes', async () => {
    const shown = await until(async () => {
      const { status } = await host('vm1');
      return (status?.relay?.bytesToChildren ?? 0) > 1000 && (status?.relay ?? undefined);
    }, { timeoutMs: 30_000, what: 'the counters to be told' });
    expect(shown).toMatchObject({ listen: '127.0.7.1', listenProblem: '', children: 1 });
    expect(shown.streams).toBeGreaterThan(0);
    expect(shown.bytesFromChildren).toBeGreaterThan(1000);
  });

  it('refuses to pass to a host that is not its child, and to one that its policy does not allow', async () => {
    const channel = dialAs(parent);
    const ask = async (hostId: string): Promise<string> => {
      const messages = (async function* () {
        yield { hostId };
        await new Promise(() => undefined);
      })();
      try {
        for await (const _message of channel.duplex(relayService, 'Relay', messages, {})) return 'passed';
        return 'ended';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(await ask(outer.hostId)).toBe('RELAY_NOT_CHILD');
    expect(await ask(nested.hostId)).toBe('RELAY_NOT_CHILD');
    expect(await ask('')).toBe('FIELD_MISSING');
    expect(await ask('nonsense')).toBe('FIELD_INVALID');
    parent.host.setPolicy('version 1\nallow fact.read\nallow relay address=10.*\n');
    expect(await ask(guest.hostId)).toBe('POLICY_DENIED');
    await fleet.waitState(guest.hostId, 'lost');
    await until(() => /does not allow relay/.test(fleet.office().fleet.live(guest.hostId).reason), { timeoutMs: 20_000, what: 'the reason to be shown' });
    parent.host.setPolicy('version 1\nallow fact.read\nallow relay address=127.*  port=1-65535\n');
    await fleet.waitState(guest.hostId, 'connected', 45_000);
    channel.close();
  });

  it('lets a guest renew through it, and nobody else in', async () => {
    expect(guest.identity.agentsApi[0]).toBe('127.0.7.1:7421');
    expect(guest.identity.enrolment[0]).toBe('127.0.7.1:7422');
    expect(guest.identity.link).toBe('parent');
    // This process dials from 127.0.0.1, which is no child's address.
    const refusals = (await host('vm1')).status?.relay?.refusals ?? 0;
    await expect(renew(guest.enrol, { ...guest.identity, agentsApi: ['127.0.7.1:7421'] })).rejects.toMatchObject({ code: 'COORDINATOR_UNREACHABLE' });
    await until(async () => ((await host('vm1')).status?.relay?.refusals ?? 0) > refusals, { timeoutMs: 10_000, what: 'the refusal to be counted' });
  });
});

describe('a host that only dials out', () => {
  it('listens nowhere', () => expect(outer.server.address.port).toBe(0));

  it('is cut off when it is revoked, and does not get in again', async () => {
    const attached = fleet.office().fleet;
    await fleet.api.unary(hostService, 'RevokeHost', { host: 'till7' }, options);
    await until(() => attached.live(outer.hostId).state === 'lost', { timeoutMs: 15_000, what: 'the host to be cut off' });
    expect((await host('till7')).state).toBe('HOST_STATE_REVOKED');
  });
});

describe('a guest that is revoked', () => {
  it('is cut off, also from what lives behind it', async () => {
    await fleet.api.unary(hostService, 'RevokeHost', { host: 'guest1' }, options);
    await until(() => tap.open === 0, { timeoutMs: 15_000, what: 'the connection to the guest to be gone' });
    await fleet.waitState(nested.hostId, 'lost');
    await until(async () => (await host('vm1')).status?.relay?.children === 0, { timeoutMs: 15_000, what: 'the guest to be off the list of its parent' });
  });
});

describe('links', () => {
  it('that cannot be are refused', async () => {
    const set = (request: object): Promise<unknown> => fleet.api.unary(hostService, 'SetHost', { host: 'vm1', ...request }, options);
    await expect(set({ link: 'HOST_LINK_PARENT' })).rejects.toMatchObject({ code: 'FIELD_MISSING', fields: { field: 'parent' } });
    await expect(set({ link: 'HOST_LINK_PARENT', parent: 'nested1' })).rejects.toMatchObject({ code: 'HOST_PARENT_LOOP' });
    await expect(fleet.invite('guest9', { link: 'parent', parent: 'vm1' })).rejects.toMatchObject({ code: 'FIELD_MISSING', fields: { field: 'address' } });
    await expect(fleet.api.unary(hostService, 'SetHost', { host: 'nested1', parent: '' }, options)).rejects.toMatchObject({ code: 'FIELD_MISSING', fields: { field: 'parent' } });
  });
});

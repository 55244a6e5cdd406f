import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestFleet } from '../test/support/fleet-certificates.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../test/support/simulated-host.js';
import type { IntentInput } from '../shared/gen/proto/reeve/type/v1/Intent.js';
import type { UserSpecInput } from '../shared/gen/proto/reeve/type/v1/UserSpec.js';
import type { WatchEvent } from '../shared/gen/proto/reeve/agent/v1/WatchEvent.js';
import type { OperationServiceDefinition } from '../shared/gen/proto/reeve/agent/v1/OperationService.js';
import type { StatusServiceDefinition } from '../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { UserServiceDefinition } from '../shared/gen/proto/reeve/agent/v1/UserService.js';
import { reeveError } from '../shared/errors/error.js';
import { newId } from '../shared/kit/id.js';
import { formatIdentity } from '../shared/model/identity.js';
import { openChannel, serviceName, targetOf, type Channel } from '../shared/rpc/client.js';
import { certificateProblem, clientCredentials, type TlsIdentity } from '../shared/rpc/tls.js';
import type { AgentIdentity } from './identity/identity.js';
import { createAgentServer, type AgentServer } from './server.js';

const users = serviceName<UserServiceDefinition>('reeve.agent.v1.UserService');
const status = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');
const operations = serviceName<OperationServiceDefinition>('reeve.agent.v1.OperationService');
const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
const fleet = createTestFleet();
const options = { deadlineMs: 10_000 };

let stateDir: string;
let host: SimulatedHost;
let identity: AgentIdentity;
let agent: AgentServer;
let channel: Channel;

function dial(tls: TlsIdentity = fleet.coordinator()): Channel {
  const uri = formatIdentity({ kind: 'host', fleetId: fleet.fleetId, hostId: identity.hostId });
  return openChannel({
    target: targetOf({ address: '127.0.0.1', port: agent.address.port }),
    credentials: clientCredentials(tls, (certificate) => {
      const problem = certificateProblem(certificate, { uri, usage: 'server', now: Date.now() });
      return problem === undefined ? undefined : new Error(problem);
    }),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: 'web1', reason }),
  });
}

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-agent-'));
  host = createSimulatedHost();
  identity = fleet.host('web1');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  channel = dial();
});

afterEach(async () => {
  channel.close();
  await agent.close(1000);
  rmSync(stateDir, { recursive: true, force: true });
});

const ada: UserSpecInput = { name: 'ada', presence: 'USER_PRESENCE_PRESENT', kind: 'USER_KIND_HOME', uid: 20001, shell: '/bin/bash', comment: 'Ada', groups: ['audio'] };

function intent(over: IntentInput = {}): IntentInput {
  return { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation: 1, epoch: 1, ...over };
}

const apply = (over: IntentInput, wanted: UserSpecInput[], on = channel) => on.unary(users, 'ApplyUser', { intent: intent(over), users: wanted }, options);

async function nextOf(watch: AsyncGenerator<WatchEvent, unknown>): Promise<WatchEvent> {
  const next = await watch.next();
  if (next.done === true) throw new Error('the watch has ended');
  return next.value;
}

describe('an agent', () => {
  it('plans without changing anything, applies, and then finds nothing to do', async () => {
    const plan = await apply({ mode: 'MODE_PLAN' }, [ada]);
    expect(plan.changes).toMatchObject([{ kind: 'CHANGE_KIND_CREATE', noun: 'user', subject: 'ada' }]);
    expect(host.users.size).toBe(0);
    expect(plan.digest.equals(plan.digestBefore)).toBe(true);

    const done = await apply({ expectedDigest: plan.digest, policyDigest: plan.policyDigest }, [ada]);
    expect(done.changes).toEqual(plan.changes);
    expect(done.users).toMatchObject([{ name: 'ada', uid: 20001, groups: ['audio'], marker: 'home' }]);
    expect(host.users.get('ada')).toMatchObject({ uid: 20001, groups: ['audio'] });

    const again = await apply({}, [ada]);
    expect(again.changes).toEqual([]);
    expect(again.digest.equals(done.digest)).toBe(true);
  });

  it('answers a repeat of an operation from its journal, and refuses the id for something else', async () => {
    const operationId = newId(Date.now());
    const first = await apply({ operationId }, [ada]);
    host.calls.length = 0;
    const second = await apply({ operationId }, [ada]);
    expect(second).toEqual(first);
    expect(host.calls.filter((call) => call.startsWith('user.'))).toEqual([]);
    await expect(apply({ operationId }, [{ ...ada, comment: 'Eve' }])).rejects.toMatchObject({ code: 'OPERATION_REUSED' });
    const known = await channel.unary(operations, 'GetOperation', { operationId }, options);
    expect(known).toMatchObject({ outcome: 'OUTCOME_OK', method: 'reeve.agent.v1.UserService/ApplyUser' });
    expect(known.response.length).toBeGreaterThan(0);
    await expect(channel.unary(operations, 'GetOperation', { operationId: newId(Date.now()) }, options)).rejects.toMatchObject({ code: 'OPERATION_UNKNOWN' });
  });

  it('runs an operation once when it comes twice at the same time', async () => {
    const operationId = newId(Date.now());
    const [a, b] = await Promise.all([apply({ operationId }, [ada]), apply({ operationId }, [ada])]);
    expect(a).toEqual(b);
    expect(host.calls.filter((call) => call === 'user.add ada')).toHaveLength(1);
  });

  it('refuses what its policy does not allow, all of it at once, with the lines that would', async () => {
    host.setPolicy('version 1\nallow observe.user\n');
    const refused = apply({}, [ada, { ...ada, name: 'bob', uid: 20002, groups: ['sudo'] }]);
    await expect(refused).rejects.toMatchObject({
      code: 'POLICY_DENIED',
      items: [
        { code: 'POLICY_DENIED', fields: { host: 'web1', op: 'user.add', args: 'name=ada uid=20001 shell=/bin/bash kind=home', line: 'allow user.add name=ada uid=20001 shell=/bin/bash kind=home' } },
        { code: 'POLICY_DENIED', fields: { op: 'group.member', args: 'name=ada group=audio' } },
        { code: 'POLICY_DENIED', fields: { op: 'user.add' } },
        { code: 'GROUP_DANGEROUS', fields: { value: 'sudo' } },
      ],
    });
    expect(host.users.size).toBe(0);
  });

  it('refuses a plan that was made under another policy or another state, and names what moved', async () => {
    const plan = await apply({ mode: 'MODE_PLAN' }, [ada]);
    host.setPolicy(`${openPolicy}# another\n`);
    await expect(apply({ policyDigest: plan.policyDigest }, [ada])).rejects.toMatchObject({ code: 'POLICY_CHANGED' });
    await apply({}, [{ ...ada, name: 'bob', uid: 20002 }]);
    await expect(apply({ expectedDigest: plan.digest }, [ada])).rejects.toMatchObject({ code: 'STATE_MOVED', fields: { moved: 'user "bob"' } });
  });

  it('refuses older generations and epochs', async () => {
    await apply({ generation: 5, epoch: 3 }, [ada]);
    await expect(apply({ generation: 4, epoch: 3 }, [ada])).rejects.toMatchObject({ code: 'GENERATION_STALE', fields: { value: '4', wanted: '5' } });
    await expect(apply({ generation: 6, epoch: 2 }, [ada])).rejects.toMatchObject({ code: 'EPOCH_STALE', fields: { value: '2', wanted: '3' } });
    await apply({ generation: 5, epoch: 3 }, [ada]);
  });

  it('refuses changes when the clocks differ by more than 10 minutes, but takes access away whatever they say', async () => {
    const old = newId(Date.now() - 11 * 60_000);
    await expect(apply({ operationId: old }, [ada])).rejects.toMatchObject({ code: 'CLOCK_SKEW' });
    await apply({}, [ada]);
    await apply({ operationId: newId(Date.now() - 11 * 60_000) }, [{ ...ada, presence: 'USER_PRESENCE_LOCKED' }]);
    expect(host.users.get('ada')?.locked).toBe(true);
  });

  it('takes back what it did when a later step fails, but for locks', async () => {
    await apply({}, [{ ...ada, name: 'carol', uid: 20003 }]);
    host.fail('group.member', reeveError('TOOL_FAILED', { value: 'gpasswd', rule: 'exit 3' }));
    const failed = apply({ generation: 2 }, [ada, { ...ada, name: 'carol', uid: 20003, presence: 'USER_PRESENCE_LOCKED' }]);
    await expect(failed).rejects.toMatchObject({ code: 'TOOL_FAILED', fields: { host: 'web1' } });
    expect(host.users.has('ada')).toBe(false);
    expect(host.users.get('carol')?.locked).toBe(true);
  });

  it('names what could not be taken back', async () => {
    host.fail('group.member', reeveError('TOOL_FAILED', { value: 'gpasswd', rule: 'exit 3' }));
    host.fail('user.remove', reeveError('USER_PROCESSES_REMAIN', { value: 'ada' }));
    await expect(apply({}, [ada])).rejects.toMatchObject({ items: [{ code: 'TOOL_FAILED' }, { code: 'IO_FAILED', fields: { rule: expect.stringContaining('"user.add ada" could not be taken back') as string } }] });
  });

  it('tells a watcher everything at first, then what changes, and beats in between', async () => {
    const stop = new AbortController();
    const watch = channel.stream(status, 'Watch', { heartbeatInterval: { seconds: 1, nanos: 0 }, epoch: 1 }, { signal: stop.signal });
    const first = await nextOf(watch);
    expect(first).toMatchObject({ initial: true, status: { policyState: 'ok', helperState: 'ok' }, facts: { hostname: 'simulated' }, digests: [{ noun: 'user', generation: 0 }] });
    const done = await apply({ generation: 7 }, [ada]);
    const seen: { digest: string; generation: number }[] = [];
    let beats = 0;
    while (seen.at(-1)?.generation !== 7 || beats === 0) {
      const event = await nextOf(watch);
      expect(event.initial).toBe(false);
      if (event.status === null && event.facts === null && event.digests.length === 0) beats += 1;
      for (const digest of event.digests) seen.push({ digest: digest.digest.toString('hex'), generation: digest.generation });
    }
    expect(seen.at(-1)).toEqual({ digest: done.digest.toString('hex'), generation: 7 });
    stop.abort();
    await expect(watch.next()).rejects.toBeDefined();
  });

  it('tells a watcher when somebody else changes an account or the policy', async () => {
    await apply({}, [ada]);
    const watch = channel.stream(status, 'Watch', { heartbeatInterval: { seconds: 60, nanos: 0 }, epoch: 1 }, {});
    const first = await nextOf(watch);
    const before = first.digests[0]?.digest.toString('hex');
    const user = host.users.get('ada');
    if (user === undefined) throw new Error('ada is missing');
    host.users.set('ada', { ...user, shell: '/bin/sh' });
    host.touch('accounts');
    let digest = before;
    while (digest === before) digest = (await nextOf(watch)).digests[0]?.digest.toString('hex') ?? before;
    host.setPolicy('version 1\nallow nothing.known\n');
    let state = '';
    while (state !== 'syntax') state = (await nextOf(watch)).status?.policyState ?? state;
    await expect(apply({}, [ada])).rejects.toMatchObject({ code: 'POLICY_UNUSABLE', fields: { reason: 'line 2: unknown operation "nothing.known"' } });
    await watch.return(undefined);
  });

  it('lets at most 4 watch', async () => {
    const watches = Array.from({ length: 5 }, () => channel.stream(status, 'Watch', { epoch: 1 }, {}));
    const results = await Promise.allSettled(watches.map((watch) => watch.next()));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(4);
    expect(results.find((result) => result.status === 'rejected')).toMatchObject({ reason: { code: 'BUSY' } });
    await Promise.all(watches.map((watch) => watch.return(undefined)));
  });

  it.each([
    ['of an agent', () => fleet.leaf(fleet.agents, { uri: fleet.coordinatorUri }), 'HOST_UNREACHABLE'],
    ['for an operator', () => fleet.leaf(fleet.control, { uri: `reeve://${fleet.fleetId}/operator/ada` }), 'IDENTITY_REFUSED'],
    ['for the coordinator of another fleet', () => fleet.leaf(fleet.control, { uri: formatIdentity({ kind: 'coordinator', fleetId: createTestFleet().fleetId }) }), 'IDENTITY_REFUSED'],
    ['that has expired', () => fleet.leaf(fleet.control, { uri: fleet.coordinatorUri, notAfter: Date.now() - 1000 }), 'HOST_UNREACHABLE'],
    ['for servers only', () => fleet.leaf(fleet.control, { uri: fleet.coordinatorUri, usages: ['server'] }), 'HOST_UNREACHABLE'],
  ])('refuses a certificate %s', async (_name, make, code) => {
    const other = dial({ ...make(), trust: fleet.agents.pem });
    await expect(other.unary(status, 'GetStatus', {}, { deadlineMs: 3000 })).rejects.toMatchObject({ code });
    other.close();
  });

  it('refuses a call on an open connection once the certificate has expired', async () => {
    const short = dial(fleet.coordinator({ notAfter: Math.ceil(Date.now() / 1000) * 1000 + 2000 }));
    await short.unary(status, 'GetStatus', {}, options);
    await new Promise((resolve) => setTimeout(resolve, 3200));
    await expect(short.unary(status, 'GetStatus', {}, options)).rejects.toMatchObject({ code: 'IDENTITY_REFUSED', fields: { reason: 'it has expired' } });
    short.close();
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentChannel } from '../../test/support/agent-channel.js';
import { createTestFleet } from '../../test/support/fleet-certificates.js';
import { createSimulatedHost, openPolicy, type SimulatedHost } from '../../test/support/simulated-host.js';
import { revertNat } from '../../test/support/simulated-nat.js';
import type { ApplyNatResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyNatResponse.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/OperationService.js';
import type { ReleaseServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReleaseService.js';
import type { ReachServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReachService.js';
import type { IntentInput } from '../../shared/gen/proto/reeve/type/v1/Intent.js';
import { newId } from '../../shared/kit/id.js';
import { formatNatRules, type NatForward, type NatMasquerade } from '../../shared/model/nat.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { createAgentServer, type AgentServer } from '../server.js';

const service = serviceName<NatServiceDefinition>('reeve.agent.v1.NatService');
const operations = serviceName<OperationServiceDefinition>('reeve.agent.v1.OperationService');
const reach = serviceName<ReachServiceDefinition>('reeve.agent.v1.ReachService');
const log = pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
const fleet = createTestFleet();
const options = { deadlineMs: 10_000 };

let stateDir: string;
let host: SimulatedHost;
let agent: AgentServer;
let channel: Channel;
const closing: (() => void)[] = [];

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'reeve-nat-'));
  host = createSimulatedHost();
  const identity = fleet.host('front');
  agent = await createAgentServer({ host, identity, stateDir, listen: { host: '127.0.0.1', port: 0 }, log });
  open = () => {
    const opened = openAgentChannel(fleet, identity, agent.address.port, 'front');
    closing.push(() => opened.close());
    return opened;
  };
  channel = open();
});
let open: () => Channel;

afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await agent.close(1000);
  rmSync(stateDir, { recursive: true, force: true });
});

const forward = (id: number, over: Partial<NatForward> = {}): NatForward => ({
  id, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 8000 + id, last: 8000 + id }, to: '10.0.0.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: true, adopt: false, ...over,
});
const masquerade: NatMasquerade = { id: 1, source: '10.0.0.0/24', outInterface: 'eth0', toAddress: undefined, adopt: false };

function apply(generation: number, forwards: readonly NatForward[], masquerades: readonly NatMasquerade[] = [], intent: IntentInput = {}): Promise<ApplyNatResponse> {
  const full = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation, epoch: 1, ...intent } as const;
  return channel.unary(service, 'ApplyNat', { intent: full, ...formatNatRules({ forwards, masquerades }) }, options);
}

/** Over a connection of its own: what was opened before a change does not prove that it can be lived with. */
async function confirm({ pending }: ApplyNatResponse): Promise<void> {
  await open().unary(operations, 'Confirm', { operationId: pending?.operationId ?? '', noun: 'nat' }, options);
}

describe('ApplyNat', () => {
  it('plans without changing anything, applies, waits to be confirmed, and then finds nothing to do', async () => {
    const plan = await apply(1, [forward(1)], [masquerade], { mode: 'MODE_PLAN' });
    expect(plan.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_CREATE', 'tcp/8001 -> 10.0.0.2:80'], ['CHANGE_KIND_CREATE', 'masquerade 10.0.0.0/24']]);
    expect(plan).toMatchObject({ pending: null, sshPorts: [22] });
    expect(host.nat.lines).toBe('');

    const done = await apply(1, [forward(1)], [masquerade], { expectedDigest: plan.digest, policyDigest: plan.policyDigest, confirmTimeout: { seconds: 30 } });
    expect(done.changes).toEqual(plan.changes);
    expect(host.nat.lines).toBe('forward 1 tcp - - 8001 10.0.0.2 80 - 10.0.0.0/24\nmasquerade 1 10.0.0.0/24 eth0 -\n');
    expect(done.pending).toMatchObject({ noun: 'nat' });
    await expect(apply(2, [forward(2)])).rejects.toMatchObject({ code: 'CONFIRM_PENDING' });
    await confirm(done);
    expect(host.nat.pending).toBeUndefined();

    const again = await apply(2, [forward(1)], [masquerade]);
    expect(again).toMatchObject({ changes: [], pending: null });
    expect(again.digest.equals(done.digest)).toBe(true);
  });

  it('names everything that stands in the way, and changes nothing', async () => {
    host.setPolicy(openPolicy.replace('allow nat.forward to=*', 'allow nat.forward to=10.*'));
    host.nat.sshPorts = [22, 8005];
    const refused = apply(1, [
      forward(1), forward(2, { to: '192.168.7.7' }), forward(3, { listen: { kind: 'interface', name: 'eth9' } }), forward(4, { listen: { kind: 'address', address: '203.0.113.9' } }), forward(5),
      forward(6, { ports: { first: 7000, last: 7420 }, toPorts: { first: 80, last: 80 } }),
    ], [{ ...masquerade, toAddress: '203.0.113.8' }]);
    const { items } = await refused.then(() => ({ items: [] }), (error: unknown) => error as { items: { code: string; fields: Record<string, string> }[] });
    expect(items.map(({ code, fields }) => [code, fields['value'] ?? fields['op']])).toEqual([
      ['POLICY_DENIED', 'nat.forward'], ['NAT_INTERFACE', 'eth9'], ['NAT_INTERFACE', '203.0.113.9'], ['NAT_PORT_RESERVED', 'tcp/8005'], ['NAT_PORT_RESERVED', 'tcp/7000-7420'], ['NAT_INTERFACE', '203.0.113.8'],
    ]);
    expect(host.nat.lines).toBe('');
  });

  it('under a hold takes forwards away and gives none, and leaves what would lead elsewhere', async () => {
    await confirm(await apply(1, [forward(1), forward(2)]));
    const held = await apply(2, [forward(2, { to: '10.0.0.9' }), forward(3)], [], { removalOnly: true });
    expect(host.nat.lines).toBe('forward 2 tcp - - 8002 10.0.0.2 80 - 10.0.0.0/24\n');
    expect(held.changes.map(({ kind, subject }) => [kind, subject])).toEqual([['CHANGE_KIND_REMOVE', 'tcp/8001 -> 10.0.0.2:80']]);
    expect(held.held?.changes.map(({ kind }) => kind)).toEqual(['CHANGE_KIND_UPDATE', 'CHANGE_KIND_CREATE']);
  });

  it('says that the host took a change back, and puts right what somebody altered', async () => {
    await confirm(await apply(1, [forward(1)]));
    await apply(2, [forward(1), forward(2)]);
    revertNat(host.nat);
    const seen = await channel.unary(service, 'ObserveNat', {}, options);
    expect(seen).toMatchObject({ state: 'confirmed', forwards: [{ id: 1 }] });
    host.nat.altered = true;
    const done = await apply(3, [forward(1)]);
    expect(done.changes).toMatchObject([{ kind: 'CHANGE_KIND_UPDATE', subject: 'table inet reeve' }]);
    await confirm(done);
    expect(await channel.unary(service, 'ObserveNat', {}, options)).toMatchObject({ state: 'confirmed' });
  });

  it('lets go, but not while a change waits', async () => {
    const made = await apply(1, [forward(1)]);
    await expect(apply(2, [], [], { release: true })).rejects.toMatchObject({ code: 'CONFIRM_PENDING' });
    await confirm(made);
    const released = await apply(2, [], [], { release: true });
    expect(released.changes).toMatchObject([{ subject: 'tcp/8001 -> 10.0.0.2:80', fields: [{ field: 'presence', from: 'present', to: 'released' }] }]);
    expect(host.nat.confirmed).toBeUndefined();
    expect((await apply(3, [], [], { release: true })).changes).toEqual([]);
  });

  it('refuses a timeout that nobody could keep, and a host that moved since it was planned', async () => {
    await expect(apply(1, [forward(1)], [], { confirmTimeout: { seconds: 5 } })).rejects.toMatchObject({ code: 'FIELD_INVALID', fields: { field: 'confirm timeout' } });
    const plan = await apply(1, [forward(1)], [], { mode: 'MODE_PLAN' });
    await confirm(await apply(1, [forward(2)]));
    await expect(apply(2, [forward(1)], [], { expectedDigest: plan.digest })).rejects.toMatchObject({ code: 'STATE_MOVED' });
  });
});

describe('ObserveNat', () => {
  it('tells forwards, masquerades and how much they were used', async () => {
    await confirm(await apply(1, [forward(7)], [masquerade]));
    host.nat.counters.set('f7', { packets: 3, bytes: 180 }).set('m1', { packets: 2, bytes: 120 }).set('x', { packets: 1, bytes: 1 });
    const seen = await channel.unary(service, 'ObserveNat', {}, options);
    expect(seen).toMatchObject({ state: 'confirmed', forwards: [{ id: 7, toAddress: '10.0.0.2', hairpin: true }], masquerades: [{ id: 1 }] });
    expect(seen.counters).toMatchObject([{ id: 7, masquerade: false, connections: 3, bytes: 180 }, { id: 1, masquerade: true, connections: 2 }]);
  });

  it('tells what others made, and what is made again at the next start of what Reeve has', async () => {
    const chain = { family: 'ip', table: 'nat', name: 'PREROUTING', handle: 1, type: 'nat', hook: 'prerouting', prio: -100, policy: 'accept' };
    const expr = [{ match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 8443 } }, { dnat: { addr: '10.0.0.9', port: 443 } }];
    host.nat.foreign.ruleset = JSON.stringify({ nftables: [{ table: { family: 'ip', name: 'nat', handle: 1 } }, { chain }, { rule: { family: 'ip', table: 'nat', chain: 'PREROUTING', handle: 4, expr } }] });
    host.nat.bootFiles = [{ path: '/etc/rc.local', text: 'nft add rule ip nat PREROUTING tcp dport 8443 dnat to 10.0.0.9:443\niptables -t nat -A PREROUTING -p tcp --dport 8007 -j DNAT --to 10.0.0.2:80\n' }, { path: '/etc/iptables/rules.v4', text: undefined }];
    await confirm(await apply(1, [forward(7), forward(8)]));
    const seen = await channel.unary(service, 'ObserveNat', { foreign: true }, options);
    expect(seen.foreign).toMatchObject([
      { rule: 'ip nat PREROUTING handle 4', forward: { toAddress: '10.0.0.9', id: 0 }, problem: '', bootSources: ['/etc/rc.local:1', '/etc/iptables/rules.v4 (cannot be read)'] },
      { rule: 'forward 7', forward: { toAddress: '10.0.0.2', id: 0 }, problem: expect.stringContaining('made again') as string, bootSources: ['/etc/rc.local:2'] },
    ]);
    expect(seen).toMatchObject({ unread: ['/etc/iptables/rules.v4'], truncated: false });
    expect((await channel.unary(service, 'ObserveNat', {}, options)).foreign).toEqual([]);
  });

  it('says of a host without nft that there is none; nothing can be wanted of it, and it can be let go of', async () => {
    host.nat.installed = false;
    await expect(channel.unary(service, 'ObserveNat', {}, options)).rejects.toMatchObject({ code: 'NAT_ABSENT', fields: { host: 'front' } });
    await expect(apply(1, [forward(1)])).rejects.toMatchObject({ code: 'NAT_ABSENT', fields: { host: 'front' } });
    expect((await apply(1, [])).changes).toEqual([]);
    const intent = { mode: 'MODE_APPLY', operationId: newId(Date.now()), generation: 1, epoch: 1, release: true } as const;
    await channel.unary(serviceName<ReleaseServiceDefinition>('reeve.agent.v1.ReleaseService'), 'ApplyRelease', { intent }, options);
    await expect(channel.unary(reach, 'CheckReach', { address: '192.0.2.1', port: 22 }, options)).rejects.toMatchObject({ code: 'HOST_RELEASED' });
  });

  it('is refused by a policy that does not allow it', async () => {
    host.setPolicy('version 1\nallow fact.read\n');
    await expect(channel.unary(service, 'ObserveNat', {}, options)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
  });
});

describe('TraceNat', () => {
  it('needs a packet that can be', async () => {
    const packet = { protocol: 'NAT_PROTOCOL_TCP', port: 8007, from: '198.51.100.7' } as const;
    expect(await channel.unary(service, 'TraceNat', packet, options)).toMatchObject({ verdict: expect.any(String) as string });
    for (const over of [{ port: 0 }, { from: '127.0.0.1' }, { to: 'x' }]) await expect(channel.unary(service, 'TraceNat', { ...packet, ...over }, options), JSON.stringify(over)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
    await expect(channel.unary(service, 'TraceNat', { ...packet, from: 'fd00::7' }, options), 'it has no address of that family').rejects.toMatchObject({ code: 'NAT_INTERFACE' });
  });
});

describe('CheckReach', () => {
  it('says whether a port answers, as far as the policy lets it look', async () => {
    host.nat.reachable.add('192.0.2.1:22');
    expect(await channel.unary(reach, 'CheckReach', { address: '192.0.2.1', port: 22 }, options)).toMatchObject({ open: true, reason: '' });
    expect(await channel.unary(reach, 'CheckReach', { address: '192.0.2.1', port: 23 }, options)).toMatchObject({ open: false, reason: 'refused' });
    host.setPolicy(openPolicy.replace('allow reach.check', 'allow reach.check port=22'));
    await expect(channel.unary(reach, 'CheckReach', { address: '192.0.2.1', port: 23 }, options)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await expect(channel.unary(reach, 'CheckReach', { address: '127.0.0.1', port: 22 }, options)).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });
});

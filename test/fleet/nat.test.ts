import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/NatService.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperationService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import type { ForeignNat } from '../../shared/gen/proto/reeve/type/v1/ForeignNat.js';
import { newId } from '../../shared/kit/id.js';
import { formatForward, parsePortText, type NatForward } from '../../shared/model/nat.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { accessApi, came, optionsOf, type Came, type How } from '../support/access-api.js';
import { createNatHosts } from '../support/fleet-nat.js';
import { apiAs, debianAccounts } from '../support/local-account.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const nat = serviceName<NatServiceDefinition>('reeve.coordinator.v1.NatService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operations = serviceName<OperationServiceDefinition>('reeve.coordinator.v1.OperationService');
const operators = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');
const deadline = { deadlineMs: 30_000 };

/** What a command came to, with what it waited for. */
interface Waited extends Came {
  readonly missing: string[];
  readonly manual: boolean;
  readonly confirmed: string[];
  readonly reasons: string[];
}

/** Runs a command to its end; `waiting` hears of every wait. */
async function run(events: AsyncIterable<ChangeEvent>, waiting: () => void = () => undefined): Promise<Waited> {
  const heard = { missing: [] as string[], manual: false, confirmed: [] as string[] };
  const listen = async function* (): AsyncGenerator<ChangeEvent> {
    for await (const event of events) {
      if (event.waiting) {
        heard.missing.push(...event.waiting.missing);
        heard.manual = event.waiting.manual;
        waiting();
      }
      if (event.confirmed) heard.confirmed.push(event.confirmed.hostName);
      yield event;
    }
  };
  const done = await came(listen());
  return { ...done, ...heard, missing: [...new Set(heard.missing)], reasons: done.errors.map(({ code, fields }) => `${code} ${fields['reason'] ?? fields['rule'] ?? ''}`.trim()) };
}

/** The commands of one operator. */
function natApi(api: Channel) {
  const forward = (ports: string, to: string, more: object = {}) => ({ protocol: 'NAT_PROTOCOL_TCP' as const, ports: parsePortText('port', ports), toAddress: to, toPorts: parsePortText('port', '80'), ...more });
  return {
    add: (host: string, ports: string, to: string, { forward: more, ...rest }: { forward?: object; toHost?: string; comment?: string; disabled?: boolean; confirm?: object } = {}, how: { mode?: How; waiting?: () => void } = {}) =>
      run(api.stream(nat, 'AddForward', { options: optionsOf(how.mode), host, forward: forward(ports, to, more), ...rest }, {}), how.waiting),
    masquerade: (host: string, source: string) => run(api.stream(nat, 'AddMasquerade', { options: optionsOf(), host, masquerade: { source } }, {})),
    remove: (host: string, which: string, how?: How) => run(api.stream(nat, 'RemoveNat', { options: optionsOf(how), host, which }, {})),
    set: (host: string, which: string, enabled: boolean, more: object = {}) => run(api.stream(nat, 'SetNat', { options: optionsOf(), host, which, enabled, ...more }, {})),
    adopt: (host: string, ...which: string[]) => run(api.stream(nat, 'AdoptNat', { options: optionsOf(), host, which }, {})),
    confirm: (host: string) => api.unary(nat, 'ConfirmNat', { host }, deadline),
    list: (selector = '', counters = false) => api.unary(nat, 'ListNat', { selector, counters }, deadline).then(({ rows }) => rows),
    explain: (host: string, port: number) => api.unary(nat, 'ExplainNat', { host, protocol: 'NAT_PROTOCOL_TCP', port }, deadline),
  };
}

describe('forwards of a fleet', () => {
  let fleet: LoopbackFleet;
  let clock: TurnedClock;
  let own: string[];
  let vm1: LoopbackAgent;
  let web3: LoopbackAgent;
  let hosts: ReturnType<typeof createNatHosts>;
  let api: ReturnType<typeof natApi>;

  beforeEach(async () => {
    clock = createTurnedClock();
    own = [];
    fleet = await startLoopbackFleet({ clock, ownAddresses: () => own });
    hosts = createNatHosts(clock);
    hosts.attach(fleet);
    api = natApi(fleet.api);
    vm1 = await agent('vm1', '127.0.8.1');
    await agent('web2', '127.0.8.2');
    web3 = await agent('web3', '127.0.8.3', 'vm1');
    hosts.of(vm1.hostId);
  });

  afterEach(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  const agent = (name: string, address: string, parent?: string): Promise<LoopbackAgent> =>
    fleet.addAgent(name, { address, host: createSimulatedHost({ clock }), ...(parent === undefined ? {} : { parent }) });
  const made = (): string[] => hosts.of(vm1.hostId).rules.forwards.map(({ ports, to }) => `${String(ports.first)} ${to}`);
  /** A change is taken back at its deadline; that is not waited for. */
  const pass = (ms = 61_000): void => clock.turn(clock.now() - Date.now() + ms);
  const operationOf = async (id: string): Promise<string> => {
    const { hosts: parts } = await fleet.api.unary(operations, 'GetOperation', { id }, deadline);
    return parts.map(({ outcome, errors }) => `${outcome} ${errors.map(({ code, fields }) => `${code} ${fields['reason'] ?? ''}`).join()}`.trim()).join('; ');
  };

  let turned = false;
  beforeEach(() => void (turned = false));
  /** Lets the deadline pass as soon as a change waits. */
  const turnOnce = (): void => {
    if (turned) return;
    turned = true;
    setTimeout(() => pass(), 800);
  };

  it('are added, listed, counted, explained, disabled, enabled and removed', async () => {
    expect(await api.add('vm1', '8080', '198.19.200.2', { comment: 'the shop' })).toMatchObject({ outcome: 'ok', hosts: ['vm1 nat: ok'], changes: ['+ nat tcp/8080 (1)'], confirmed: ['vm1'] });
    expect(await api.add('vm1', '9000-9010', '198.19.200.3', { disabled: true })).toMatchObject({ outcome: 'ok', inventory: ['+ nat tcp/9000-9010 -> 198.19.200.3:80'], changes: [] });
    expect(await api.masquerade('vm1', '198.19.200.0/24')).toMatchObject({ outcome: 'ok', confirmed: ['vm1'] });
    expect(made()).toEqual(['8080 198.19.200.2']);
    const rows = await api.list('vm1', true);
    expect(rows.map(({ hostName, enabled, comment, pending, counter, forward, masquerade }) => ({ hostName, enabled, comment, pending, connections: counter?.connections, what: forward?.ports?.first ?? masquerade?.source }))).toEqual([
      { hostName: 'vm1', enabled: true, comment: 'the shop', pending: false, connections: 10, what: 8080 },
      { hostName: 'vm1', enabled: false, comment: '', pending: false, connections: undefined, what: 9000 },
      { hostName: 'vm1', enabled: true, comment: '', pending: false, connections: undefined, what: '198.19.200.0/24' },
    ]);
    expect(await api.set('vm1', 'tcp/9005', true)).toMatchObject({ outcome: 'ok', confirmed: ['vm1'] });
    expect(await api.set('vm1', 'tcp/8080', false)).toMatchObject({ outcome: 'ok', changes: ['- nat tcp/8080 (1)'] });
    expect(await api.set('vm1', '1', false)).toMatchObject({ outcome: 'ok', changes: [], confirmed: [] });
    const why = await api.explain('vm1', 9005);
    expect(why).toMatchObject({ rows: [{ enabled: true }], state: 'confirmed' });
    expect(why.records.map(({ action, phase }) => `${action} ${phase}`)).toEqual(['nat enable vm1 tcp/9005 ok', 'nat add vm1 tcp/9000-9010 -> 198.19.200.3:80 ok']);
    expect(await api.explain('vm1', 8080)).toMatchObject({ rows: [{ enabled: false }], state: 'absent' });
    expect(await api.remove('vm1', 'masquerade:198.19.200.0/24')).toMatchObject({ outcome: 'ok' });
    expect(await api.remove('vm1', '1')).toMatchObject({ outcome: 'ok', inventory: ['- nat tcp/8080 -> 198.19.200.2:80'] });
    await expect(api.remove('vm1', 'tcp/8080')).rejects.toMatchObject({ code: 'NAT_UNKNOWN', fields: { host: 'vm1', value: 'tcp/8080' } });
    expect(await api.list()).toHaveLength(1);
  });

  it('store nothing for a plan, refuse what is in the way, and answer a repeated command with what it came to', async () => {
    expect(await api.add('vm1', '8080', '198.19.200.2', {}, { mode: 'PLAN' })).toMatchObject({ outcome: 'ok', stored: false, changes: ['+ nat tcp/8080 (1)'] });
    expect(await api.list()).toEqual([]);
    const operationId = newId(Date.now());
    const first = await api.add('vm1', '8080', '198.19.200.2', {}, { mode: { operationId } });
    expect(await api.add('vm1', '8080', '198.19.200.2', {}, { mode: { operationId } })).toMatchObject({ hosts: first.hosts, outcome: 'ok' });
    await expect(api.add('vm1', '8000-8100', '198.19.200.2')).rejects.toMatchObject({ code: 'NAT_EXISTS', fields: { value: 'tcp/8000-8100', host: 'vm1', rule: 'number 1, tcp/8080 -> 198.19.200.2:80' } });
    await expect(api.add('vm1', '8080', '198.19.200.2', { forward: { listenAddress: '192.0.2.1' } })).rejects.toMatchObject({ code: 'NAT_EXISTS' });
    expect((await api.add('web2', '8080', '198.19.200.2')).outcome, 'another host').toBe('ok');
  });

  it('stay only when the agents behind the host answer again', async () => {
    await api.add('vm1', '8080', '198.19.200.2');
    hosts.of(vm1.hostId).onApply = () => void web3.close();
    const cut = await api.add('vm1', '8081', '198.19.200.2', {}, { waiting: () => turnOnce() });
    expect(cut).toMatchObject({ outcome: 'failed', stored: true, reasons: ['CONFIRM_REVERTED agent web3 unreachable'], confirmed: [] });
    expect(made()).toEqual(['8080 198.19.200.2']);
    expect(await operationOf(cut.operationId)).toBe('OUTCOME_FAILED CONFIRM_REVERTED agent web3 unreachable');
    const [, row] = await api.list('vm1');
    expect(row).toMatchObject({ pending: true });
    expect(row?.pendingReason).toMatch(/was reverted: agent web3 unreachable/);
    // The host comes up again: what it took back is not sent to it by itself.
    const sent = hosts.of(vm1.hostId).heard.length;
    fleet.office().fleet.refresh(vm1.hostId);
    await until(() => vm1.firstCalls() > 2, { timeoutMs: 20_000, what: 'the host to be dialled anew' });
    await fleet.waitState(vm1.hostId, 'connected');
    fleet.office().converge(vm1.hostId);
    expect((await accessApi(fleet.api).user('AddUser', 'vm1', 'ada')).outcome, 'what it is owed was looked at before').toBe('ok');
    expect(hosts.of(vm1.hostId).heard.length).toBe(sent);
    // Somebody asks for it.
    hosts.of(vm1.hostId).onApply = () => undefined;
    expect(await accessApi(fleet.api).apply('vm1', 'nat')).toMatchObject({ outcome: 'ok', hosts: ['vm1 nat: ok'] });
    expect(made()).toEqual(['8080 198.19.200.2', '8081 198.19.200.2']);
    expect((await api.list('vm1')).map(({ pending }) => pending)).toEqual([false, false]);
  });

  it('stay only when sshd can be reached from outside as before', async () => {
    hosts.of(vm1.hostId).onApply = () => void hosts.of(vm1.hostId).open.delete(22);
    const closed = await api.add('vm1', '8080', '198.19.200.2', {}, { waiting: () => turnOnce() });
    expect(closed).toMatchObject({ outcome: 'failed', reasons: ['CONFIRM_REVERTED sshd at 127.0.8.1:22 is closed as seen from web2'] });
    expect(made()).toEqual([]);
    // It was closed before: nobody asks for it.
    hosts.of(vm1.hostId).onApply = () => undefined;
    expect(await accessApi(fleet.api).apply('vm1', 'nat')).toMatchObject({ outcome: 'ok' });
  });

  it('are refused before anything is stored when nobody outside can tell, unless a person confirms', async () => {
    own = ['127.0.8.3'];
    const alone = await startAlone();
    try {
      const refused = await alone.api.add('vm1', '8080', '198.19.200.2');
      expect(refused).toMatchObject({ outcome: 'failed', stored: false });
      expect(refused.reasons[0]).toMatch(/^NAT_NO_WITNESS/);
      expect(await alone.api.list()).toEqual([]);
      const waiting = new Promise<void>((resolve) => void alone.api.add('vm1', '8080', '198.19.200.2', { confirm: { manual: true, timeout: { seconds: 30 } } }, { waiting: resolve }).then((done) => (alone.done = done)));
      await waiting;
      expect(alone.hosts.of(alone.vm1.hostId).pending?.deadlineMs).toBeGreaterThan(clock.now() + 20_000);
      const { operationId } = await alone.api.confirm('vm1');
      await until(() => alone.done !== undefined, { timeoutMs: 10_000, what: 'the command to end' });
      expect(alone.done).toMatchObject({ outcome: 'ok', operationId, manual: true, confirmed: ['vm1'] });
      await expect(alone.api.confirm('vm1')).rejects.toMatchObject({ code: 'CONFIRM_UNKNOWN' });
      const nobody = await alone.api.add('vm1', '8081', '198.19.200.2', { confirm: { manual: true } }, { waiting: () => turnOnce() });
      expect(nobody).toMatchObject({ outcome: 'failed', reasons: ['CONFIRM_REVERTED nobody confirmed it'] });
    } finally {
      await alone.fleet.close();
    }
  });

  /** A fleet of one host, on which the coordinator is. */
  const startAlone = async () => {
    const alone = await startLoopbackFleet({ clock, ownAddresses: () => ['127.0.9.1'] });
    const its = createNatHosts(clock);
    its.attach(alone);
    const only = await alone.addAgent('vm1', { address: '127.0.9.1', host: createSimulatedHost({ clock }) });
    return { fleet: alone, hosts: its, vm1: only, api: natApi(alone.api), done: undefined as Waited | undefined };
  };

  it.each([['is confirmed when the coordinator is back in time', 0, 'OUTCOME_OK'], ['was taken back when it is back too late', 61_000, 'OUTCOME_FAILED CONFIRM_REVERTED it was taken back before it could be confirmed']])('that wait while the coordinator is restarted: %s', async (_name, lateMs, outcome) => {
    const operationId = newId(Date.now());
    const waiting = new Promise<void>((resolve) => void api.add('vm1', '8080', '198.19.200.2', { confirm: { manual: true } }, { mode: { operationId }, waiting: resolve }).catch(() => undefined));
    await waiting;
    const begun = performance.now();
    await fleet.restart();
    expect(performance.now() - begun, 'the wait does not hold the coordinator up').toBeLessThan(15_000);
    if (lateMs > 0) pass(lateMs);
    hosts.attach(fleet);
    expect(await operationOf(operationId)).toMatch(/^OUTCOME_UNKNOWN/);
    if (lateMs === 0) await until(() => api.confirm('vm1').then(() => true, () => false), { timeoutMs: 20_000, everyMs: 100, what: 'the change to wait again for a person' });
    await until(async () => !(await operationOf(operationId)).startsWith('OUTCOME_UNKNOWN'), { timeoutMs: 20_000, everyMs: 100, what: 'the operation to be settled' });
    expect(await operationOf(operationId)).toBe(outcome);
    expect(made()).toEqual(lateMs === 0 ? ['8080 198.19.200.2'] : []);
  });

  it('of two operators at once: one wins, the other is told what has moved', async () => {
    const [one, other] = await Promise.all([api.add('vm1', '8080', '198.19.200.2', {}, { mode: 'PLAN' }), api.add('vm1', '8081', '198.19.200.3', {}, { mode: 'PLAN' })]);
    const both = await Promise.all([api.add('vm1', '8080', '198.19.200.2', {}, { mode: { planId: one.planId } }), api.add('vm1', '8081', '198.19.200.3', {}, { mode: { planId: other.planId } })]);
    expect(both.map(({ outcome }) => outcome).sort()).toEqual(['failed', 'ok']);
    const loser = both.find(({ outcome }) => outcome === 'failed');
    expect(loser?.errors).toMatchObject([{ code: 'STATE_MOVED', fields: { moved: expect.stringMatching(/^tcp\/808[01]/) as unknown } }]);
    const same = await Promise.allSettled([api.add('vm1', '9000', '198.19.200.2'), api.add('vm1', '9000', '198.19.200.3')]);
    expect(same.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(same.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'NAT_EXISTS' } });
    // A plan that was said yes to is refused when the host is another by then.
    const { planId } = await api.remove('vm1', 'tcp/9000', 'PLAN');
    await api.add('vm1', '9001', '198.19.200.2');
    const stale = await api.remove('vm1', 'tcp/9000', { planId });
    expect(stale).toMatchObject({ outcome: 'failed', errors: [{ code: 'STATE_MOVED' }] });
  });

  it('lead to a host of the inventory and follow it, and it cannot go while they do', async () => {
    await fleet.invite('web1', { parent: 'vm1', address: '198.19.200.2' });
    await fleet.invite('far1', { address: '198.19.200.9' });
    await expect(api.add('vm1', '8080', '', { toHost: 'far1' })).rejects.toMatchObject({ code: 'NAT_DESTINATION' });
    await expect(api.add('vm1', '8080', '', { toHost: 'vm1' })).rejects.toMatchObject({ code: 'NAT_DESTINATION' });
    expect(await api.add('vm1', '8080', '', { toHost: 'web1' })).toMatchObject({ outcome: 'ok' });
    expect(made()).toEqual(['8080 198.19.200.2']);
    await fleet.api.unary(hostService, 'SetHost', { host: 'web1', address: '198.19.200.7' }, deadline);
    await until(() => made()[0] === '8080 198.19.200.7', { timeoutMs: 20_000, everyMs: 50, what: 'the forward to follow' });
    expect(await api.list('vm1')).toMatchObject([{ toHost: 'web1', forward: { toAddress: '198.19.200.7' }, pending: false }]);
    for (const refused of [fleet.api.unary(hostService, 'RetireHost', { host: 'web1' }, deadline), fleet.api.unary(hostService, 'SetHost', { host: 'web1', parent: '' }, deadline)]) {
      await expect(refused).rejects.toMatchObject({ code: 'NAT_DESTINATION', fields: expect.objectContaining({ value: 'web1', host: 'vm1' }) as unknown });
    }
    await api.remove('vm1', 'tcp/8080');
    await fleet.api.unary(hostService, 'RetireHost', { host: 'web1' }, deadline);
  });

  it('of a host that only dials out, and of one with a host behind it that is reached through its agent', async () => {
    const till = await fleet.addAgent('till7', { link: 'dial-out', host: createSimulatedHost({ clock }) });
    const before = till.firstCalls();
    expect(await api.add('till7', '8080', '198.19.200.2')).toMatchObject({ outcome: 'ok', confirmed: ['till7'] });
    expect(till.firstCalls(), 'it dialled in anew before it was confirmed').toBeGreaterThan(before);
    const guest = await fleet.addAgent('guest1', { address: '127.0.8.9', link: 'parent', parent: 'vm1', host: createSimulatedHost({ clock }) });
    expect(await api.add('vm1', '8080', '198.19.200.2')).toMatchObject({ outcome: 'ok', confirmed: ['vm1'] });
    hosts.of(vm1.hostId).onApply = () => void guest.close();
    expect(await api.add('vm1', '8081', '198.19.200.2', {}, { waiting: () => turnOnce() })).toMatchObject({ outcome: 'failed', reasons: ['CONFIRM_REVERTED agent guest1 unreachable'] });
  });

  it('are let go of with the noun: the host keeps them, the inventory does not', async () => {
    await api.add('vm1', '8080', '198.19.200.2');
    const released = await came(fleet.api.stream(hostService, 'ReleaseHost', { options: optionsOf(), host: 'vm1', noun: 'nat' }, {}));
    expect(released).toMatchObject({ outcome: 'ok', hosts: ['vm1 nat: ok'] });
    expect(await api.list()).toEqual([]);
  });

  it('are taken over from others in one change', async () => {
    const others = (row: Partial<NatForward>, more: Partial<ForeignNat> = {}): ForeignNat => ({
      rule: 'ip nat PREROUTING handle 4', owner: 'iptables', problem: '', bootSources: [], masquerade: null, ...more,
      forward: { ...formatForward({ id: 1, protocol: 'tcp', listen: { kind: 'any' }, ports: { first: 80, last: 80 }, to: '198.19.200.2', toPorts: { first: 80, last: 80 }, sources: [], hairpin: false, adopt: false, ...row }), id: 0 },
    });
    const host = hosts.of(vm1.hostId);
    host.foreign = [others({}), others({ ports: { first: 443, last: 443 } }), others({ ports: { first: 25, last: 25 } }, { problem: 'its chain belongs to docker', owner: 'docker' })];
    await expect(api.adopt('vm1', 'tcp/25', 'tcp/99')).rejects.toMatchObject({ items: [{ code: 'NAT_ADOPT', fields: { value: 'tcp/25' } }, { code: 'NAT_ADOPT', fields: { value: 'tcp/99' } }] });
    expect(await api.adopt('vm1')).toMatchObject({ outcome: 'ok', confirmed: ['vm1'], changes: ['+ nat tcp/80 (1)', '+ nat tcp/443 (2)'] });
    expect(host.rules.forwards.map(({ adopt }) => adopt)).toEqual([true, true]);
    expect(host.foreign).toHaveLength(1);
    const rows = await api.list('vm1');
    expect(rows.map(({ forward, pending }) => [forward?.adopt, pending])).toEqual([[false, false], [false, false]]);
    const heard = host.heard.filter((line) => line.startsWith('apply')).length;
    fleet.office().converge(vm1.hostId);
    expect(await accessApi(fleet.api).apply('vm1', 'nat')).toMatchObject({ outcome: 'ok', changes: [] });
    expect(host.heard.filter((line) => line.startsWith('apply')).length).toBe(heard + 1);
    await expect(api.adopt('vm1')).rejects.toMatchObject({ code: 'NAT_ADOPT' });
  });

  it.skipIf(process.getuid?.() !== 0)('are an operator’s own only within the scope, also where they lead to (as root, who can become others)', async () => {
    const [account] = debianAccounts(1);
    await fleet.api.unary(hostService, 'SetHost', { host: 'vm1', setLabels: ['site=ams'] }, deadline);
    await fleet.invite('in1', { parent: 'vm1', address: '198.19.200.2' });
    await fleet.invite('out1', { parent: 'vm1', address: '198.19.200.3' });
    await fleet.api.unary(hostService, 'SetHost', { host: 'in1', setLabels: ['site=ams'] }, deadline);
    await fleet.api.unary(operators, 'AddOperator', { name: account?.name ?? '', role: 'operator', labels: ['site=ams'] }, deadline);
    await api.add('web2', '8080', '198.19.200.9');
    await api.add('vm1', '8000', '', { toHost: 'out1' });
    const scoped = await apiAs(account?.uid ?? -1, fleet);
    try {
      const its = natApi(scoped.channel);
      await expect(its.add('web2', '8081', '198.19.200.9')).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
      await expect(its.add('vm1', '8081', '', { toHost: 'out1' })).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
      await expect(its.add('vm1', '8081', '198.19.200.3')).rejects.toMatchObject({ code: 'SCOPE_REFUSED' });
      expect(await its.add('vm1', '8081', '', { toHost: 'in1' })).toMatchObject({ outcome: 'ok' });
      expect(await its.add('vm1', '8082', '198.19.200.2')).toMatchObject({ outcome: 'ok' });
      expect((await its.list()).map(({ hostName, toHost }) => [hostName, toHost])).toEqual([['vm1', 'a host outside your scope'], ['vm1', 'in1'], ['vm1', '']]);
    } finally {
      await scoped.close();
    }
  });
});

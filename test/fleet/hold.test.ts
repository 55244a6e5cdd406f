import { rmSync } from 'node:fs';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatStoredHolds } from '../../agent/hold/stored.js';
import { createAgentServer } from '../../agent/server.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { AuditServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/AuditService.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { PlanServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/PlanService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { toDuration } from '../../shared/rpc/time.js';
import { createTurnedClock, scratchFolder, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const planService = serviceName<PlanServiceDefinition>('reeve.coordinator.v1.PlanService');
const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const auditService = serviceName<AuditServiceDefinition>('reeve.coordinator.v1.AuditService');
const deadline = { deadlineMs: 20_000 };
const hour = 3_600_000;

type Result = NonNullable<ChangeEvent['host']>;

describe('a held host', () => {
  let fleet: LoopbackFleet;
  let agent: LoopbackAgent;
  let clock: TurnedClock;

  beforeEach(async () => {
    clock = createTurnedClock();
    fleet = await startLoopbackFleet({ clock });
    agent = await fleet.addAgent('web1', { host: createSimulatedHost() });
    await change('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } });
  });

  afterEach(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  /** Runs a command on web1; the last thing that the host said in it. */
  async function change(verb: 'AddUser' | 'LockUser' | 'UnlockUser' | 'RemoveUser' | 'Reconcile', request: object, mode: 'PLAN' | 'STAGE' | 'APPLY' = 'APPLY'): Promise<Result | undefined> {
    const asked = { options: { mode: `CHANGE_MODE_${mode}` as const }, selector: 'web1', ...request };
    const events = verb === 'Reconcile' ? fleet.api.stream(planService, verb, asked, {}) : fleet.api.stream(userService, verb, asked, {});
    let last: Result | undefined;
    for await (const event of events) last = event.host ?? event.planned?.hosts[0] ?? last;
    return last;
  }
  const add = (name: string, mode?: 'PLAN' | 'STAGE' | 'APPLY') => change('AddUser', { user: { name, kind: 'USER_KIND_HOME', shell: '/bin/bash' } }, mode);
  const hold = (more: object = {}) => fleet.api.unary(hostService, 'HoldHost', { host: 'web1', duration: toDuration(4 * hour), reason: 'disk swap', ...more }, deadline);
  const unhold = () => fleet.api.unary(hostService, 'UnholdHost', { host: 'web1' }, deadline);
  const pending = async (): Promise<string[]> => (await fleet.api.unary(planService, 'ListPending', {}, deadline)).pending.map((row) => row.reason);
  const health = async (): Promise<string[]> => (await fleet.api.unary(fleetService, 'GetStatus', {}, deadline)).health.map((item) => item.code);
  const local = (noun = ''): void =>
    agent.host.setHolds(formatStoredHolds([{ noun, by: 'root', reason: 'hands off', lengthMs: hour, setAtMs: agent.host.clock.now(), bootId: agent.host.bootMark(), setBootMs: agent.host.monotonicMs() }]));

  it('gets a lock at once and nothing else; what was stored is applied when the hold is ended', async () => {
    await hold();
    const planned = await add('ada', 'PLAN');
    expect(planned).toMatchObject({ outcome: 'OUTCOME_PENDING', changes: [], held: [{ kind: 'CHANGE_KIND_CREATE', subject: 'ada' }], errors: [{ code: 'HOST_HELD' }] });
    expect(await pending(), 'a plan stores nothing').toEqual([]);
    expect(await add('ada')).toMatchObject({ outcome: 'OUTCOME_PENDING', changes: [], held: [{ subject: 'ada' }] });
    expect(agent.host.users.has('ada')).toBe(false);
    expect((await pending())[0]).toMatch(/^held until \d{4}-.*Z by uid:\S+: disk swap$/);
    expect(await change('LockUser', { name: 'bob' })).toMatchObject({ outcome: 'OUTCOME_PENDING', changes: [{ subject: 'bob' }], held: [{ subject: 'ada' }] });
    expect(agent.host.users.get('bob')?.locked).toBe(true);
    expect(await change('UnlockUser', { name: 'bob' })).toMatchObject({ outcome: 'OUTCOME_PENDING', changes: [] });
    expect(agent.host.users.get('bob')?.locked, 'giving access waits').toBe(true);
    expect(await health()).toEqual(['HELD']);
    const { hosts } = await fleet.api.unary(hostService, 'ListHost', {}, deadline);
    expect(hosts[0]?.holds).toMatchObject([{ noun: '', reason: 'disk swap', local: false }]);
    expect(hosts[0]).toMatchObject({ pending: ['user'], drifted: [] });

    expect(await unhold()).toMatchObject({ ended: 1 });
    await until(async () => (await pending()).length === 0, { timeoutMs: 20_000, everyMs: 20, what: 'what is pending to be applied' });
    expect(agent.host.users.get('bob')?.locked).toBe(false);
    expect(agent.host.users.has('ada')).toBe(true);
    expect(await health()).toEqual([]);
    expect(await unhold()).toMatchObject({ ended: 0 });
  });

  it('is applied whole when all that is asked removes access: nothing is pending then', async () => {
    await hold();
    expect(await change('LockUser', { name: 'bob' })).toMatchObject({ outcome: 'OUTCOME_OK', held: [] });
    expect(await change('RemoveUser', { name: 'bob' })).toMatchObject({ outcome: 'OUTCOME_OK' });
    expect(agent.host.users.size).toBe(0);
    expect(await pending()).toEqual([]);
  });

  it('is free again when its time has come, also when the coordinator was not there then', async () => {
    await hold({ duration: toDuration(60_000), noun: 'user' });
    await add('ada');
    await fleet.restart();
    await fleet.waitState(agent.hostId, 'connected');
    expect(agent.host.users.has('ada'), 'a host that comes up is still held').toBe(false);
    clock.turn(61_000);
    expect(await health(), 'it counts no more, whether or not anybody has looked').not.toContain('HELD');
    await fleet.restart();
    await until(() => agent.host.users.has('ada'), { timeoutMs: 20_000, everyMs: 20, what: 'ada to be made' });
    await until(async () => (await pending()).length === 0, { timeoutMs: 20_000, everyMs: 20, what: 'nothing to be pending' });
    const { records } = await fleet.api.unary(auditService, 'ListAudit', { limit: 50 }, deadline);
    expect(records.map((record) => record.action)).toEqual(expect.arrayContaining(['host hold web1', 'host hold web1 ended']));
  });

  it('that was away gets the locks it missed when it returns, and no more', async () => {
    await hold();
    await agent.server.close(0);
    await fleet.waitState(agent.hostId, 'lost');
    await add('ada');
    await change('LockUser', { name: 'bob' });
    const again = scratchFolder('again');
    const returned = await createAgentServer({ host: agent.host, identity: agent.identity, stateDir: again, listen: { host: '127.0.0.1', port: agent.port }, log: pino({ level: 'silent' }) });
    await until(() => agent.host.users.get('bob')?.locked === true, { timeoutMs: 20_000, everyMs: 20, what: 'bob to be locked' });
    await until(async () => (await pending())[0]?.startsWith('held until') === true, { timeoutMs: 20_000, everyMs: 20, what: 'the rest to be held' });
    expect(agent.host.users.has('ada')).toBe(false);
    await returned.close(0);
    rmSync(again, { recursive: true });
  });

  it('by its own root is shown like the rest, cannot be lifted from here, and what waited is applied when it is over', async () => {
    local();
    await until(async () => (await health()).includes('HELD'), { timeoutMs: 20_000, everyMs: 20, what: 'the hold to be told' });
    expect(await add('ada')).toMatchObject({ outcome: 'OUTCOME_PENDING', held: [{ subject: 'ada' }], errors: [{ code: 'HOST_HELD' }] });
    expect((await pending())[0]).toMatch(/^held until .* by root on the host itself: hands off$/);
    expect(await unhold()).toMatchObject({ ended: 0, host: { holds: [{ local: true }] } });
    expect(await change('Reconcile', {})).toMatchObject({ outcome: 'OUTCOME_PENDING' });
    expect(agent.host.users.has('ada')).toBe(false);
    agent.host.setHolds(undefined);
    await until(() => agent.host.users.has('ada'), { timeoutMs: 20_000, everyMs: 20, what: 'ada to be made' });
    await until(async () => (await pending()).length === 0 && (await health()).length === 0, { timeoutMs: 20_000, everyMs: 20, what: 'all to be well' });
  });

  it('whose drift was to be repaired owes that from then on', async () => {
    const bob = agent.host.users.get('bob');
    if (bob === undefined) throw new Error('bob is missing');
    agent.host.users.set('bob', { ...bob, shell: '/bin/sh' });
    agent.host.touch('accounts');
    await until(async () => (await health()).includes('DRIFT'), { timeoutMs: 20_000, everyMs: 20, what: 'the drift to be seen' });
    await hold();
    expect(await change('Reconcile', {})).toMatchObject({ outcome: 'OUTCOME_PENDING', held: [{ subject: 'bob' }] });
    expect(await pending()).toHaveLength(1);
    await unhold();
    await until(() => agent.host.users.get('bob')?.shell === '/bin/bash', { timeoutMs: 20_000, everyMs: 20, what: 'the repair' });
  });

  it.each<[object, RegExp]>([
    [{ duration: toDuration(59_000) }, /length of the hold "59s" is not allowed: 1m to 30d/],
    [{ duration: toDuration(31 * 24 * hour) }, /length of the hold/],
    [{ duration: null }, /length of the hold is missing/],
    [{ reason: '' }, /reason is missing/],
    [{ reason: 'a\u202eb' }, /reason .* is not allowed/],
    [{ noun: 'nonsense' }, /noun "nonsense" is not allowed: one of .*user/],
    [{ host: 'nowhere' }, /No host "nowhere"/],
  ])('%j is refused and holds nothing', async (more, message) => {
    await expect(hold(more)).rejects.toThrow(message);
    expect(await health()).toEqual([]);
  });
});

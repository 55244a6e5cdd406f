import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../coordinator/inventory/database.js';
import { addHost } from '../../coordinator/inventory/host.js';
import { addHostKey, getHostKey, tidyKeys, type HostKey } from '../../coordinator/inventory/key.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { UserServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/UserService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import { createTurnedClock, startLoopbackFleet, type LoopbackAgent, type LoopbackFleet, type TurnedClock } from '../support/loopback-fleet.js';
import { createSimulatedHost } from '../support/simulated-host.js';
import { until } from '../support/until.js';

const userService = serviceName<UserServiceDefinition>('reeve.coordinator.v1.UserService');
const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const minute = 60_000;

describe('the list of keys', () => {
  const day = 86_400_000;
  const states = ['staged', 'current', 'old', 'revoked'] as const;

  it('forgets no key whose certificate may still be shown, whatever became of it, and never a current one', () => {
    const db = openDatabase(':memory:');
    const keys = fc.array(fc.record({ state: fc.constantFrom(...states), endsInMs: fc.integer({ min: -10 * day, max: 10 * day }) }), { maxLength: 30 });
    fc.assert(
      fc.property(keys, fc.integer({ min: 20 * day, max: 4e12 }), (made, now) => {
        db.prepare('DELETE FROM host_key').run();
        const rows = made.map(({ state, endsInMs }, index): HostKey => {
          const hostId = newId(index + 1);
          addHost(db, { id: hostId, name: `host-${hostId}`, endpoint: undefined, parentId: undefined, now });
          const key = { fingerprint: index.toString(16).padStart(64, '0'), hostId, publicKey: Buffer.alloc(91, index), state, notAfterMs: now + endsInMs };
          addHostKey(db, { ...key, issuedAtMs: now - 20 * day });
          return key;
        });
        const forgotten = tidyKeys(db, now);
        for (const key of rows) {
          const kept = getHostKey(db, key.fingerprint) !== undefined;
          const mayBeShown = key.notAfterMs + day >= now;
          if (mayBeShown || key.state === 'current' || key.state === 'staged') expect(kept, JSON.stringify({ ...key, now })).toBe(true);
          else expect(kept, 'and it is tidied at all').toBe(false);
        }
        expect(forgotten).toBe(rows.filter((key) => getHostKey(db, key.fingerprint) === undefined).length);
      }),
      { numRuns: 300 },
    );
    db.close();
  });
});

describe('a host whose clock differs', () => {
  let fleet: LoopbackFleet;
  let agent: LoopbackAgent;
  let clock: TurnedClock;
  let hostClock: TurnedClock;

  beforeEach(async () => {
    clock = createTurnedClock();
    hostClock = createTurnedClock();
    fleet = await startLoopbackFleet({ clock });
    agent = await fleet.addAgent('web1', { host: createSimulatedHost({ clock: hostClock }) });
    await run('AddUser', { user: { name: 'ada', kind: 'USER_KIND_HOME', shell: '/bin/bash' } });
  });

  afterEach(async () => {
    await fleet.close();
    expect(fleet.bugs).toEqual([]);
  });

  async function run(verb: 'AddUser' | 'LockUser' | 'UnlockUser' | 'RemoveUser', request: object): Promise<{ outcome: string; codes: string[] }> {
    const results: NonNullable<ChangeEvent['host']>[] = [];
    let planned: NonNullable<ChangeEvent['planned']>['hosts'] = [];
    let outcome = '';
    for await (const event of fleet.api.stream(userService, verb, { selector: 'all', options: { mode: 'CHANGE_MODE_APPLY' }, ...request }, {})) {
      if (event.planned) planned = event.planned.hosts;
      if (event.host) results.push(event.host);
      if (event.finished) outcome = event.finished.outcome;
    }
    return { outcome, codes: [...planned, ...results].flatMap((host) => host.errors.map((error) => error.code)) };
  }

  /** Turns the host's clock and lets the coordinator hear of it. */
  const turn = async (ms: number): Promise<void> => {
    hostClock.turn(ms);
    fleet.office().fleet.refresh(agent.hostId);
    await until(
      () => {
        const { state, clockOffsetMs } = fleet.office().fleet.live(agent.hostId);
        return state === 'connected' && Math.abs(clockOffsetMs - ms) < minute / 2;
      },
      { timeoutMs: 20_000, everyMs: 20, what: `the coordinator to hear of a clock that is ${String(ms)} ms off` },
    );
  };
  const warnings = async (): Promise<string[]> => (await fleet.api.unary(fleetService, 'GetStatus', {}, { deadlineMs: 5_000 })).health.filter((item) => item.code === 'CLOCK_SKEW').map((item) => item.text);

  it.each([-4, 4])('by %i minutes is not worth a word', async (minutes) => {
    await turn(minutes * minute);
    expect(await warnings()).toEqual([]);
    expect(await run('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } })).toEqual({ outcome: 'OUTCOME_OK', codes: [] });
  });

  it.each([-9, 9])('by %i minutes is warned of, and changed', async (minutes) => {
    await turn(minutes * minute);
    expect(await warnings()).toEqual([expect.stringContaining(minutes < 0 ? '540 s behind' : '540 s ahead')]);
    expect(await run('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } })).toEqual({ outcome: 'OUTCOME_OK', codes: [] });
    expect(agent.host.users.has('bob')).toBe(true);
  });

  it.each([-11, 11, -3 * 24 * 60, 3 * 24 * 60])('by %i minutes is warned of and refuses changes, but takes access away', async (minutes) => {
    await turn(minutes * minute);
    expect(await warnings()).toEqual([expect.stringContaining(`${String(Math.abs(minutes) * 60)} s ${minutes < 0 ? 'behind' : 'ahead'}`)]);
    const refused = await run('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } });
    expect(refused).toEqual({ outcome: 'OUTCOME_FAILED', codes: ['CLOCK_SKEW'] });
    expect(agent.host.users.has('bob')).toBe(false);
    expect(await run('LockUser', { name: 'ada' })).toEqual({ outcome: 'OUTCOME_OK', codes: [] });
    expect(agent.host.users.get('ada')?.locked).toBe(true);
    expect((await run('UnlockUser', { name: 'ada' })).codes).toEqual(['CLOCK_SKEW']);
    expect(agent.host.users.get('ada')?.locked).toBe(true);
    expect(await run('RemoveUser', { name: 'ada' })).toEqual({ outcome: 'OUTCOME_OK', codes: [] });
    expect(agent.host.users.has('ada')).toBe(false);
  });

  it('and comes back in time does what was refused', async () => {
    await turn(11 * minute);
    expect((await run('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } })).codes).toEqual(['CLOCK_SKEW']);
    await turn(0);
    expect(await run('AddUser', { user: { name: 'bob', kind: 'USER_KIND_HOME', shell: '/bin/bash' } })).toEqual({ outcome: 'OUTCOME_OK', codes: [] });
    expect(await warnings()).toEqual([]);
  });
});

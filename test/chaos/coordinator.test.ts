import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Api } from '../../coordinator/cli/connect.js';
import { userService } from '../../coordinator/cli/service.js';
import type { ChangeEvent } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeEvent.js';
import type { ChangeOptionsInput } from '../../shared/gen/proto/reeve/coordinator/v1/ChangeOptions.js';
import { newId } from '../../shared/kit/id.js';
import { relayApi, type ApiRelay } from '../support/chaos-relay.js';
import { accountState, arm, helperRecords, leftovers, prepareUnit, waitReachable, waitRestarted, waitSettled } from '../support/chaos.js';
import { hosts, startFleet, type TestFleet } from '../support/fleet.js';
import { until } from '../support/until.js';

const managed = ['web1', 'web2', 'web3'] as const;

/** What the coordinator says of an operation. */
interface Shown {
  readonly operation: { readonly outcome: string };
  readonly hosts: readonly { readonly hostName: string; readonly outcome: string; readonly errors: readonly { readonly code: string }[] }[];
}

describe.skipIf(!hosts.ok)('answers that get lost', () => {
  let fleet: TestFleet;
  let relay: ApiRelay;

  beforeAll(async () => {
    fleet = await startFleet({ name: 'chaoscoord', hosts: managed, packages: 'test' });
    await prepareUnit(fleet.hub, 'reeved');
    relay = await relayApi(fleet.hub);
  });
  afterAll(async () => {
    await relay.close();
    fleet.close();
  });

  const addUser = (api: Api, name: string, selector: string, options: ChangeOptionsInput): AsyncGenerator<ChangeEvent> =>
    api.stream(userService, 'AddUser', { options, selector, user: { name, kind: 'USER_KIND_HOME', shell: '/bin/bash', comment: '', groups: [] } });

  async function collect(events: AsyncGenerator<ChangeEvent>): Promise<ChangeEvent[]> {
    const all: ChangeEvent[] = [];
    for await (const event of events) all.push(event);
    return all;
  }

  const outcomeOf = (events: readonly ChangeEvent[]): string => events.at(-1)?.finished?.outcome ?? 'none';
  const show = (id: string): Promise<Shown> => fleet.json<Shown>(['operation', 'show', id]);

  async function expectMadeOnce(name: string, on: readonly string[]): Promise<void> {
    for (const host of on) expect(await accountState(fleet.host(host), name), `${name} on ${host}`).toMatchObject({ entries: 3, marker: 'owned', home: true, made: 1, deleted: 0 });
  }

  test('kill -9 of the coordinator between the hosts of one command: nothing is lost and nothing is done twice', async () => {
    const points = ['coordinator.change.sent:2', 'coordinator.change.sent:3', 'coordinator.change.answered:2', 'coordinator.change.recorded:2', 'coordinator.change.recorded:3'];
    for (const [index, point] of points.entries()) {
      const name = `mid${String(index)}`;
      await arm(fleet.hub, 'reeved', point);
      await Promise.all(managed.map((host) => waitReachable(fleet, host)));
      expect((await fleet.reeve(['user', 'add', name, '--on', 'all', '--yes'])).code, point).not.toBe(0);
      await waitRestarted(fleet.hub, 'reeved');
      await Promise.all(managed.map((host) => waitReachable(fleet, host)));
      await waitSettled(fleet);
      await expectMadeOnce(name, managed);
    }
    expect(await fleet.json(['audit', 'verify'])).toMatchObject({ intact: true });
  });

  test('the coordinator’s answer is lost, and the client asks again with the same operation id: one effect, the same answer', async () => {
    const rounds = 20;
    let once = 0;
    for (let round = 0; round < rounds; round += 1) {
      const name = `lost${String(round)}`;
      const operationId = newId(Date.now());
      const options = { mode: 'CHANGE_MODE_APPLY', operationId } as const;
      const given = new AbortController();
      const first = connect(relay.path, given.signal);
      await first.call(userService, 'ListUser', { selector: 'all', name: '' });
      relay.loseAnswers(true);
      const answer = collect(addUser(first, name, 'web3', options)).then(() => 'answered', () => 'lost');
      await until(async () => (await show(operationId)).operation.outcome === 'ok', { timeoutMs: 20_000, what: 'the command to be carried out' });
      given.abort();
      expect(await answer).toBe('lost');
      first.close();
      relay.loseAnswers(false);

      const second = connect(relay.path, AbortSignal.timeout(30_000));
      const again = await collect(addUser(second, name, 'web3', options));
      expect(again.map((event) => event.host?.hostName ?? event.finished?.operationId)).toEqual(['web3', operationId]);
      expect(outcomeOf(again)).toBe('OUTCOME_OK');
      await expect(collect(addUser(second, `${name}x`, 'web3', options))).rejects.toMatchObject({ code: 'OPERATION_REUSED' });
      second.close();
      await expectMadeOnce(name, ['web3']);
      const records = (await helperRecords(fleet.host('web3'))).filter((record) => record.args.includes(`name=${name} `));
      expect(records.map((record) => record.phase)).toEqual(['intent', 'result']);
      once += 1;
    }
    console.log(`lost answers, asked again: effects = ${String(once)}/${String(rounds)}`);
  });

  /** Plans, lets `cut` happen, applies that plan; `mend` makes it good again when the coordinator has said what it knows. */
  async function applyThroughFault(host: string, name: string, fault: { cut: () => Promise<unknown>; mend: () => Promise<unknown> }): Promise<void> {
    const api = connect(relay.path, AbortSignal.timeout(120_000));
    const planned = await collect(addUser(api, name, host, { mode: 'CHANGE_MODE_PLAN' }));
    const planId = planned[0]?.planned?.planId ?? '';
    expect(planId).not.toBe('');
    const operationId = newId(Date.now());
    await fault.cut();
    try {
      const events = await collect(addUser(api, name, host, { mode: 'CHANGE_MODE_APPLY', operationId, planId }));
      expect(outcomeOf(events)).toBe('OUTCOME_UNKNOWN');
      const shown = await show(operationId);
      expect(shown.operation.outcome).toMatch(/unknown/i);
      expect(shown.hosts[0]?.errors.map((error) => error.code)).toEqual(['OUTCOME_UNKNOWN']);
      const { pending } = await fleet.json<{ pending: { hostName: string; noun: string }[] }>(['pending']);
      expect(pending.map((row) => row.hostName)).toContain(host);
    } finally {
      await fault.mend();
      api.close();
    }
    await waitReachable(fleet, host);
    await waitSettled(fleet);
    expect((await show(operationId)).operation.outcome, 'settled by asking the agent').not.toMatch(/unknown|running/i);
    await expectMadeOnce(name, [host]);
    expect(await leftovers(fleet.host(host))).toEqual([]);
  }

  test('an agent that stands still, and one whose answers do not arrive: the outcome is said to be unknown, and settled when they are back; one effect each', async () => {
    const agent = (signal: string): Promise<string> => fleet.host('web1').run(['systemctl', 'kill', `--signal=${signal}`, '--kill-whom=main', 'reeve-agent']);
    const nft = (rules: string): Promise<string> => fleet.hub.run(['nft', '-f', '-'], { input: rules });
    const dropAnswers = `table inet chaos { chain answers { type filter hook input priority 0; ip saddr ${fleet.host('web2').address} drop; }; }\n`;
    await Promise.all([
      applyThroughFault('web1', 'still', { cut: () => agent('STOP'), mend: () => agent('CONT') }),
      applyThroughFault('web2', 'oneway', { cut: () => nft(dropAnswers), mend: () => nft('delete table inet chaos\n') }),
    ]);
  });
});

import { isDeepStrictEqual } from 'node:util';
import type { Fleet } from '../../coordinator/fleet/fleet.js';
import { getGeneration } from '../../coordinator/inventory/generation.js';
import type { HostRow } from '../../coordinator/inventory/host.js';
import { getUser, putUser } from '../../coordinator/inventory/user.js';
import { createChangeEngine, type ChangeEngine } from '../../coordinator/reconcile/change.js';
import { userNoun } from '../../coordinator/reconcile/user.js';
import { desiredUsers } from '../../coordinator/desired/user.js';
import { newId } from '../../shared/kit/id.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import type { User } from '../../shared/model/user.js';
import type { BareChannel } from '../support/bench-bare-client.js';
import type { BenchCoordinator } from '../support/bench-coordinator.js';
import { fanOut } from './no-op.js';
import type { Figure } from './report.js';
import { inTurns, timesOf } from './round.js';

interface Setting {
  readonly coordinator: BenchCoordinator;
  readonly fleet: Fleet;
  readonly engine: ChangeEngine;
  readonly bare: readonly BareChannel[];
  readonly hosts: readonly HostRow[];
}

/** A user on one host and on all: changed and unchanged, by a whole command and by the one call that applies. */
export async function benchApply(coordinator: BenchCoordinator, fleet: Fleet, hosts: readonly HostRow[], bare: readonly BareChannel[]): Promise<Figure[]> {
  const engine = createChangeEngine(coordinator.world, fleet, coordinator.perHost);
  const setting: Setting = { coordinator, fleet, engine, bare, hosts };
  const figures = [...(await measure(setting, 1, 40)), ...(await measure(setting, hosts.length, 12))];
  await engine.idle();
  return figures;
}

async function measure(setting: Setting, count: number, rounds: number): Promise<Figure[]> {
  const on = (round: number): { hosts: readonly HostRow[]; bare: readonly BareChannel[] } => {
    // One host: another one each time, as one agent takes 20 calls a second.
    const from = count === 1 ? round % setting.hosts.length : 0;
    return { hosts: setting.hosts.slice(from, from + count), bare: setting.bare.slice(from, from + count) };
  };
  const file = (round: number): Buffer => Buffer.alloc(2048, `round ${String(round)} of ${String(count)} `);
  const keep = (round: number): Promise<void> => forEachLimited(on(round).bare, fanOut, (channel) => channel.keepFile(file(round)));
  const all = await inTurns(
    [
      { name: 'command changed', run: (round) => command(setting, on(round).hosts, `command ${String(count)} ${String(round)}`, true) },
      { name: 'command unchanged', run: (round) => command(setting, on(round).hosts, `command ${String(count)} ${String(round)}`, false) },
      { name: 'apply changed', run: (round) => apply(setting, on(round).hosts, `apply ${String(count)} ${String(round)}`, true) },
      { name: 'apply unchanged', run: (round) => apply(setting, on(round).hosts, `apply ${String(count)} ${String(round)}`, false) },
      { name: 'bare changed', run: keep },
      { name: 'bare unchanged', run: keep },
    ],
    // In this order: what is unchanged is what was just changed. The rest lets watchers tell what they saw before the next is timed.
    { warmUp: 3, rounds, restMs: count === 1 ? 20 : 400, order: 'same' },
  );
  const where = count === 1 ? '1 simulated agent' : `${String(count)} simulated agents`;
  return (['changed', 'unchanged'] as const).flatMap((what) =>
    (['command', 'apply'] as const).map((way) => ({
      id: `user-${way}-${what}/${String(count)}`,
      title: `user ${way === 'command' ? 'command (plan, store, apply)' : 'apply alone'}, ${what}, ${where}`,
      unit: 'ms',
      values: timesOf(all, `${way} ${what}`).ms,
      peers: [{ name: 'bare grpc-js keeping a 2 kB file', values: timesOf(all, `bare ${what}`).ms }],
    })),
  );
}

function wanted(comment: string): User {
  return { presence: 'present', name: 'ada', account: { kind: 'home', uid: 20_001, shell: '/bin/bash', comment, groups: ['audio'] } };
}

/** What `reeve user add ada --yes` comes to behind the API. */
async function command(setting: Setting, hosts: readonly HostRow[], comment: string, changed: boolean): Promise<void> {
  const user = wanted(comment);
  const steps = setting.engine.run(
    {
      summary: 'user add ada',
      identity: `user add ada ${JSON.stringify(user)}`,
      principal: { name: 'uid:bench', account: '' },
      nouns: [userNoun],
      hosts,
      edit: (db, host, generation) => {
        if (isDeepStrictEqual(getUser(db, host.id, user.name)?.user, user)) return false;
        putUser(db, host.id, user, generation);
        return true;
      },
    },
    { mode: 'apply', planId: undefined, operationId: undefined },
    new AbortController().signal,
  );
  for await (const step of steps) {
    if (step.kind === 'host' && (step.result.outcome !== 'ok' || step.result.changes.length > 0 !== changed)) throw new Error(`${step.result.host.name}: ${JSON.stringify(step.result)}`);
    if (step.kind === 'finished' && step.outcome !== 'ok') throw new Error(`the command came to ${step.outcome}`);
  }
}

/** The one call that applies, without anything the coordinator stores about it. */
async function apply(setting: Setting, hosts: readonly HostRow[], comment: string, changed: boolean): Promise<void> {
  const { world } = setting.coordinator;
  const users = desiredUsers([wanted(comment)]);
  const operationId = newId(world.clock.now());
  await forEachLimited(hosts, fanOut, async (host) => {
    const generation = getGeneration(world.db, host.id, userNoun.name)?.wanted ?? 1;
    const applied = await userNoun.send({ world, fleet: setting.fleet, host }, { mode: 'MODE_APPLY', operationId, generation, epoch: world.epoch }, users);
    if (applied.changes.length > 0 !== changed) throw new Error(`${host.name}: ${JSON.stringify(applied.changes)}`);
  });
}

import type { NatServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/NatService.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { serviceName } from '../../shared/rpc/client.js';
import { getHost } from '../inventory/host.js';
import { confirmOnce, overNewConnection } from './confirm.js';
import type { Destination, Guard, Unconfirmed } from './noun.js';
import type { PersonWait } from './wait.js';
import { awaitBehind, chooseSights, requireWitness, sceneOf, sightProblem } from './witness.js';

const natService = serviceName<NatServiceDefinition>('reeve.agent.v1.NatService');
const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** Times of a wait, ms: between two reports, between two tries of one thing, longest try, and after the deadline until the host has taken the change back. */
const waitMs = { report: 1_000, retry: 500, try: 5_000, after: 15_000 };

/** Most things that are named as missing. */
const mostMissing = 20;

/** The guard of noun nat: a change stays only when all agents that are reached through the host answer again, and sshd of the host is open to those who saw it open. */
export const natGuard: Guard = {
  require(to, { manual }) {
    if (!manual) requireWitness(to, sceneOf(to));
  },
  async prepare(to, planned, { manual }) {
    await awaitBehind(to);
    const scene = sceneOf(to);
    if (!manual) requireWitness(to, scene);
    // Whoever confirms by hand looks for himself; what can be seen helps him.
    const sights = await chooseSights(to, manual ? { ...scene, inside: scene.inside && scene.witnesses.length > 0 } : scene, planned.sshPorts ?? []).catch((error: unknown) => {
      if (manual && error instanceof ReeveError) return [];
      throw error;
    });
    return { manual, agents: scene.agents.map(({ id }) => id), sights };
  },
  async confirm(to, change) {
    const { world, host } = to;
    if (change.resumed && (await isSettled(to, change))) return;
    const person = change.watch.manual ? world.waits.begin(host.id, change.pending.noun, change.pending.operationId) : undefined;
    const outstanding = watchAll(to, change);
    try {
      await confirmInTime(to, change, { person, outstanding });
      person?.end();
    } catch (error) {
      person?.end(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      await outstanding.close();
    }
  },
};

/** Watches what is not yet as it was, confirms when all is, and gives up at the deadline. */
async function confirmInTime(to: Destination, change: Unconfirmed, { person, outstanding }: { person: PersonWait | undefined; outstanding: Outstanding }): Promise<void> {
  const { world, fleet, host } = to;
  const { pending } = change;
  const leftMs = (): number => pending.deadlineMs - fleet.live(host.id).clockOffsetMs - world.clock.now();
  let unsure = false;
  while (leftMs() > 0) {
    if (change.signal.aborted) throw reeveError('CANCELLED');
    change.waiting?.({ leftMs: Math.max(0, leftMs()), missing: outstanding.missing(), manual: person !== undefined });
    if (person === undefined ? outstanding.size === 0 : person.agreed()) {
      const tried = await tryConfirm(to, change);
      if (tried === 'confirmed') return;
      unsure = true;
      outstanding.problems.set(host.id, unreachable(host.name));
    }
    const pause = waitFor(Math.max(1, Math.min(waitMs.report, leftMs())), change.signal);
    await Promise.race([pause, ...(outstanding.size > 0 ? [outstanding.next()] : []), ...(person === undefined || person.agreed() ? [] : [person.agreement])]);
  }
  await afterDeadline(to, change, { unsure, reasons: [...(person === undefined || person.agreed() ? [] : ['nobody confirmed it']), ...outstanding.all()] });
}

/** The deadline has passed: the host takes the change back by itself, and is asked whether it has. Returns when it was confirmed all the same. */
async function afterDeadline(to: Destination, change: Unconfirmed, { unsure, reasons }: { unsure: boolean; reasons: readonly string[] }): Promise<void> {
  const { world, host } = to;
  const reverted = (): ReeveError => reeveError('CONFIRM_REVERTED', { noun: change.pending.noun, host: host.name, reason: (reasons.length === 0 ? ['it was not confirmed in time'] : reasons).slice(0, mostMissing).join(', ') });
  const until = world.clock.monotonic() + waitMs.after;
  while (world.clock.monotonic() < until && !change.signal.aborted) {
    const state = await askState(to, change);
    if (state === 'confirmed') return;
    if (state === 'reverted') throw reverted();
    await waitFor(waitMs.retry, change.signal);
  }
  // Without an answer to a confirmation that was sent nobody knows whether the host had it in time.
  if (unsure) throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: 'it did not say whether the change was confirmed' });
  throw reverted();
}

/** What became of a change that this process did not make. True: it was confirmed. Errors: CONFIRM_REVERTED. */
async function isSettled(to: Destination, change: Unconfirmed): Promise<boolean> {
  const state = await askState(to, change);
  if (state === 'reverted') throw reeveError('CONFIRM_REVERTED', { noun: change.pending.noun, host: to.host.name, reason: 'it was taken back before it could be confirmed' });
  return state === 'confirmed';
}

/** What became of a change, as its host shows it. */
async function askState({ fleet, host }: Destination, { applied }: Unconfirmed): Promise<'confirmed' | 'pending' | 'reverted' | 'unknown'> {
  try {
    const { state, digest } = await fleet.call(host, natService, 'ObserveNat', { foreign: false }, { deadlineMs: waitMs.try });
    if (state === 'pending') return 'pending';
    return state === 'confirmed' && digest.equals(applied.digest) ? 'confirmed' : 'reverted';
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return 'unknown';
  }
}

/** Confirms over a new connection. Errors: CONFIRM_REVERTED. */
async function tryConfirm({ world, fleet, host }: Destination, { pending }: Unconfirmed): Promise<'confirmed' | 'unsure'> {
  try {
    await confirmOnce(world, fleet, host, pending);
    return 'confirmed';
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    if (error.code === 'CONFIRM_UNKNOWN') throw reeveError('CONFIRM_REVERTED', { noun: pending.noun, host: host.name, reason: 'it was taken back before it could be confirmed' }, { cause: error });
    return 'unsure';
  }
}

/** Things that have to be so again. */
interface Outstanding {
  /** How many are not. */
  readonly size: number;
  /** What is wrong with those that were tried, by key. */
  readonly problems: Map<string, string>;
  /** What is known to be missing, for people. */
  missing(): readonly string[];
  /** All that is missing, also what no try has ended of. */
  all(): readonly string[];
  /** Resolves when one more is as it was. */
  next(): Promise<void>;
  /** Ends the looking. */
  close(): Promise<void>;
}

/** Begins to look at everything that was so before, each until it is again. */
function watchAll(to: Destination, { watch, signal }: Unconfirmed): Outstanding {
  const { world, fleet } = to;
  const open = new Map<string, string>();
  const problems = new Map<string, string>();
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, signal]);
  const looking: Promise<void>[] = [];
  let wake = (): void => undefined;
  let changed = new Promise<void>((resolve) => (wake = resolve));
  const begin = async (key: string, what: string, look: () => Promise<string | undefined>): Promise<void> => {
    open.set(key, what);
    while (!stop.aborted) {
      const problem = await look();
      if (problem === undefined) break;
      problems.set(key, problem);
      await waitFor(waitMs.retry, stop);
    }
    if (stop.aborted) return;
    open.delete(key);
    problems.delete(key);
    wake();
    changed = new Promise((resolve) => (wake = resolve));
  };
  // What an agent has dialled in with before the change says nothing of connections after it.
  for (const id of [to.host.id, ...watch.agents]) fleet.hangUp(id);
  for (const id of watch.agents) {
    const row = getHost(world.db, id);
    if (row?.state === 'joined') looking.push(begin(id, unreachable(row.name), () => agentProblem({ world, fleet, host: row }, stop)));
  }
  for (const sight of watch.sights) looking.push(begin(`${sight.from} ${String(sight.port)}`, `sshd at port ${String(sight.port)} was not looked at`, () => sightProblem(to, sight, stop)));
  return {
    get size() {
      return open.size;
    },
    problems,
    missing: () => [...problems.values()].slice(0, mostMissing),
    all: () => [...open].map(([key, what]) => problems.get(key) ?? what).concat([...problems].filter(([key]) => !open.has(key)).map(([, problem]) => problem)),
    next: () => changed,
    async close() {
      over.abort();
      await Promise.all(looking);
    },
  };
}

function unreachable(name: string): string {
  return `agent ${name} unreachable`;
}

/** Whether an agent answers over a new connection; why not, for people. */
async function agentProblem(to: Destination, signal: AbortSignal): Promise<string | undefined> {
  try {
    await overNewConnection(to, (channel) => channel.unary(statusService, 'GetStatus', {}, { deadlineMs: waitMs.try, signal }));
    return undefined;
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return unreachable(to.host.name);
  }
}

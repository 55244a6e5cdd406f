/** The process of the bench of alerts: an inventory of 10,000 hosts, of which all are there or all are lost, and what watches over them. Takes one message at a time. */
import { mkdirSync } from 'node:fs';
import { createFleet } from '../../coordinator/fleet/fleet.js';
import type { Live } from '../../coordinator/fleet/live.js';
import { addRoute } from '../../coordinator/inventory/alert-route.js';
import { writing } from '../../coordinator/inventory/write.js';
import { createSend } from '../../coordinator/notify/send.js';
import { noNotify } from '../../coordinator/notify/config.js';
import { keepAlerts, type AlertKeeper } from '../../coordinator/reconcile/alert.js';
import type { Clock } from '../../shared/kit/clock.js';
import { createBenchCoordinator } from './bench-coordinator.js';
import { answerParent } from './bench-process.js';
import { createSimulatedHost } from './simulated-host.js';

/** What the process is asked. `look` lets so much time pass before. */
export type AlertAsk =
  | { readonly kind: 'start'; readonly stateDir: string; readonly hosts: number; readonly webhook: string }
  | { readonly kind: 'state'; readonly state: Live['state'] }
  | { readonly kind: 'look'; readonly passMs: number };

/** Times of a look. */
export interface LookMeasured {
  /** From its begin until all that it told was taken, ms. */
  readonly ms: number;
  /** The longest time for which nothing else could be done, ms. */
  readonly blockMs: number;
}

let turnedMs = 0;
let keeper: AlertKeeper | undefined;
let become: (state: Live['state']) => void = () => undefined;

answerParent(async (ask: AlertAsk) => {
  switch (ask.kind) {
    case 'start':
      await start(ask);
      return true;
    case 'state':
      become(ask.state);
      return true;
    case 'look':
      turnedMs += ask.passMs;
      return measureLook();
  }
});

async function start({ stateDir, hosts, webhook }: Extract<AlertAsk, { kind: 'start' }>): Promise<void> {
  mkdirSync(stateDir, { recursive: true });
  const bench = createBenchCoordinator(stateDir);
  const clock: Clock = { now: () => bench.world.clock.now() + turnedMs, monotonic: () => bench.world.clock.monotonic() + turnedMs };
  const world = { ...bench.world, clock };
  const ids = bench.addHosts(hosts);
  const facts = await createSimulatedHost().readFacts();
  let state: Live['state'] = 'connected';
  let sinceMs = clock.now();
  become = (next) => {
    state = next;
    sinceMs = clock.now();
  };
  const known = new Set(ids);
  const fleet = createFleet(world);
  const live = (id: string): Live => {
    if (!known.has(id)) return fleet.live(id);
    const connected = state === 'connected';
    return { state, sinceMs, reason: connected ? '' : 'no sign of life', lastSeenMs: connected ? clock.now() : sinceMs, clockOffsetMs: 3, status: undefined, facts: { facts, lossy: false }, certificateNotAfterMs: clock.now() + 6 * 86_400_000 };
  };
  writing(world.db, () => addRoute(world.db, { target: { way: 'webhook', url: webhook }, kinds: [], severity: 'info', selector: '', remind: true, by: 'bench', addedAtMs: clock.now() }));
  keeper = keepAlerts(world, { ...fleet, live }, { send: createSend(noNotify), link: undefined, onBug: (error) => { throw error; } });
}

async function measureLook(): Promise<LookMeasured> {
  if (keeper === undefined) throw new Error('the bench was not started');
  const begin = performance.now();
  let [last, blockMs, over] = [begin, 0, false];
  const turn = (): void => {
    const now = performance.now();
    blockMs = Math.max(blockMs, now - last);
    last = now;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  keeper.look();
  await keeper.idle();
  const ms = performance.now() - begin;
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  over = true;
  return { ms, blockMs };
}

/** The process of the bench of metrics: an inventory of 10,000 hosts that are all connected, their history, and the listener on it. Takes one message at a time. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { historySample } from '../../coordinator/desired/history.js';
import { createFleet } from '../../coordinator/fleet/fleet.js';
import type { Live } from '../../coordinator/fleet/live.js';
import { openHistory, pointEvery } from '../../coordinator/inventory/history.js';
import { setMetricToken } from '../../coordinator/inventory/metric.js';
import { writing } from '../../coordinator/inventory/write.js';
import { listenForMetrics } from '../../coordinator/metric/listen.js';
import { sha256 } from '../../shared/kit/digest.js';
import { createLog } from '../../shared/kit/log.js';
import type { Facts } from '../../shared/model/fact.js';
import { createBenchCoordinator } from './bench-coordinator.js';
import { answerParent } from './bench-process.js';
import { createSimulatedHost } from './simulated-host.js';

/** What the process is asked. */
export type MetricAsk =
  | { readonly kind: 'start'; readonly stateDir: string; readonly hosts: number; readonly secret: Uint8Array }
  | { readonly kind: 'block' }
  | { readonly kind: 'history'; readonly folder: string; readonly hosts: number; readonly days: number };

/** Times of the history. */
export interface HistoryMeasured {
  /** 10,000 samples in one note, ms: the first of an hour, with disks, and another. */
  readonly withDisks: readonly number[];
  readonly withoutDisks: readonly number[];
  /** A minute's share of them, ms. */
  readonly minute: readonly number[];
  /** Points and disks of one host, ms. */
  readonly read: readonly number[];
  readonly tidy: readonly number[];
  /** Size of the file per host after so many days, bytes. */
  readonly hostBytes: number;
}

const delays = monitorEventLoopDelay({ resolution: 1 });
const nativeBinding = fileURLToPath(new URL('better_sqlite3.node', import.meta.url));

answerParent(async (ask: MetricAsk) => {
  switch (ask.kind) {
    case 'start':
      return start(ask);
    case 'block': {
      const longestMs = Math.max(0, delays.max / 1e6 - 1);
      delays.reset();
      delays.enable();
      return longestMs;
    }
    case 'history':
      return measureHistory(ask);
  }
});

/** Answers the port. */
async function start({ stateDir, hosts, secret }: Extract<MetricAsk, { kind: 'start' }>): Promise<number> {
  mkdirSync(stateDir, { recursive: true });
  const { world, addHosts } = createBenchCoordinator(stateDir);
  const ids = addHosts(hosts);
  const facts = await factsOfMany();
  const now = world.clock.now();
  const lives = new Map(ids.map((id, index): [string, Live] => [id, { state: 'connected', sinceMs: now, reason: '', lastSeenMs: now, clockOffsetMs: 3, status: undefined, facts: { facts: facts(index), lossy: false }, certificateNotAfterMs: now + 6 * 86_400_000 }]));
  const fleet = createFleet(world);
  writing(world.db, () => setMetricToken(world.db, { hash: sha256(secret), now }));
  const office = { ...world, startedAtMs: now, fleet: { ...fleet, live: (id: string) => lives.get(id) ?? fleet.live(id) } };
  const { port } = await listenForMetrics(office, { at: { kind: 'port', address: '127.0.0.1', port: 0 }, tls: undefined }, (error) => {
    throw error;
  });
  return port;
}

/** Facts of a host with three disks, by its number. */
async function factsOfMany(): Promise<(index: number) => Facts> {
  const facts = await createSimulatedHost().readFacts();
  const [disk] = facts.disks;
  if (disk === undefined) throw new Error('a simulated host has a disk');
  return (index) => ({ ...facts, load: [0, 0.01 * (index % 700), 0], disks: ['/', '/srv', '/var/lib/backup'].map((mount, at) => ({ ...disk, mount, availableBytes: disk.availableBytes - 4096 * ((index * 7 + at) % 1_000_000) })) });
}

async function measureHistory({ folder, hosts, days }: Extract<MetricAsk, { kind: 'history' }>): Promise<HistoryMeasured> {
  mkdirSync(folder, { recursive: true });
  const facts = await factsOfMany();
  const log = createLog('bench', 'warn');
  const begin = Date.parse('2026-03-01T00:00:00Z');
  const samplesOf = (count: number, atMs: number): ReturnType<typeof historySample>[] =>
    Array.from({ length: count }, (_none, index) => historySample(`host${String(index)}`.padEnd(36, '-'), { ...facts(index + Math.floor(atMs / pointEvery.ms)), gatheredAt: atMs }));
  const timed = (work: () => void): number => {
    const at = performance.now();
    work();
    return performance.now() - at;
  };

  const large = openHistory(join(folder, 'large.db'), { nativeBinding, log });
  const [withDisks, withoutDisks, minute]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < 6; round += 1) {
    const at = begin + round * 3_600_000;
    const whole = samplesOf(hosts, at);
    withDisks.push(timed(() => large.note(whole, at)));
    withoutDisks.push(timed(() => large.note(whole, at + pointEvery.ms)));
    const share = whole.filter((_none, index) => index % 10 === 3);
    minute.push(timed(() => large.note(share, at + 2 * pointEvery.ms)));
  }
  large.close();

  const few = Math.max(1, Math.floor(hosts / 50));
  const long = openHistory(join(folder, 'long.db'), { nativeBinding, log });
  const tidy: number[] = [];
  const end = begin + days * 86_400_000;
  for (let at = begin; at < end; at += pointEvery.ms) {
    long.note(samplesOf(few, at), at);
    tidy.push(timed(() => long.tidy(at)));
  }
  const read = Array.from({ length: 20 }, (_none, index) => timed(() => {
    const id = `host${String(index)}`.padEnd(36, '-');
    long.points(id, end - 86_400_000);
    long.disks(id, end);
  }));
  const hostBytes = long.sizeBytes() / few;
  long.close();
  return { withDisks, withoutDisks, minute, read, tidy: tidy.slice(-50), hostBytes: Math.max(hostBytes, statSync(join(folder, 'long.db')).size / few) };
}

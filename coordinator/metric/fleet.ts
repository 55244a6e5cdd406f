import { setImmediate as pause } from 'node:timers/promises';
import { backupHealth } from '../desired/backup-health.js';
import type { Fleet } from '../fleet/fleet.js';
import { fleetHealth, type Health } from '../fleet/health.js';
import { holdLookup } from '../fleet/hold.js';
import { backupFacts } from '../inventory/backup-facts.js';
import { listBackups } from '../inventory/backup.js';
import { nextHosts, type HostRow } from '../inventory/host.js';
import { countNouns, countOperations, databaseBytes, firstCertEnds } from '../inventory/metric.js';
import type { World } from '../world.js';
import { addHost } from './host.js';
import { createExposition, formatLabels, type Exposition, type Metric, type TextFormat } from './text.js';

const gauge = (name: string, help: string): Metric => ({ name, type: 'gauge', help });

/** Families of the whole fleet. */
const metrics = {
  build: { name: 'reeve_build', type: 'info', help: 'Version of the coordinator' } as const satisfies Metric,
  hosts: gauge('reeve_hosts', 'Hosts by their state'),
  pendingHosts: gauge('reeve_pending_hosts', 'Hosts with something that is not as it should be yet'),
  driftedHosts: gauge('reeve_drifted_hosts', 'Hosts where something other than Reeve has altered what it manages'),
  heldHosts: gauge('reeve_held_hosts', 'Hosts that are held, in whole or in part'),
  lag: gauge('reeve_reconcile_lag_seconds', 'Age of the oldest change that a connected host without a hold still owes, 0 when there is none'),
  health: gauge('reeve_health_items', 'Things that are wrong, as "reeve status" lists them, by code and severity'),
  operations: { name: 'reeve_operations', type: 'counter', help: 'Operations that have ended since reeved started, by outcome' } as const satisfies Metric,
  running: gauge('reeve_operations_running', 'Operations that run'),
  cert: gauge('reeve_cert_left_seconds', 'Time until a certificate of a service ends; the 1000 that end first'),
  backupActive: gauge('reeve_backup_active', 'Whether a backup job runs by itself'),
  backupGood: gauge('reeve_backup_last_good_age_seconds', 'Time since the last good run of a backup job ended'),
  backupProof: gauge('reeve_backup_last_proof_age_seconds', 'Time since it was last proved that a backup can be restored'),
  backupProved: gauge('reeve_backup_last_proof_ok', 'Whether that proof was as it is on the source'),
  backupResult: gauge('reeve_backup_last_result', 'How the last run of a backup job ended: 1 good, 0 not'),
  backupState: gauge('reeve_backup_state', 'How a backup job does: 1 at its state'),
  database: gauge('reeve_database_size_bytes', 'Size of the inventory'),
  history: gauge('reeve_history_size_bytes', 'Size of the history of hosts'),
} as const;

/** Hosts, jobs that are looked at before everything else gets its turn: some milliseconds each. */
const slice = { hosts: 100, jobs: 100 } as const;

const mostCerts = 1_000;

const outcomes = ['ok', 'failed', 'unknown', 'pending'] as const;
const hostStates = ['connected', 'lost', 'invited', 'quarantined', 'revoked'] as const;

/** Counts the operations that ended since a time; it goes on from where it was. */
export interface OperationCounter {
  readonly ended: Map<string, number>;
  /** Until when it has counted, unix ms. */
  untilMs: number;
}

/** Counts from a time on, unix ms. */
export function createOperationCounter(fromMs: number): OperationCounter {
  return { ended: new Map(outcomes.map((outcome) => [outcome, 0])), untilMs: fromMs };
}

/** What metrics are made of. */
export type Measured = World & { readonly fleet: Fleet };

/** What collecting needs. */
export interface CollectOptions {
  readonly office: Measured;
  readonly version: string;
  readonly operations: OperationCounter;
  readonly process: { add(to: Exposition): Promise<void> };
}

/** All metrics as text, in pieces. It is done in slices, so that nothing else waits for long. */
export async function collectMetrics(options: CollectOptions, format: TextFormat): Promise<string[]> {
  const { office, operations, version } = options;
  const to = createExposition(format);
  to.add(metrics.build, formatLabels({ version }), 1);
  await options.process.add(to);
  addOperations(to, office, operations);
  await pause();
  to.add(metrics.database, '', databaseBytes(office.db));
  to.add(metrics.history, '', office.history.sizeBytes());
  const now = office.clock.now();
  for (const { host, cert, endsAtMs } of firstCertEnds(office.db, mostCerts)) to.add(metrics.cert, formatLabels({ host, cert }), (endsAtMs - now) / 1000);
  await pause();
  await addBackups(to, office);
  const hosts = await allHosts(office);
  const health = fleetHealth(office, office.fleet, hosts, Infinity);
  await pause();
  addHealth(to, health);
  await addHosts(to, office, hosts);
  return to.pieces();
}

function addOperations(to: Exposition, { db, clock }: Measured, counter: OperationCounter): void {
  // What ends within this millisecond is counted the next time.
  const untilMs = clock.now() - 1;
  const found = countOperations(db, counter.untilMs, untilMs);
  counter.untilMs = untilMs;
  for (const [outcome, count] of found.ended) counter.ended.set(outcome, (counter.ended.get(outcome) ?? 0) + count);
  for (const [outcome, count] of counter.ended) to.add(metrics.operations, formatLabels({ outcome }), count);
  to.add(metrics.running, '', found.running);
}

function addHealth(to: Exposition, health: readonly Health[]): void {
  const counts = new Map<string, number>();
  for (const { code, severity } of health) {
    const labels = formatLabels({ code, severity });
    counts.set(labels, (counts.get(labels) ?? 0) + 1);
  }
  for (const [labels, count] of counts) to.add(metrics.health, labels, count);
}

async function addBackups(to: Exposition, { db, clock }: Measured): Promise<void> {
  const now = clock.now();
  const age = (atMs: number): number => Math.max(0, (now - atMs) / 1000);
  for (const [index, job] of listBackups(db).entries()) {
    if (index % slice.jobs === slice.jobs - 1) await pause();
    const facts = backupFacts(db, job);
    const labels = formatLabels({ backup: job.backup.name });
    to.add(metrics.backupActive, labels, job.backup.active ? 1 : 0);
    to.add(metrics.backupState, `${labels},${formatLabels({ state: backupHealth(facts, now).health })}`, 1);
    if (facts.ended !== undefined) to.add(metrics.backupResult, labels, facts.ended.state === 'done' ? 1 : 0);
    if (facts.good !== undefined) to.add(metrics.backupGood, labels, age(facts.good.endedAtMs ?? facts.good.startedAtMs));
    if (facts.proof === undefined) continue;
    to.add(metrics.backupProof, labels, age(facts.proof.atMs));
    to.add(metrics.backupProved, labels, facts.proof.ok ? 1 : 0);
  }
}

async function allHosts({ db }: Measured): Promise<readonly HostRow[]> {
  const hosts: HostRow[] = [];
  for (;;) {
    const page = nextHosts(db, hosts.at(-1)?.id ?? '', slice.hosts);
    if (page.length === 0) return hosts;
    hosts.push(...page);
    await pause();
  }
}

async function addHosts(to: Exposition, office: Measured, hosts: readonly HostRow[]): Promise<void> {
  const { db, fleet, clock } = office;
  const now = clock.now();
  const { pending, drifted } = countNouns(db);
  await pause();
  const holdsOf = holdLookup(office, fleet);
  const states = new Map<string, number>(hostStates.map((state) => [state, 0]));
  const count = { pending: 0, drifted: 0, held: 0, oldest: now };
  for (const [index, host] of hosts.entries()) {
    if (index % slice.hosts === slice.hosts - 1) await pause();
    const live = fleet.live(host.id);
    const state = host.state === 'joined' ? live.state : host.state;
    states.set(state, (states.get(state) ?? 0) + 1);
    if (host.state !== 'joined') continue;
    const [owed, drift, holds] = [pending.get(host.id), drifted.get(host.id), holdsOf(host.id).length];
    if (owed !== undefined) count.pending += 1;
    if (drift !== undefined) count.drifted += 1;
    if (holds > 0) count.held += 1;
    else if (owed !== undefined && live.state === 'connected') count.oldest = Math.min(count.oldest, owed.sinceMs);
    addHost(to, host, live, { pending: owed?.count ?? 0, drifted: drift?.count ?? 0, driftSinceMs: drift?.sinceMs, holds }, now);
  }
  for (const [state, hosts] of states) to.add(metrics.hosts, formatLabels({ state }), hosts);
  to.add(metrics.pendingHosts, '', count.pending);
  to.add(metrics.driftedHosts, '', count.drifted);
  to.add(metrics.heldHosts, '', count.held);
  to.add(metrics.lag, '', (now - count.oldest) / 1000);
}

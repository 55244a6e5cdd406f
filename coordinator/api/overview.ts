import type { GetOverviewResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetOverviewResponse.js';
import { version } from '../../shared/kit/version.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { backupHealth } from '../desired/backup-health.js';
import { fleetHealth } from '../fleet/health.js';
import { holdLookup } from '../fleet/hold.js';
import { backupFacts } from '../inventory/backup-facts.js';
import { listBackups } from '../inventory/backup.js';
import { certEndings } from '../inventory/cert.js';
import { listDrift, listPending } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { parseLimit, seenOperations } from './operation.js';
import { hostFor, visibleHosts } from './select.js';

const dayMs = 86_400_000;

/** How bad it is with a host. */
export type HealthWord = 'ok' | 'warning' | 'error';

/** The worst that is wrong with each host of which something is, by its name. */
export function worstByHost(health: readonly { readonly hostName: string; readonly severity: 'warning' | 'error' }[]): ReadonlyMap<string, HealthWord> {
  const worst = new Map<string, HealthWord>();
  for (const { hostName, severity } of health) if (worst.get(hostName) !== 'error') worst.set(hostName, severity);
  return worst;
}

/** Figures of the fleet, as far as the caller sees it, or of one host. Errors: HOST_UNKNOWN. */
export function fleetOverview(office: Office, caller: OperatorCaller, request: { readonly limit: number; readonly host: string }): GetOverviewResponseInput {
  const { db, fleet, authority, startedAtMs } = office;
  const only = request.host === '' ? undefined : hostFor(db, caller, request.host);
  const hosts = only === undefined ? visibleHosts(db, caller) : [only];
  const ids = new Set(hosts.map((host) => host.id));
  const found = fleetHealth(office, fleet, hosts, Infinity);
  const health = only === undefined ? found : found.filter(({ hostName }) => hostName === only.name);
  const worst = worstByHost(health);
  const counted = (rows: readonly { hostId: string }[]): number => new Set(rows.map((row) => row.hostId).filter((id) => ids.has(id))).size;
  const doing = (word: HealthWord): number => hosts.filter((host) => (worst.get(host.name) ?? 'ok') === word).length;
  const holdsOf = holdLookup(office, fleet);
  return {
    fleetId: authority.fleetId,
    version,
    startedAt: toTimestamp(startedAtMs),
    hosts: countHosts(office, hosts),
    byHealth: { ok: doing('ok'), warning: doing('warning'), error: doing('error') },
    health: health.slice(0, parseLimit(request.limit)).map((item) => ({ ...item, since: toTimestamp(item.since) })),
    healthTotal: health.length,
    pending: counted(listPending(db)),
    drifted: counted(listDrift(db)),
    held: hosts.filter((host) => holdsOf(host.id).length > 0).length,
    certs: countCerts(office, ids),
    backups: countBackups(office, ids),
    running: seenOperations(db, caller, 1000, { outcomes: ['running'], hostId: only?.id }).length,
  };
}

/** Hosts by state. */
export function countHosts({ fleet }: Pick<Office, 'fleet'>, hosts: readonly HostRow[]): NonNullable<GetOverviewResponseInput['hosts']> {
  const joined = hosts.filter((host) => host.state === 'joined');
  const connected = joined.filter((host) => fleet.live(host.id).state === 'connected').length;
  return {
    total: hosts.length,
    connected,
    lost: joined.length - connected,
    invited: hosts.filter((host) => host.state === 'invited').length,
    quarantined: hosts.filter((host) => host.state === 'quarantined').length,
    revoked: hosts.filter((host) => host.state === 'revoked').length,
  };
}

function countCerts({ db, clock }: Office, hostIds: ReadonlySet<string>): NonNullable<GetOverviewResponseInput['certs']> {
  const now = clock.now();
  const ends = certEndings(db, hostIds);
  const coming = ends.filter((at) => at > now);
  const [next] = coming;
  return { total: ends.length, ended: ends.length - coming.length, ending: coming.filter((at) => at <= now + 30 * dayMs).length, nextAt: next === undefined ? null : toTimestamp(next) };
}

function countBackups({ db, clock }: Office, hostIds: ReadonlySet<string>): NonNullable<GetOverviewResponseInput['backups']> {
  const now = clock.now();
  const counts = { total: 0, day: 0, week: 0, month: 0, older: 0, unproven: 0, bad: 0 };
  for (const job of listBackups(db)) {
    if (!hostIds.has(job.backup.source) || !hostIds.has(job.backup.destination)) continue;
    const facts = backupFacts(db, job);
    const { health } = backupHealth(facts, now);
    counts.total += 1;
    counts[proofAge(facts.proof, now)] += 1;
    if (health === 'late' || health === 'failed' || health === 'frozen') counts.bad += 1;
  }
  return counts;
}

function proofAge(proof: { readonly ok: boolean; readonly atMs: number } | undefined, now: number): 'day' | 'week' | 'month' | 'older' | 'unproven' {
  if (proof?.ok !== true) return 'unproven';
  const age = now - proof.atMs;
  return age <= dayMs ? 'day' : age <= 7 * dayMs ? 'week' : age <= 30 * dayMs ? 'month' : 'older';
}

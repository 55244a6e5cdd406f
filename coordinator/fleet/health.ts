import { certEnds } from '../../shared/model/cert.js';
import { describeHold, holdOn, type Hold } from '../../shared/model/hold.js';
import { volumeText } from '../../shared/model/volume.js';
import { backupProblem } from '../desired/backup-problem.js';
import { certProblems } from '../desired/cert.js';
import { ownVolume } from '../doctor/own.js';
import { badVolumes } from '../doctor/status.js';
import { listBackups } from '../inventory/backup.js';
import { backupFacts } from '../inventory/backup-facts.js';
import { certsToTell } from '../inventory/cert.js';
import { listDrift, listPending } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { listParked } from '../inventory/vhost-parked.js';
import { damageOf } from '../inventory/write.js';
import type { World } from '../world.js';
import type { Fleet } from './fleet.js';
import { holdLookup } from './hold.js';
import { replacedKey, type Live } from './live.js';

/** One thing that is wrong. */
export interface Health {
  readonly code: string;
  readonly title: string;
  readonly severity: 'warning' | 'error';
  readonly text: string;
  /** Unix ms. */
  readonly since: number;
  /** Empty: the coordinator. */
  readonly hostName: string;
}

/** Clocks further apart than this are a warning, ms; agents refuse changes from 10 minutes. */
const clockWarningMs = 5 * 60_000;

/** A certificate that should have been renewed long ago, ms before its end. */
const certificateWarningMs = 2 * 86_400_000;

/** What is wrong now with the coordinator and these hosts, errors first, then by host. One cause, one line: a lost host is not also pending or drifted, a held noun is not pending, nor is noun vhost where sites are parked. At most `most` of them. */
export function fleetHealth(world: World, fleet: Fleet, about: readonly HostRow[], most = 1000): Health[] {
  const { db } = world;
  const now = world.clock.now();
  const hosts = new Map(about.map((host) => [host.id, host]));
  const lost = new Set<string>();
  const health: Health[] = [];
  const damage = damageOf(db);
  if (damage !== undefined) {
    const text = `${damage}; restore the newest backup: systemctl stop reeved && reeved restore FILE && systemctl start reeved`;
    health.push({ code: 'DATABASE_DAMAGED', title: 'the inventory is damaged, nothing is stored any more', severity: 'error', text, since: now, hostName: '' });
  }
  const own = ownVolume(world);
  if (own.state !== 'ok') {
    const text = own.state === 'low' ? `df -h ${own.path}` : `without room for its audit records the coordinator changes nothing; df -h ${own.path}`;
    health.push({ code: 'COORDINATOR_DISK', title: `${own.path} of the coordinator ${volumeText[own.state]}`, severity: own.state === 'low' ? 'warning' : 'error', text, since: now, hostName: '' });
  }
  for (const host of hosts.values()) {
    if (host.quarantine !== undefined && host.state === 'quarantined') {
      const text = `${host.quarantine.text}; on the machine that is the copy: reeve-agent reset; for the other one: reeve host invite ${host.name} --rejoin`;
      health.push({ code: 'HOST_QUARANTINED', title: 'two machines have its identity, nothing is sent to either', severity: 'error', text, since: host.quarantine.atMs, hostName: host.name });
    }
    if (host.state !== 'joined') continue;
    const live = fleet.live(host.id);
    if (live.state === 'lost') lost.add(host.id);
    health.push(...hostHealth(host, live, now));
  }
  const owed = listPending(db);
  const parked = listParked(db);
  for (const row of parked) {
    const host = hosts.get(row.hostId);
    if (host?.state !== 'joined' || lost.has(row.hostId)) continue;
    const title = `site ${row.name} ${row.servesBefore ? 'is served as it was before' : 'is not served'}`;
    health.push({ code: 'VHOST_PARKED', title, severity: row.servesBefore ? 'warning' : 'error', text: row.problem, since: row.sinceMs, hostName: host.name });
  }
  const holdsOf = holdLookup(world, fleet);
  const owedNouns = new Map<string, string[]>();
  for (const { hostId, noun } of owed) owedNouns.set(hostId, [...(owedNouns.get(hostId) ?? []), noun]);
  for (const host of hosts.values()) {
    for (const hold of holdsOf(host.id)) health.push(holdHealth(host, hold, owedNouns.get(host.id) ?? []));
  }
  const parkedHosts = new Set(parked.map(({ hostId }) => hostId));
  for (const row of owed) {
    const host = hosts.get(row.hostId);
    if (host === undefined || host.state !== 'joined' || lost.has(row.hostId)) continue;
    if (holdOn(holdsOf(row.hostId), row.noun) !== undefined) continue;
    if (row.noun === 'vhost' && parkedHosts.has(row.hostId)) continue;
    health.push({ code: 'PENDING', title: `noun ${row.noun} is not applied`, severity: 'warning', text: row.reason === '' ? 'reeve apply' : row.reason, since: row.sinceMs, hostName: host.name });
  }
  for (const row of listDrift(db)) {
    const host = hosts.get(row.hostId);
    if (host === undefined || host.state !== 'joined' || lost.has(row.hostId)) continue;
    const text = `Something other than Reeve altered it; see: reeve plan --on ${host.name} --noun ${row.noun}`;
    health.push({ code: 'DRIFT', title: `noun ${row.noun} is not as it was applied`, severity: 'warning', text, since: row.sinceMs, hostName: host.name });
  }
  for (const row of certsToTell(db, now + certEnds.warningMs)) {
    const host = hosts.get(row.hostId);
    if (host?.state === 'joined') health.push(...certProblems(row, host.name, now).map((problem) => ({ ...problem, hostName: host.name })));
  }
  for (const job of listBackups(db)) {
    const source = hosts.get(job.backup.source);
    if (source === undefined || !hosts.has(job.backup.destination)) continue;
    const problem = backupProblem(backupFacts(db, job), now);
    if (problem !== undefined) health.push({ ...problem, hostName: source.name });
  }
  const ranked = health.map((item) => ({ item, rank: `${item.severity === 'error' ? '0' : '1'} ${item.hostName} ${item.code}` }));
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).slice(0, most).map(({ item }) => item);
}

function holdHealth(host: HostRow, hold: Hold, owed: readonly string[]): Health {
  const waits = owed.filter((noun) => hold.noun === '' || hold.noun === noun);
  const end = hold.local ? 'reeve-agent hold --end, as root on the host' : `reeve host hold ${host.name} --end`;
  const pending = waits.length === 0 ? '' : `; pending until then: ${waits.join(', ')}`;
  const text = `${describeHold(hold)}${pending}; to end it: ${end}`;
  return { code: 'HELD', title: hold.noun === '' ? 'it is held' : `noun ${hold.noun} is held`, severity: 'warning', text, since: hold.sinceMs, hostName: host.name };
}

function hostHealth(host: HostRow, live: Live, now: number): Health[] {
  const about = { hostName: host.name, since: live.sinceMs };
  if (live.state === 'lost') {
    const restored = `; if it was restored from an older state, it has to join again: reeve host invite ${host.name} --rejoin`;
    return [{ ...about, code: 'HOST_LOST', title: 'host cannot be reached', severity: 'error', text: `${live.reason}${live.reason.includes(replacedKey) ? restored : ''}` }];
  }
  const health: Health[] = [];
  const { status } = live;
  const facts = live.facts?.facts;
  if (facts !== undefined && facts.machineHint !== '' && host.machineHint !== undefined && facts.machineHint !== host.machineHint.toString('hex')) {
    const text = `if it is a copy of the machine that joined, run reeve-agent reset on it; if that one became this one: reeve host invite ${host.name} --rejoin`;
    health.push({ ...about, code: 'MACHINE_CHANGED', title: 'it runs on another machine than the one that joined', severity: 'warning', text });
  }
  const drift = Math.abs(live.clockOffsetMs);
  if (drift > clockWarningMs) {
    const text = `its clock is ${String(Math.round(drift / 1000))} s ${live.clockOffsetMs > 0 ? 'ahead' : 'behind'}; from 600 s it refuses changes`;
    health.push({ ...about, code: 'CLOCK_SKEW', title: 'clocks differ', severity: 'warning', text });
  }
  if (status !== undefined && status.policyState !== 'ok') {
    health.push({ ...about, code: 'POLICY_UNUSABLE', title: 'its policy cannot be used, only status works', severity: 'error', text: status.policyReason });
  }
  if (status !== undefined && status.helperState !== 'ok') {
    health.push({ ...about, code: 'HELPER_UNREACHABLE', title: 'its helper does not answer, nothing can be changed', severity: 'error', text: status.helperState });
  }
  if (status !== undefined && status.helperState === 'ok' && status.auditState !== 'ok' && status.auditState !== '') {
    health.push({ ...about, code: 'AUDIT_UNWRITABLE', title: 'it cannot write audit records and refuses changes', severity: 'error', text: status.auditState });
  }
  if (status !== undefined && status.upgrade !== '') {
    health.push({ ...about, code: 'UPGRADE_REVERTED', title: 'an upgrade of its agent was reverted', severity: 'warning', text: status.upgrade });
  }
  if (status !== undefined && status.renewalProblem !== '') {
    const text = `${status.renewalProblem.slice(0, 1024)}; it is tried again; on the host: reeve-agent doctor`;
    health.push({ ...about, code: 'RENEWAL_FAILED', title: 'its certificate could not be renewed', severity: 'warning', text });
  }
  for (const { path, state } of badVolumes(status?.volumes ?? [])) {
    const severity = state === 'low' ? 'warning' : 'error';
    health.push({ ...about, code: state === 'unwritable' ? 'DISK_UNWRITABLE' : state === 'full' ? 'DISK_FULL' : 'DISK_LOW', title: `${path} ${volumeText[state]}`, severity, text: `on the host: df -h ${path}` });
  }
  if (host.auditBrokenAtMs !== undefined) {
    const text = 'records were cut off or rewritten; on the host: reeve-privd --verify-audit';
    health.push({ hostName: host.name, since: host.auditBrokenAtMs, code: 'AUDIT_BROKEN', title: 'its audit chain does not continue the one seen before', severity: 'error', text });
  }
  if (live.certificateNotAfterMs - now < certificateWarningMs) {
    const text = `it ends ${new Date(live.certificateNotAfterMs).toISOString()}; the agent renews it over the agents' port of the coordinator`;
    health.push({ ...about, code: 'CERTIFICATE_ENDS', title: 'its certificate was not renewed', severity: 'warning', text });
  }
  return health;
}

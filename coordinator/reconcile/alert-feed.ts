import type { Fed } from '../desired/alert-cause.js';
import type { FedBackup } from '../desired/alert-backup.js';
import type { FedCert } from '../desired/alert-cert.js';
import type { FedHost } from '../desired/alert-host.js';
import type { FedNoun } from '../desired/alert-noun.js';
import type { FedTrend } from '../desired/alert-disk.js';
import type { Fleet } from '../fleet/fleet.js';
import { fleetHealth } from '../fleet/health.js';
import { holdLookup } from '../fleet/hold.js';
import type { Live } from '../fleet/live.js';
import { certLives } from '../inventory/alert-cert.js';
import { addBoot, lastBoots, rebootsSince } from '../inventory/alert-boot.js';
import { backupFacts } from '../inventory/backup-facts.js';
import { listBackups } from '../inventory/backup.js';
import { lastRun } from '../inventory/backup-run.js';
import { listDrift, listPending, type Generation } from '../inventory/generation.js';
import { listHosts, type HostRow } from '../inventory/host.js';
import { listParked } from '../inventory/vhost-parked.js';
import { noting } from '../inventory/write.js';
import { certificateLife } from '../pki/authority.js';
import type { World } from '../world.js';

/** The trend of a host's disks is asked anew after this, ms: it is one of days. Not of all hosts at once: it takes some milliseconds of each. */
const trends = { everyMs: 3 * 3_600_000, atOnce: 25, share: 0.003 } as const;

const dayMs = 86_400_000;

/** Gathers what alerts are made of. */
export interface Feed {
  /** As it is now; `lostOpen`: hosts whose alert of being lost is open. */
  gather(lostOpen: ReadonlySet<string>): Fed;
}

/** Makes a feed; it remembers trends for a while, and the boot ids of hosts. */
export function createFeed(world: World, fleet: Fleet): Feed {
  const { db, clock } = world;
  const known = new Map<string, { atMs: number; trends: readonly FedTrend[] }>();
  let boots: Map<string, string> | undefined;
  /** Since when hosts are lost: one that was never reached by this process has no time of its own, and counts from its start. */
  const lost = new Map(listHosts(db).map(({ id }) => [id, clock.now()]));
  const lostSince = ({ id: hostId, state: host }: HostRow, { state, sinceMs, lastSeenMs }: Live): number => {
    if (state === 'connected' || host !== 'joined') {
      lost.delete(hostId);
      return sinceMs;
    }
    const before = lost.get(hostId);
    const since = before === undefined || lastSeenMs > before ? sinceMs : Math.min(before, sinceMs);
    lost.set(hostId, since);
    return since;
  };
  const trendsOf = (hosts: readonly FedHost[], now: number): Map<string, readonly FedTrend[]> => {
    const connected = hosts.filter((host) => host.connected);
    let budget = Math.max(trends.atOnce, Math.ceil(connected.length * trends.share));
    for (const { id } of connected) {
      const entry = known.get(id);
      if (budget === 0 || (entry !== undefined && now >= entry.atMs && now - entry.atMs < trends.everyMs)) continue;
      budget -= 1;
      known.set(id, { atMs: now, trends: world.history.disks(id, now) });
    }
    return new Map(connected.flatMap(({ id }) => (known.has(id) ? [[id, known.get(id)?.trends ?? []] as const] : [])));
  };
  const noteBoots = (hosts: readonly FedHost[], now: number): void => {
    const before = (boots ??= new Map(lastBoots(db)));
    const holdsOf = holdLookup(world, fleet);
    const booted = hosts.flatMap((host) => {
      const bootId = host.connected ? (host.facts?.bootId ?? '') : '';
      if (bootId === '' || before.get(host.id) === bootId) return [];
      const told = before.has(host.id) && !holdsOf(host.id).some(({ noun }) => noun === '');
      return [{ hostId: host.id, bootId, now, told }];
    });
    if (booted.length === 0) return;
    const stored = noting(db, world.log, () => {
      for (const boot of booted) addBoot(db, boot);
    });
    if (stored) for (const { hostId, bootId } of booted) before.set(hostId, bootId);
  };
  return {
    gather(lostOpen) {
      const now = clock.now();
      const rows = listHosts(db);
      const hosts = rows.map((row) => {
        const live = fleet.live(row.id);
        return fedHost(row, live, lostSince(row, live));
      });
      noteBoots(hosts, now);
      const names = new Map(rows.map(({ id, name }) => [id, name]));
      const ids = new Map(rows.map(({ id, name }) => [name, id]));
      const parked = new Set(listParked(db).map(({ hostId }) => hostId));
      const noun = (row: Generation): FedNoun => ({ hostId: row.hostId, hostName: names.get(row.hostId) ?? row.hostId, noun: row.noun, sinceMs: row.sinceMs, reason: row.reason });
      const health = fleetHealth(world, fleet, rows, Infinity).map((item) => ({ ...item, hostId: item.hostName === '' ? undefined : ids.get(item.hostName) }));
      return {
        now,
        hosts,
        trends: trendsOf(hosts, now),
        certs: [...agentCerts(hosts, fleet), ownCert(world), ...installedCerts(world, names)],
        backups: fedBackups(world),
        drift: listDrift(db).map(noun),
        // Sites that were refused have a word of their own in the fleet's health.
        pending: listPending(db).filter((row) => row.noun !== 'vhost' || !parked.has(row.hostId)).map(noun),
        reboots: rebootsSince(db, now - dayMs),
        health,
        lostOpen,
      };
    },
  };
}

function fedHost(row: HostRow, live: Live, sinceMs: number): FedHost {
  const { clockOffsetMs, reason } = live;
  return { id: row.id, name: row.name, joined: row.state === 'joined', parentId: row.parentId, connected: live.state === 'connected', sinceMs, reason, clockOffsetMs, facts: live.facts?.facts };
}

function agentCerts(hosts: readonly FedHost[], fleet: Fleet): FedCert[] {
  return hosts.flatMap((host) => {
    const toMs = host.connected ? fleet.live(host.id).certificateNotAfterMs : 0;
    return toMs === 0 ? [] : [{ hostId: host.id, name: '', fromMs: toMs - certificateLife.agentMs, toMs, remedy: 'the agent renews it over the agents\' port of the coordinator; on the host: reeve-agent doctor' }];
  });
}

function ownCert({ authority }: World): FedCert {
  const { toMs } = authority.coordinatorValidity();
  return { hostId: undefined, name: '', fromMs: toMs - certificateLife.coordinatorMs, toMs, remedy: 'it renews itself; see: journalctl -u reeved' };
}

function installedCerts({ db }: World, names: ReadonlyMap<string, string>): FedCert[] {
  return certLives(db).map(({ hostId, name, selfSigned, fromMs, toMs }) => {
    const host = names.get(hostId) ?? hostId;
    return { hostId, name, fromMs, toMs, remedy: selfSigned ? `it should have been made anew; see: reeve cert show ${host} ${name}` : `to replace it: reeve cert set ${host} ${name} --cert FILE --key FILE` };
  });
}

function fedBackups({ db }: World): FedBackup[] {
  return listBackups(db).map((job) => ({ facts: backupFacts(db, job), last: lastRun(db, job.id, { kind: 'backup' }) }));
}

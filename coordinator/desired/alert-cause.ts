import { keyOfCause, type Cause, type CauseKey } from './alert.js';
import { backupCauses, type FedBackup } from './alert-backup.js';
import { certificateCauses, type FedCert } from './alert-cert.js';
import { diskCauses, type FedTrend } from './alert-disk.js';
import { healthCauses, type FedHealth } from './alert-health.js';
import { factCauses, lostCauses, rebootCauses, type FedHost, type FedReboot } from './alert-host.js';
import { driftCauses, pendingCauses, type FedNoun } from './alert-noun.js';

/** All that alerts are made of, as it is now. */
export interface Fed {
  /** Unix ms. */
  readonly now: number;
  readonly hosts: readonly FedHost[];
  /** By host id. */
  readonly trends: ReadonlyMap<string, readonly FedTrend[]>;
  readonly certs: readonly FedCert[];
  readonly backups: readonly FedBackup[];
  readonly drift: readonly FedNoun[];
  readonly pending: readonly FedNoun[];
  /** Those of the last day. */
  readonly reboots: readonly FedReboot[];
  readonly health: readonly FedHealth[];
  /** Ids of hosts whose alert of being lost is open. */
  readonly lostOpen: ReadonlySet<string>;
}

/** Kinds that are judged by what a connected host says: of a lost one nobody can tell whether they still stand. */
const bySaying: ReadonlySet<string> = new Set<Cause['kind']>(['disk', 'pressure', 'clock', 'reboot-required', 'drift', 'pending']);

/** Everything that is wrong now, each cause once. */
export function alertCauses(fed: Fed): Cause[] {
  const connected = fed.hosts.filter((host) => host.joined && host.connected);
  const saying = new Set(connected.map(({ id }) => id));
  const joined = new Set(fed.hosts.filter((host) => host.joined).map(({ id }) => id));
  const said = (noun: FedNoun): boolean => saying.has(noun.hostId);
  const causes = [
    ...lostCauses(fed.hosts, fed.lostOpen),
    ...connected.flatMap((host) => [...factCauses(host), ...diskCauses(host, fed.trends.get(host.id) ?? [], fed.now)]),
    ...certificateCauses(fed.certs.filter(({ hostId, name }) => hostId === undefined || (name === '' ? saying.has(hostId) : joined.has(hostId))), fed.now),
    ...backupCauses(fed.backups, fed.now),
    ...driftCauses(fed.drift.filter(said)),
    ...pendingCauses(fed.pending.filter(said)),
    ...rebootCauses(fed.reboots.filter(({ hostId }) => joined.has(hostId)), fed.now),
    ...healthCauses(fed.health),
  ];
  const once = new Map<string, Cause>();
  for (const cause of causes) if (!once.has(keyOfCause(cause))) once.set(keyOfCause(cause), cause);
  return [...once.values()];
}

/** Whether nobody can tell now if the cause of an alert still stands: its host is lost, or has said nothing yet since it came back. */
export function isUndecided(fed: Pick<Fed, 'hosts'>): (alert: CauseKey) => boolean {
  const byId = new Map(fed.hosts.map((host) => [host.id, host]));
  return ({ kind, hostId, subject }) => {
    const host = hostId === undefined ? undefined : byId.get(hostId);
    if (host?.joined !== true) return false;
    const agents = kind === 'certificate' && subject === '';
    if (bySaying.has(kind) || agents || kind === 'health') return !host.connected || (host.facts === undefined && kind !== 'health' && !agents);
    return false;
  };
}

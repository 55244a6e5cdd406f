import type { Facts } from '../../shared/model/fact.js';
import type { Live } from '../fleet/live.js';
import type { HostRow } from '../inventory/host.js';
import { formatLabels, type Exposition, type Metric } from './text.js';

const gauge = (name: string, help: string): Metric => ({ name, type: 'gauge', help });

/** Families with samples for each host that has joined. */
const metrics = {
  up: gauge('reeve_host_up', 'Whether the coordinator is connected to the host'),
  seenAge: gauge('reeve_host_seen_age_seconds', 'Time since the host was last heard of'),
  agent: { name: 'reeve_host_agent', type: 'info', help: 'Version of the agent of the host' } as const satisfies Metric,
  pending: gauge('reeve_host_pending', 'Nouns of the host that are not as they should be yet'),
  drifted: gauge('reeve_host_drifted', 'Nouns of the host that something other than Reeve has altered'),
  driftAge: gauge('reeve_host_drift_age_seconds', 'Time since the oldest drift of the host was seen, 0 without drift'),
  held: gauge('reeve_host_held', 'Holds on the host'),
  clockOffset: gauge('reeve_host_clock_offset_seconds', 'Clock of the host minus that of the coordinator'),
  certificateLeft: gauge('reeve_host_certificate_left_seconds', 'Time until the certificate of the agent ends'),
  reboot: gauge('reeve_host_reboot_required', 'Whether an upgrade wants the host to be started anew'),
  load: gauge('reeve_host_load', 'Load average over 5 minutes for each processor'),
  cpus: gauge('reeve_host_cpus', 'Processors of the host'),
  memoryTotal: gauge('reeve_host_memory_total_bytes', 'Main memory'),
  memoryAvailable: gauge('reeve_host_memory_available_bytes', 'Main memory that new programs can get'),
  pressure: gauge('reeve_host_pressure_ratio', 'Share of the last 300 s in which some or all tasks waited for a resource (PSI)'),
  diskSize: gauge('reeve_host_disk_size_bytes', 'Size of a file system'),
  diskAvailable: gauge('reeve_host_disk_available_bytes', 'What unprivileged users may still use of a file system'),
  diskUsed: gauge('reeve_host_disk_used_ratio', 'Share of a file system that unprivileged users may not use any more'),
  inodesUsed: gauge('reeve_host_disk_inodes_used_ratio', 'Share of the inodes of a file system that are used'),
} as const;

/** File systems that are told of a host: the fullest ones. */
const mostMounts = 8;

/** What the inventory knows besides the host itself. */
export interface HostExtra {
  readonly pending: number;
  readonly drifted: number;
  /** Unix ms. */
  readonly driftSinceMs: number | undefined;
  readonly holds: number;
}

/** Adds what is known of a host that has joined. */
export function addHost(to: Exposition, host: HostRow, live: Live, extra: HostExtra, now: number): void {
  const labels = formatLabels({ host: host.name });
  const connected = live.state === 'connected';
  to.add(metrics.up, labels, connected ? 1 : 0);
  const seenMs = Math.max(live.lastSeenMs, host.lastSeenAtMs ?? 0);
  if (seenMs > 0) to.add(metrics.seenAge, labels, Math.max(0, (now - seenMs) / 1000));
  to.add(metrics.pending, labels, extra.pending);
  to.add(metrics.drifted, labels, extra.drifted);
  to.add(metrics.driftAge, labels, extra.driftSinceMs === undefined ? 0 : Math.max(0, (now - extra.driftSinceMs) / 1000));
  to.add(metrics.held, labels, extra.holds);
  if (host.agentVersion !== '') to.add(metrics.agent, formatLabels({ host: host.name, version: host.agentVersion }), 1);
  // What a lost host last said is no figure of now.
  if (!connected) return;
  to.add(metrics.clockOffset, labels, live.clockOffsetMs / 1000);
  to.add(metrics.certificateLeft, labels, (live.certificateNotAfterMs - now) / 1000);
  if (live.facts !== undefined) addFacts(to, host.name, labels, live.facts.facts);
}

function addFacts(to: Exposition, name: string, labels: string, facts: Facts): void {
  to.add(metrics.reboot, labels, facts.rebootRequired ? 1 : 0);
  to.add(metrics.load, labels, (facts.load[1] ?? NaN) / Math.max(1, facts.cpuCount));
  to.add(metrics.cpus, labels, facts.cpuCount);
  to.add(metrics.memoryTotal, labels, facts.memoryTotalBytes);
  to.add(metrics.memoryAvailable, labels, facts.memoryAvailableBytes);
  const { pressure } = facts;
  if (pressure !== undefined) {
    const shares = [['cpu', 'some', pressure.cpuSome], ['memory', 'some', pressure.memorySome], ['memory', 'full', pressure.memoryFull], ['io', 'some', pressure.ioSome], ['io', 'full', pressure.ioFull]] as const;
    for (const [resource, kind, percent] of shares) to.add(metrics.pressure, `${labels},resource="${resource}",kind="${kind}"`, percent / 100);
  }
  const used = (total: number, left: number): number => Math.min(1, Math.max(0, 1 - left / total));
  const disks = facts.disks.filter(({ totalBytes }) => totalBytes > 0).sort((a, b) => used(b.totalBytes, b.availableBytes) - used(a.totalBytes, a.availableBytes));
  const told = new Set<string>();
  for (const disk of disks) {
    // A host may say the same twice: such a sample would spoil the whole scrape.
    const series = formatLabels({ host: name, mount: disk.mount });
    if (told.size >= mostMounts) break;
    if (told.has(series)) continue;
    told.add(series);
    to.add(metrics.diskSize, series, disk.totalBytes);
    to.add(metrics.diskAvailable, series, disk.availableBytes);
    to.add(metrics.diskUsed, series, used(disk.totalBytes, disk.availableBytes));
    if (disk.inodesTotal > 0) to.add(metrics.inodesUsed, series, used(disk.inodesTotal, disk.inodesFree));
  }
}

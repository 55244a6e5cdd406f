import { alertKindRows } from '../../shared/model/alert.js';
import type { Facts } from '../../shared/model/fact.js';
import { formatUtc } from '../../shared/model/time.js';
import type { Cause } from './alert.js';

/** What is known of a host now. */
export interface FedHost {
  readonly id: string;
  readonly name: string;
  /** It is to be reached; neither invited, nor revoked, nor quarantined. */
  readonly joined: boolean;
  /** The host that it lives on. */
  readonly parentId: string | undefined;
  readonly connected: boolean;
  /** Since when it is connected, or lost, unix ms; by a coordinator that has just started not before its start. */
  readonly sinceMs: number;
  /** Why it is lost. */
  readonly reason: string;
  /** Host's clock minus ours, ms. */
  readonly clockOffsetMs: number;
  /** Undefined: it said nothing since it was connected. */
  readonly facts: Facts | undefined;
}

/** A cause about a host as a whole. */
export const hostCause = (host: Pick<FedHost, 'id'>, cause: Pick<Cause, 'kind' | 'severity' | 'title' | 'text' | 'sinceMs'> & Partial<Pick<Cause, 'subject' | 'folded'>>): Cause => ({ hostId: host.id, subject: '', folded: [], ...cause });

/**
 * Hosts that are lost. What lives on a lost host, however deep, is part of its cause, but where its own alert is open already (`open`: ids of such hosts): that one goes on.
 * A host whose parent came back counts as lost from then: it needs the parent to be reached.
 */
export function lostCauses(hosts: readonly FedHost[], open: ReadonlySet<string>): Cause[] {
  const byId = new Map(hosts.map((host) => [host.id, host]));
  const isLost = (host: FedHost): boolean => host.joined && !host.connected;
  const folded = new Map<string, FedHost[]>();
  const own: FedHost[] = [];
  for (const host of hosts) {
    if (!isLost(host)) continue;
    const top = open.has(host.id) ? host : topmost(host, byId, isLost);
    if (top === host) own.push(host);
    else folded.set(top.id, [...(folded.get(top.id) ?? []), host]);
  }
  return own.map((host) => {
    const guests = folded.get(host.id) ?? [];
    const count = guests.length === 0 ? '' : `, and what lives on it: ${String(guests.length)} ${guests.length === 1 ? 'host' : 'hosts'}`;
    return hostCause(host, {
      kind: 'host-lost',
      severity: 'error',
      title: `cannot be reached${count}`,
      text: `${host.reason}${guests.length === 0 ? '' : `; lost with it: ${nameSome(guests.map(({ name }) => name))}`}; see: reeve doctor ${host.name}`,
      sinceMs: Math.max(host.sinceMs, ...ancestors(host, byId).filter((parent) => parent.connected).map((parent) => parent.sinceMs)),
      folded: guests.map(({ id }) => id),
    });
  });
}

/** Most names that a text has. */
const mostNames = 20;

function nameSome(names: readonly string[]): string {
  return names.length <= mostNames ? names.join(', ') : `${names.slice(0, mostNames).join(', ')} and ${String(names.length - mostNames)} more`;
}

/** What a host lives on, the nearest first; a circle ends where it began. */
function ancestors(host: FedHost, byId: ReadonlyMap<string, FedHost>): FedHost[] {
  const found: FedHost[] = [];
  let parent = host.parentId === undefined ? undefined : byId.get(host.parentId);
  while (parent !== undefined && parent !== host && !found.includes(parent)) {
    found.push(parent);
    parent = parent.parentId === undefined ? undefined : byId.get(parent.parentId);
  }
  return found;
}

/** The outermost lost host that this one lives on without one in between that is well; itself when its parent is well. */
function topmost(host: FedHost, byId: ReadonlyMap<string, FedHost>, isLost: (host: FedHost) => boolean): FedHost {
  let top = host;
  const above = ancestors(host, byId);
  // In a circle each would be part of the next, and none be told.
  if (above.at(-1)?.parentId === host.id) return host;
  for (const parent of above) {
    if (!isLost(parent)) break;
    top = parent;
  }
  return top;
}

/** Offset of a clock from which it is off, ms. */
const clockMs = 60_000;

/** Pressure from which work waits too much, percent of the time. */
const most = { memoryFull: 10, ioFull: 40, cpuSome: 80 } as const;

/** What is wrong with a connected host by its clock and its facts; load is no sign of trouble, waiting is. */
export function factCauses(host: FedHost): Cause[] {
  const causes: Cause[] = [];
  if (Math.abs(host.clockOffsetMs) > clockMs) {
    const text = `it is ${String(Math.round(Math.abs(host.clockOffsetMs) / 1000))} s ${host.clockOffsetMs > 0 ? 'ahead' : 'behind'}; from 600 s it refuses changes; on the host: timedatectl`;
    causes.push(hostCause(host, { kind: 'clock', severity: 'warning', title: 'its clock is off', text, sinceMs: undefined }));
  }
  const { facts } = host;
  if (facts === undefined) return causes;
  const { pressure } = facts;
  if (pressure !== undefined) {
    const waits = [
      { subject: 'memory', what: 'for memory', share: pressure.memoryFull, least: most.memoryFull, all: true },
      { subject: 'io', what: 'for disks', share: pressure.ioFull, least: most.ioFull, all: true },
      { subject: 'cpu', what: 'for a processor', share: pressure.cpuSome, least: most.cpuSome, all: false },
    ].filter(({ share, least }) => share > least);
    for (const { subject, what, share, least, all } of waits) {
      const text = `${share.toFixed(0)} % of the last 5 minutes ${all ? 'all' : 'some'} work waited ${what}; more than ${String(least)} % is too much; on the host: cat /proc/pressure/${subject}`;
      causes.push(hostCause(host, { kind: 'pressure', subject, severity: subject === 'cpu' ? 'warning' : 'error', title: `work waits ${what}`, text, sinceMs: undefined }));
    }
  }
  if (facts.rebootRequired) {
    causes.push(hostCause(host, { kind: 'reboot-required', severity: 'info', title: 'an upgrade waits for it to be started anew', text: 'on the host: cat /run/reboot-required.pkgs', sinceMs: undefined }));
  }
  return causes;
}

/** A start of a host that nobody had announced. */
export interface FedReboot {
  readonly hostId: string;
  /** Unix ms. */
  readonly atMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Hosts that were started anew within the last hour; more than once in a day is an error. `reboots`: those of the last day. */
export function rebootCauses(reboots: readonly FedReboot[], now: number): Cause[] {
  const byHost = new Map<string, number[]>();
  for (const { hostId, atMs } of reboots) if (now - atMs < dayMs) byHost.set(hostId, [...(byHost.get(hostId) ?? []), atMs]);
  return [...byHost].flatMap(([hostId, times]) => {
    const last = Math.max(...times);
    if (now - last >= hourMs) return [];
    const again = times.length > 1;
    return hostCause({ id: hostId }, {
      kind: 'reboot',
      // A start is told once: each is a cause of its own.
      subject: formatUtc(last),
      severity: again ? 'error' : 'warning',
      title: again ? `was started anew ${String(times.length)} times within a day` : 'was started anew',
      text: 'nobody had announced it with a hold; on the host: journalctl --list-boots',
      sinceMs: last,
    });
  });
}

/** How long a host has to be lost, ms. */
export const lostMs: number = alertKindRows['host-lost'].holdOffMs;

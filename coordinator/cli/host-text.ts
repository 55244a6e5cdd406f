import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { DiskTrend } from '../../shared/gen/proto/reeve/coordinator/v1/DiskTrend.js';
import type { GetHostResponse } from '../../shared/gen/proto/reeve/coordinator/v1/GetHostResponse.js';
import type { Host } from '../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { HostState } from '../../shared/gen/proto/reeve/coordinator/v1/HostState.js';
import type { Disk } from '../../shared/gen/proto/reeve/type/v1/Disk.js';
import type { Facts } from '../../shared/gen/proto/reeve/type/v1/Facts.js';
import type { Pressure } from '../../shared/gen/proto/reeve/type/v1/Pressure.js';
import { describeHold } from '../../shared/model/hold.js';
import { parseHolds } from '../../shared/rpc/hold.js';
import { fromTimestamp } from '../../shared/rpc/time.js';
import { formatAge } from '../../shared/model/duration.js';
import { parseVolumeState, volumeText } from '../../shared/model/volume.js';
import { formatBytes } from './size.js';
import { renderFields, renderTable, type Cell, type Tone } from './table.js';
import type { Terminal } from './terminal.js';
import { formatSince, formatTime } from './time.js';

const stateTones: Readonly<Partial<Record<HostState, Tone>>> = {
  HOST_STATE_CONNECTED: 'green',
  HOST_STATE_INVITED: 'yellow',
  HOST_STATE_LOST: 'red',
  HOST_STATE_REVOKED: 'red',
  HOST_STATE_QUARANTINED: 'red',
};

/** The state of a host in one word. */
export function stateCell(state: HostState): Cell {
  const text = state.slice('HOST_STATE_'.length).toLowerCase();
  const tone = stateTones[state];
  return tone === undefined ? text : { text, tone };
}

/** Hosts as a table. */
export function renderHosts(terminal: Pick<Terminal, 'color'>, hosts: readonly Host[], now: number): string {
  const rows = hosts.map((host) => [host.name, stateCell(host.state), host.address, linkText(host), formatSince(host.lastSeenAt, now), host.agentVersion, todoText(host), host.labels.join(' ')]);
  return renderTable(terminal, ['name', 'state', 'address', 'link', 'seen', 'agent', 'open', 'labels'], rows, 'No hosts. To invite one: reeve host invite NAME');
}

/** How a host is reached: `via PARENT` and `dial-out`; a direct one says nothing. */
function linkText(host: Host): string {
  switch (host.link) {
    case 'HOST_LINK_PARENT':
      return `via ${host.parent}`;
    case 'HOST_LINK_DIAL_OUT':
      return 'dial-out';
    default:
      return '';
  }
}

/** What is open on a host: holds, nouns that are pending or have drifted. */
function todoText(host: Host): string {
  return [...host.holds.map((hold) => (hold.noun === '' ? 'held' : `${hold.noun} held`)), ...host.pending.map((noun) => `${noun} pending`), ...host.drifted.map((noun) => `${noun} drifted`)].join(', ');
}

/** One host with all that is known of it. */
export function renderHost(terminal: Pick<Terminal, 'color'>, known: Pick<GetHostResponse, 'host' | 'facts' | 'status' | 'factsLossy'> & { readonly trends?: readonly DiskTrend[] }, now: number): string {
  const { host, facts, status, trends = [] } = known;
  return [
    ...(host === null ? [] : [renderFields(terminal, hostFields(host, now))]),
    ...(status === null ? [] : [`\nAgent\n${renderFields(terminal, statusFields(status))}`]),
    ...(facts === null ? [] : [`\nFacts, as the host says (${formatSince(facts.gatheredAt, now) || 'just'} ago${known.factsLossy ? '; some were cut or altered, as they are not allowed' : ''})\n${renderFields(terminal, factFields(facts, trends, now))}`]),
  ].join('');
}

type Field = readonly [name: string, value: Cell | undefined];

function hostFields(host: Host, now: number): Field[] {
  const expires = fromTimestamp(host.certificateNotAfter);
  return [
    ['name', host.name],
    ['id', host.id],
    ['state', stateCell(host.state)],
    ['why lost', host.lostReason],
    ['quarantined', host.quarantine],
    ['address', host.address],
    ['labels', host.labels.join(' ')],
    ['parent', host.parent],
    ['link', linkText(host) === '' ? 'direct' : linkText(host)],
    ['guests use', host.relay],
    ['owners', host.owners.join(', ')],
    ...host.breakGlass.map((key): Field => ['break-glass', key]),
    ['last seen', host.lastSeenAt === null ? '' : `${formatTime(host.lastSeenAt)} (${formatSince(host.lastSeenAt, now)} ago)`],
    ['joined', formatTime(host.joinedAt)],
    ['agent version', host.agentVersion],
    ['clock', host.state === 'HOST_STATE_CONNECTED' ? `${String(host.clockOffsetMs)} ms off` : ''],
    ['certificate', expires === undefined ? '' : `${formatTime(host.certificateNotAfter)} (${expires > now ? `${formatAge(expires - now)} left` : 'expired'})`],
    ...parseHolds(host.holds).map((hold): Field => ['held', { text: `${hold.noun === '' ? '' : `noun ${hold.noun}, `}${describeHold(hold).replace(/^held /, '')}`, tone: 'yellow' }]),
    ['pending', host.pending.join(', ')],
    ['drifted', host.drifted.join(', ')],
  ];
}

function statusFields(status: AgentStatus): Field[] {
  const { privileges } = status;
  return [
    ['policy', withReason(status.policyState, status.policyReason)],
    ['helper', withReason(status.helperState, status.helperVersion)],
    ['audit', `${status.auditState}, ${String(status.auditSeq)} records`],
    ['capabilities', status.capabilities.join(', ')],
    ['open operations', status.openOperations === 0 ? '' : String(status.openOperations)],
    ['unconfirmed', status.pendingChange],
    ['upgrade', status.upgrade],
    ...(status.relay === null ? [] : relayFields(status.relay)),
    ['renewal failed', status.renewalProblem],
    ['room', status.volumes.filter((volume) => volume.state !== 'ok').map((volume) => `${volume.path} ${volumeText[parseVolumeState(volume.state)]}`).join(', ')],
    ['protection', privileges === null ? '' : protectionText(privileges)],
  ];
}

function relayFields(relay: NonNullable<AgentStatus['relay']>): Field[] {
  const refused = relay.refusals === 0 ? '' : `, ${String(relay.refusals)} refused`;
  return [
    ['relay', `${String(relay.children)} children, ${String(relay.openStreams)} streams open, ${String(relay.streams)} in all${refused}`],
    ['relayed', relay.streams === 0 ? '' : `${formatBytes(relay.bytesToChildren)} to children, ${formatBytes(relay.bytesFromChildren)} from them`],
    ['relay-listen', relay.listen === '' ? '' : `${relay.listen}, ${String(relay.openConnections)} connections open, ${String(relay.connections)} in all`],
    ['relay trouble', relay.listenProblem],
  ];
}

function protectionText(privileges: NonNullable<AgentStatus['privileges']>): string {
  const parts = [
    `landlock ${privileges.landlockAbi === 0 ? 'none' : `ABI ${String(privileges.landlockAbi)}`}`,
    `seccomp ${privileges.seccomp ? 'on' : 'off'}`,
    `openat2 ${privileges.openat2 ? 'yes' : 'no'}`,
    `peer check ${privileges.peerCheck}`,
  ];
  return parts.join(', ');
}

function withReason(state: string, reason: string): string {
  return reason === '' ? state : `${state} (${reason})`;
}

function factFields(facts: Facts, trends: readonly DiskTrend[], now: number): Field[] {
  return [
    ['hostname', facts.hostname],
    ['system', facts.os],
    ['kernel', `${facts.kernel} ${facts.arch}`.trim()],
    ['virtualization', facts.virtualization],
    ['processor', facts.cpuModel === '' ? '' : `${String(facts.cpuCount)} x ${facts.cpuModel}`],
    ['load', facts.load.map((value) => value.toFixed(2)).join(' ')],
    ['memory', facts.memoryTotalBytes === 0 ? '' : `${formatBytes(facts.memoryAvailableBytes)} available of ${formatBytes(facts.memoryTotalBytes)}`],
    ['swap', facts.swapTotalBytes === 0 ? '' : `${formatBytes(facts.swapFreeBytes)} free of ${formatBytes(facts.swapTotalBytes)}`],
    ...facts.disks.map((disk): Field => [`disk ${disk.mount}`, `${formatBytes(disk.availableBytes)} available of ${formatBytes(disk.totalBytes)}, ${disk.type}${inodeText(disk)}${trendText(trends.find(({ mount }) => mount === disk.mount), now)}`]),
    ...facts.addresses.map((address): Field => [`address ${address.interface}`, address.address]),
    ['pressure', pressureText(facts.pressure)],
    ['restart needed', facts.rebootRequired ? { text: 'yes, an upgrade waits for it', tone: 'yellow' } : ''],
    ['up', facts.uptimeS === 0 ? '' : formatAge(facts.uptimeS * 1000)],
  ];
}

/** Inodes are worth a word only where they end before the space does. */
function inodeText({ inodesTotal, inodesFree }: Disk): string {
  return inodesTotal > 0 && inodesFree / inodesTotal < 0.1 ? `, only ${String(inodesFree)} of ${String(inodesTotal)} inodes free` : '';
}

/** Where a disk goes, if it is filling. */
function trendText(trend: DiskTrend | undefined, now: number): string {
  const fullAt = fromTimestamp(trend?.fullAt);
  if (trend === undefined || fullAt === undefined) return '';
  const days = Math.round((fullAt - now) / 86_400_000);
  const when = days < 1 ? 'within a day' : days === 1 ? 'in about a day' : `in about ${String(days)} days`;
  return `; grows ${formatBytes(Math.max(0, trend.growthPerDayBytes))} a day, full ${when}`;
}

function pressureText(pressure: Pressure | null): string {
  if (pressure === null) return '';
  const { cpuSome, memorySome, memoryFull, ioSome, ioFull } = pressure;
  const percent = (value: number): string => `${value.toFixed(1)}%`;
  return `waited for a processor ${percent(cpuSome)} of the last 5 minutes, for memory ${percent(memorySome)} (everything: ${percent(memoryFull)}), for disks ${percent(ioSome)} (everything: ${percent(ioFull)})`;
}

import type { ContainerHostProblem } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerHostProblem.js';
import type { ContainerRow } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { ContainerUse } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerUse.js';
import type { ShowContainerResponse } from '../../shared/gen/proto/reeve/coordinator/v1/ShowContainerResponse.js';
import type { ContainerHealth } from '../../shared/gen/proto/reeve/type/v1/ContainerHealth.js';
import type { ContainerImage } from '../../shared/gen/proto/reeve/type/v1/ContainerImage.js';
import type { ContainerSnapshot } from '../../shared/gen/proto/reeve/type/v1/ContainerSnapshot.js';
import type { ContainerSpec } from '../../shared/gen/proto/reeve/type/v1/ContainerSpec.js';
import type { ObservedContainer } from '../../shared/gen/proto/reeve/type/v1/ObservedContainer.js';
import { usualContainer } from '../../shared/model/container.js';
import { formatAge } from '../../shared/model/duration.js';
import { vis } from '../../shared/model/vis.js';
import { formatBytes } from './size.js';
import { paint, renderFields, renderTable, type Cell, type Tone } from './table.js';
import type { Terminal } from './terminal.js';

const statusTones: Readonly<Record<string, Tone>> = { ok: 'green', pending: 'yellow', drift: 'red', missing: 'red', foreign: 'dim', unknown: 'yellow' };
const stateTones: Readonly<Record<string, Tone>> = { failed: 'red', missing: 'red', stopped: 'dim', sleeping: 'dim' };

function toned(tones: Readonly<Record<string, Tone>>, text: string): Cell {
  const tone = Object.hasOwn(tones, text) ? tones[text] : undefined;
  return tone === undefined ? text : { text, tone };
}

/** How much of a digest people compare. */
const digestCharacters = 12;

const short = (digest: string): string => digest.slice(0, digestCharacters);

/** What it is made from: `docker.io/library/nginx:1.27`, or the beginning of a digest. */
function sourceText(spec: ContainerSpec | null, observed: ObservedContainer | null): string {
  if (spec === null || spec.adopted) return observed?.image ?? '';
  if (spec.archive !== '') return `archive ${short(spec.archive)}`;
  if (spec.template !== '') return spec.template;
  const [name = '', digest = ''] = spec.image.split('@sha256:');
  return spec.tag === '' ? `${name}@${short(digest)}` : `${name}:${spec.tag}`;
}

function memoryText({ memory, memoryMax }: ObservedContainer): string {
  if (memory === 0) return '';
  return memoryMax === 0 ? formatBytes(memory) : `${formatBytes(memory)} of ${formatBytes(memoryMax)}`;
}

function upText({ sinceMs }: ObservedContainer, now: number): string {
  return sinceMs === 0 ? '' : formatAge(now - sinceMs);
}

/** Percent of one core since it was started. */
function cpuText({ sinceMs, cpuUs }: ObservedContainer, now: number): string {
  return sinceMs === 0 || now <= sinceMs ? '' : `${(cpuUs / (now - sinceMs) / 10).toFixed(1)}%`;
}

function stateCell(observed: ObservedContainer | null): Cell {
  if (observed === null) return '';
  return observed.health === 'unhealthy' ? { text: `${observed.state}, unhealthy`, tone: 'red' } : toned(stateTones, observed.state);
}

/** Containers as a table, and hosts that could not be asked. */
export function renderContainers(terminal: Pick<Terminal, 'color'>, rows: readonly ContainerRow[], problems: readonly ContainerHostProblem[], now: number): string {
  const cells = rows.map((row): Cell[] => {
    const { spec, observed } = row;
    const used = observed === null ? ['', '', '', ''] : [upText(observed, now), cpuText(observed, now), memoryText(observed), observed.disk === 0 ? '' : formatBytes(observed.disk)];
    return [row.hostName, row.name, spec?.engine ?? observed?.engine ?? '', stateCell(observed), ...used, sourceText(spec, observed), observed?.address ?? '', row.guest, toned(statusTones, row.status), row.reason];
  });
  const none = 'No containers. To add one: reeve container add HOST NAME --image IMAGE';
  return renderTable(terminal, ['host', 'name', 'engine', 'state', 'up', 'cpu', 'memory', 'disk', 'from', 'address', 'is host', 'status', 'why'], cells, none) + renderProblems(terminal, problems);
}

function renderProblems(terminal: Pick<Terminal, 'color'>, problems: readonly ContainerHostProblem[]): string {
  return problems.map(({ hostName, reason }) => `${paint(terminal, 'not asked', 'yellow')}: ${vis(hostName)}: ${vis(reason)}\n`).join('');
}

/** Several values of one field, a line each. */
function lines(name: string, values: readonly string[]): [string, string][] {
  return values.map((value, index) => [index === 0 ? name : '', value]);
}

function healthText({ command, tcpPort, httpPort, httpPath, startSeconds }: ContainerHealth): string {
  const asked = command.length > 0 ? `command ${command.join(' ')}` : tcpPort > 0 ? `tcp port ${String(tcpPort)}` : `http port ${String(httpPort)} ${httpPath}`;
  return `${asked}, within ${String(startSeconds === 0 ? usualContainer.healthSeconds : startSeconds)} s`;
}

function limitTexts({ limits }: ContainerSpec, ignored: readonly string[]): string[] {
  const { memory = 0, swap, cpu = 0, tasks = 0, disk = 0 } = limits ?? {};
  const kept = (name: string, text: string): string => `${name} ${text}${ignored.includes(name) ? ' (the kernel of the host does not keep it)' : ''}`;
  return [
    ...(memory > 0 ? [kept('memory', formatBytes(memory))] : []), ...(swap === undefined ? [] : [kept('swap', formatBytes(swap))]), ...(cpu > 0 ? [kept('cpu', `${String(cpu)}% of one core`)] : []),
    ...(tasks > 0 ? [kept('tasks', String(tasks))] : []), ...(disk > 0 ? [kept('disk', `${String(disk)} GiB`)] : []),
  ];
}

function specFields(spec: ContainerSpec, ignored: readonly string[]): [string, Cell][] {
  const { boot, running, environment, ports, volumes, idleSeconds, stopSeconds } = spec;
  return [
    ['made from', spec.image === '' ? sourceText(spec, null) : `${spec.image}${spec.tag === '' ? '' : ` (${spec.tag})`}`],
    ['wanted', `${running ? 'running' : 'stopped'}${boot ? ', started with the host' : ''}${idleSeconds > 0 ? `, asleep after ${String(idleSeconds)} s without a connection` : ''}`],
    ['command', spec.command.join(' ')],
    ...lines('variables', environment.map(({ name, value }) => `${name}=${value}`)),
    ...lines('secrets', spec.secrets.map(({ name, version }) => `/run/secrets/${name} (${version})`)),
    ...lines('ports', ports.map(({ protocol, address, port, inside }) => `${address.includes(':') ? `[${address}]` : address}:${String(port)} to ${String(inside)}/${protocol}`)),
    ...lines('volumes', volumes.map(({ folder, target, readOnly }) => `${folder} at ${target}${readOnly ? ', read only' : ''}`)),
    ...lines('devices', spec.devices),
    ['network', spec.engine === 'podman' ? (spec.hostNetwork ? 'that of the host' : 'its own') : [spec.bridge, spec.address === '' ? 'by DHCP' : spec.address, spec.gateway === '' ? '' : `gateway ${spec.gateway}`].filter((text) => text !== '').join(', ')],
    ['root is', spec.engine === 'pct' ? '' : spec.hostIds ? { text: 'root of the host', tone: 'yellow' } : 'an account of its own'],
    ...lines('limits', limitTexts(spec, ignored)),
    ['healthy by', spec.health === null ? '' : healthText(spec.health)],
    ['restart', spec.restart === 'always' || spec.restart === '' ? '' : spec.restart],
    ['stops within', `${String(stopSeconds ?? usualContainer.stopSeconds)} s`],
  ];
}

/** One container as it should be and as it is. */
export function renderContainer(terminal: Pick<Terminal, 'color'>, { row, offers }: ShowContainerResponse, now: number): string {
  if (row === null) return '';
  const { spec, observed } = row;
  return renderFields(terminal, [
    ['host', row.hostName],
    ['name', row.name],
    ['engine', spec?.engine ?? observed?.engine ?? ''],
    ['status', toned(statusTones, row.status)],
    ['why', row.reason],
    ['is host', row.guest],
    ...(spec === null ? [] : specFields(spec, offers?.ignoredLimits ?? [])),
    ...(observed === null ? [] : observedFields(observed, now)),
  ]);
}

function observedFields(observed: ObservedContainer, now: number): [string, Cell][] {
  const { pid, tasks, disk } = observed;
  return [
    ['state', stateCell(observed)],
    ['reason', observed.reason],
    ['health', observed.health],
    ['up', upText(observed, now)],
    ['cpu', cpuText(observed, now)],
    ['memory', `${memoryText(observed)}${observed.memory > 0 && !observed.memoryCounted ? ' (what its processes hold)' : ''}`],
    ['tasks', tasks === 0 ? '' : String(tasks)],
    ['disk', disk === 0 ? '' : formatBytes(disk)],
    ['address', observed.address === '' ? '' : `${observed.address}${observed.bridge === '' ? '' : ` on ${observed.bridge}`}`],
    ['process', pid === 0 ? '' : String(pid)],
    ['unit', observed.unit],
  ];
}

/** What containers use now, as a table. */
export function renderUses(terminal: Pick<Terminal, 'color'>, uses: readonly ContainerUse[], problems: readonly ContainerHostProblem[], now: number): string {
  const rows = uses.flatMap(({ hostName, observed, cpuPercent }): Cell[][] =>
    observed === null ? [] : [[hostName, observed.name, observed.engine, upText(observed, now), `${cpuPercent.toFixed(1)}%`, memoryText(observed), observed.tasks === 0 ? '' : String(observed.tasks), observed.disk === 0 ? '' : formatBytes(observed.disk)]],
  );
  return renderTable(terminal, ['host', 'name', 'engine', 'up', 'cpu', 'memory', 'tasks', 'disk'], rows, 'No container runs.') + renderProblems(terminal, problems);
}

/** A day and time of the host, UTC; empty: not known. */
function timeText(ms: number): string {
  const date = new Date(ms);
  return ms === 0 || Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** Images and archives as a table. */
export function renderImages(terminal: Pick<Terminal, 'color'>, images: readonly ContainerImage[], none: string): string {
  const rows = images.map(({ kind, image, tag, digest, bytes, createdMs, usedBy }): Cell[] => [kind, image === '' ? '' : `${image}${tag === '' ? '' : `:${tag}`}`, kind === 'lxc' ? digest : `sha256:${digest}`, formatBytes(bytes), timeText(createdMs), usedBy.join(' ')]);
  return renderTable(terminal, ['for', 'image', 'digest', 'size', 'created', 'used by'], rows, none);
}

/** Snapshots of a container as a table. */
export function renderContainerSnapshots(terminal: Pick<Terminal, 'color'>, snapshots: readonly ContainerSnapshot[], none: string): string {
  const rows = snapshots.map(({ name, createdMs, bytes }): Cell[] => [name, timeText(createdMs), bytes === 0 ? '' : formatBytes(bytes)]);
  return renderTable(terminal, ['snapshot', 'made', 'size'], rows, none);
}

import type { ContainerHostInput } from '../../shared/gen/proto/reeve/type/v1/ContainerHost.js';
import type { ObservedContainerInput } from '../../shared/gen/proto/reeve/type/v1/ObservedContainer.js';
import { formatContainerSpec, type ContainerHealth, type ContainerSpec } from '../../shared/model/container.js';
import type { ObservedContainer } from '../../shared/model/container-state.js';
import type { ObservedContainers } from './observe.js';

/**
 * What it takes until a field of a spec is as wanted. quiet: nothing that anybody notices. limit: the kernel is told. restart: the container is started anew.
 * fixed: it can only be said when the container is made.
 */
export type Effect = 'quiet' | 'limit' | 'restart' | 'fixed';

/** A field of a spec for people. */
export interface SpecField {
  readonly field: string;
  /** Empty: not given. */
  readonly text: string;
  readonly effect: Effect;
}

/** The fields of a spec, in a fixed order, without its state. Of secrets only names and versions. */
export function specFields(spec: ContainerSpec): readonly SpecField[] {
  const { engine, limits } = spec;
  const one = (field: string, effect: Effect, value: string | number | undefined): SpecField => ({ field, effect, text: value === undefined ? '' : String(value) });
  const fixed = (field: string, value: string | number | undefined): SpecField => one(field, 'fixed', value);
  return [
    fixed('engine', engine), fixed('id', spec.id), one('starts with the host', 'quiet', yesNo(spec.boot)), fixed('adopted', yes(spec.adopted)),
    one('image', 'restart', spec.image), fixed('archive', spec.archive), fixed('template', spec.template), fixed('storage', spec.storage),
    one('command', 'restart', words(spec.command)),
    ...spec.environment.map(({ name, value }) => one(`environment ${name}`, 'restart', value === '' ? '""' : value)),
    ...spec.secrets.map(({ name, version }) => one(`secret ${name}`, 'restart', `version ${version}`)),
    ...spec.ports.map(({ protocol, address, port, inside }) => one(`port ${address}:${String(port)}/${protocol}`, 'restart', `port ${String(inside)} of it`)),
    ...spec.volumes.map(({ folder, target, readOnly }) => one(`volume ${target}`, 'restart', `${folder}${readOnly ? ', read-only' : ''}`)),
    ...spec.devices.map((path) => one(`device ${path}`, 'restart', 'yes')),
    one('network of the host', 'restart', yes(spec.hostNetwork)), one('bridge', 'restart', spec.bridge), one('address', 'restart', spec.address), one('gateway', 'restart', spec.gateway),
    // Files of a container of lxc belong to its ids.
    one('ids of the host', engine === 'podman' ? 'restart' : 'fixed', yes(spec.hostIds)),
    one('restart', 'quiet', engine === 'pct' ? '' : spec.restart),
    one('memory', 'limit', bytes(limits.memory)), one('swap', 'limit', bytes(limits.swap)), one('cpu', 'limit', limits.cpu === undefined ? '' : `${String(limits.cpu)} %`),
    one('tasks', 'limit', limits.tasks), one('disk', 'limit', limits.disk === undefined ? '' : `${String(limits.disk)} GiB`),
    // A command is known to podman from the start of the container.
    one('health', spec.health?.kind === 'command' ? 'restart' : 'quiet', spec.health === undefined ? '' : healthText(spec.health)),
    one('healthy within', 'quiet', spec.health === undefined ? '' : `${String(spec.health.startSeconds)} s`),
    one('time to stop', 'quiet', `${String(spec.stopSeconds)} s`),
    one('sleeps after', 'restart', spec.idleSeconds === undefined ? '' : `${String(spec.idleSeconds)} s`),
  ];
}

function yes(value: boolean): string {
  return value ? 'yes' : '';
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

function words(all: readonly string[]): string {
  return all.map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}

function bytes(value: number | undefined): string {
  if (value === undefined) return '';
  const units = [[2 ** 30, 'GiB'], [2 ** 20, 'MiB']] as const;
  const unit = units.find(([size]) => value >= size && value % size === 0);
  return unit === undefined ? `${String(value)} bytes` : `${String(value / unit[0])} ${unit[1]}`;
}

function healthText(health: ContainerHealth): string {
  switch (health.kind) {
    case 'command':
      return `command ${words(health.words)}`;
    case 'tcp':
      return `tcp port ${String(health.port)}`;
    case 'http':
      return `http port ${String(health.port)}, ${health.path}`;
  }
}

/** One as the wire has it. `health`: "healthy", "unhealthy", or empty. */
export function formatObservedContainer({ spec, specSha: _sha, fresh: _fresh, ...rest }: ObservedContainer, health = ''): ObservedContainerInput {
  return { ...rest, health, ...(spec === undefined ? {} : { spec: formatContainerSpec(spec) }) };
}

/** What a host offers, as the wire has it. */
export function formatContainerHost({ engines, ignoredLimits }: ObservedContainers): ContainerHostInput {
  return { engines: [...engines], ignoredLimits: [...ignoredLimits] };
}

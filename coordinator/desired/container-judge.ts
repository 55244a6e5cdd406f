import type { ContainerSpec } from '../../shared/model/container.js';
import { isContainerName } from '../../shared/model/container-field.js';
import { formatContainerText } from '../../shared/model/container-text.js';
import type { ContainerRow, PresentContainer } from './container.js';
import type { ObservedContainer } from './container-observed.js';

/** A container at a glance: one word, why, and what to do about it. */
export interface ContainerStatus {
  readonly status: 'ok' | 'pending' | 'drift' | 'missing' | 'foreign' | 'unknown';
  /** Hostile: hosts have a part in it. */
  readonly reason: string;
}

/** What is known of a container that stands in the inventory, on its host, or on both. */
export interface JudgedContainer {
  readonly hostName: string;
  readonly name: string;
  /** As it should be; undefined: nothing is wanted of it. */
  readonly row: ContainerRow | undefined;
  /** Why the host still has to be told; empty: it was told, but not why not. undefined: it owes nothing. */
  readonly owed: string | undefined;
  /** As it is; undefined: it is not there, or nobody knows. */
  readonly observed: ObservedContainer | undefined;
  /** Why the host could not be asked; undefined: it was asked. */
  readonly unasked: string | undefined;
  /** The host of the inventory that it is; empty: none. */
  readonly guest: string;
}

/** Judges a container by what should be and what is. */
export function judgeContainer(judged: JudgedContainer): ContainerStatus {
  const { hostName, row, owed, observed, unasked } = judged;
  if (row === undefined) return judgeForeign(judged);
  const apply = `reeve apply --on ${hostName} --noun container`;
  const { container } = row;
  if (container.presence !== 'present') return { status: 'pending', reason: `it is to ${container.presence === 'absent' ? 'be removed' : 'go on without Reeve'}${because(owed)}; to do it: ${apply}` };
  if (owed !== undefined) return { status: 'pending', reason: `its host still has to be told${because(owed)}; to do it: ${apply}` };
  if (unasked !== undefined) return { status: 'unknown', reason: unasked };
  if (observed === undefined || observed.state === 'missing') return { status: 'missing', reason: `it was removed by hand; to make it anew: ${apply}` };
  return judgePresent(judged, container, observed, apply);
}

function because(owed: string | undefined): string {
  return owed === undefined || owed === '' ? '' : ` (${owed})`;
}

function judgePresent({ hostName, name }: JudgedContainer, { spec }: PresentContainer, observed: ObservedContainer, apply: string): ContainerStatus {
  const drift = (reason: string): ContainerStatus => ({ status: 'drift', reason });
  if (!observed.managed) return drift(`somebody else made one of this name; to take it over: reeve container adopt ${hostName} ${name}`);
  if (observed.edited !== '') return drift(`${observed.edited} was altered by hand; to write over it: reeve container set ${hostName} ${name} --overwrite`);
  if (observed.pending) return drift(`a change of it was neither kept nor taken back; to settle it: ${apply}`);
  if (observed.spec === undefined || !isSame(observed.spec, spec)) return drift(`its host has it otherwise; to make it so: ${apply}`);
  if (observed.state === 'failed') return drift(`it failed${because(observed.reason)}; see: reeve container logs ${hostName} ${name}; to start it: ${apply}`);
  if (spec.running && observed.state === 'stopped') return drift(`${spec.restart === 'always' ? 'it was stopped by hand' : 'it has ended'}; to start it: ${apply}`);
  if (!spec.running && !['stopped', 'stopping'].includes(observed.state)) return drift(`it was started by hand; to stop it: ${apply}`);
  return { status: 'ok', reason: observed.health === 'unhealthy' ? `it is not healthy; see: reeve container logs ${hostName} ${name}` : '' };
}

/** First keys are used when a container is made: what became of them later is nothing that is wanted. */
function isSame(one: ContainerSpec, other: ContainerSpec): boolean {
  return formatContainerText({ ...one, sshKeys: [] }) === formatContainerText({ ...other, sshKeys: [] });
}

/** One that nobody wants: it is a host of its own, or could be taken over. */
function judgeForeign({ hostName, name, guest, observed }: JudgedContainer): ContainerStatus {
  if (guest !== '') return { status: 'foreign', reason: `it is host "${guest}"; to have Reeve manage the container, too: reeve container adopt ${hostName} ${name}` };
  if (!isContainerName(name)) return { status: 'foreign', reason: 'Reeve does not manage it, and cannot take it over by this name' };
  const why = observed?.managed === true ? 'nothing is wanted of it' : 'Reeve does not manage it';
  return { status: 'foreign', reason: `${why}; to take it over: reeve container adopt ${hostName} ${name}` };
}

/** A host that lives on the host of a container. */
export interface GuestHost {
  readonly name: string;
  /** Address of its agent; undefined: not known. */
  readonly address: string | undefined;
}

/** The host of the inventory that a container is: by its address, or else by its name. */
export function guestOf(children: readonly GuestHost[], container: { readonly name: string; readonly addresses: readonly string[] }): string {
  const addresses = container.addresses.map((address) => address.split('/')[0] ?? '').filter((address) => address !== '');
  const same = children.find(({ address }) => address !== undefined && addresses.includes(address)) ?? children.find(({ name }) => name === container.name || name.split('.')[0] === container.name);
  return same?.name ?? '';
}

/** A look at the processor time of a container. */
export interface CpuLook {
  /** When it was started, unix ms. */
  readonly sinceMs: number;
  /** Processor time until then, us. */
  readonly cpuUs: number;
  /** When it was looked at, ms of a clock that only goes forward. */
  readonly atMs: number;
}

/** Percent of one core between two looks; without a look before, or when it was started between them, since it was started (`nowMs`, unix ms). */
export function cpuPercent(before: CpuLook | undefined, now: CpuLook, nowMs: number): number {
  const same = before?.sinceMs === now.sinceMs && before.cpuUs <= now.cpuUs && now.atMs > before.atMs;
  const [us, ms] = same ? [now.cpuUs - before.cpuUs, now.atMs - before.atMs] : [now.cpuUs, nowMs - now.sinceMs];
  return now.sinceMs === 0 || ms <= 0 ? 0 : Math.round(us / ms) / 10;
}

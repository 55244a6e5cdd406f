import type { Canonical } from './canonical.js';
import type { ContainerEngine, ContainerSpec } from './container.js';

/** What a container does. `missing`: it is managed, and something of it is not there. */
export const containerStates = ['running', 'starting', 'stopping', 'stopped', 'sleeping', 'failed', 'missing'] as const;
export type ContainerState = (typeof containerStates)[number];

/** One container of a host as it is. */
export interface ObservedContainer {
  readonly name: string;
  readonly engine: ContainerEngine;
  readonly managed: boolean;
  /** What it is made from; undefined: it is not managed, or its record cannot be read. */
  readonly spec: ContainerSpec | undefined;
  /** sha256 of the record, hex; empty: it is not managed. */
  readonly specSha: string;
  readonly state: ContainerState;
  /** Why it failed, or what is missing. */
  readonly reason: string;
  /** It is started with the host. */
  readonly boot: boolean;
  /** A path of ours that was altered by hand; empty: none. */
  readonly edited: string;
  /** Since when it runs, unix ms; 0: it does not. */
  readonly sinceMs: number;
  readonly pid: number;
  /** Processor time since it was started, us. */
  readonly cpuUs: number;
  /** Bytes. */
  readonly memory: number;
  /** Bytes; 0: no limit that the kernel keeps. */
  readonly memoryMax: number;
  /** false: the kernel does not account for it. */
  readonly memoryCounted: boolean;
  readonly tasks: number;
  /** Bytes; 0: not known. */
  readonly disk: number;
  /** Name of the image of a foreign one of podman. */
  readonly image: string;
  /** CIDR; empty: none, or by DHCP. */
  readonly address: string;
  readonly bridge: string;
  /** pct: its number; otherwise 0. */
  readonly id: number;
  readonly unit: string;
  /** A change of it was neither kept nor taken back. */
  readonly pending: boolean;
  /** pending: it was not there before that change. */
  readonly fresh: boolean;
}

/** Whether it is there for who asks for it: one that is being started or that sleeps is no drift. */
export function isContainerUp(state: ContainerState): boolean {
  return state === 'running' || state === 'starting' || state === 'sleeping';
}

/** What the digest of noun container is made of: of each managed one what it is made from, whether it is up, and what was altered by hand. By name. */
export function containerDigestModel(containers: readonly ObservedContainer[]): readonly Canonical[] {
  return containers
    .filter(({ managed }) => managed)
    .map(({ name, specSha, state, edited }) => ({ name, spec: specSha, up: isContainerUp(state), edited }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

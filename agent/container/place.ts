import type { ErrorItem } from '../../shared/errors/error.js';
import type { Container, ContainerEngine, ContainerSpec } from '../../shared/model/container.js';
import { isContainerUp, type ObservedContainer } from '../../shared/model/container-state.js';
import type { ListeningSocket } from '../host/host.js';
import type { HostNetwork } from '../nat/foreign/network.js';
import type { Deny } from '../user/plan.js';
import { addressProblem, type TakenAddress } from './address.js';
import type { ObservedContainers } from './observe.js';
import { specRefusals } from './permit.js';
import { portProblems, type TakenPort } from './port.js';

/** What a plan is made of. */
export interface ContainerPlanInput {
  readonly wanted: readonly Container[];
  readonly observed: ObservedContainers;
  readonly network: HostNetwork;
  readonly listening: readonly ListeningSocket[];
  readonly deny: Deny;
  readonly hostName: string;
}

/** What the host has to offer, and what is taken of it. */
export interface Place {
  readonly input: ContainerPlanInput;
  /** Of all containers as they are going to be. */
  readonly ports: readonly TakenPort[];
  readonly addresses: readonly (TakenAddress & { readonly name: string })[];
  /** Of all containers as they are. */
  readonly held: readonly TakenPort[];
}

/** What is taken once all of a request is made. */
export function placeOf(input: ContainerPlanInput): Place {
  const { wanted, observed: { containers } } = input;
  const rows = new Map(wanted.map((row) => [row.name, row]));
  const stays = ({ name, managed }: ObservedContainer): boolean => !(managed && rows.has(name) && rows.get(name)?.presence !== 'released') && !(!managed && rows.get(name)?.presence === 'present');
  const left = containers.filter(stays);
  const specs = [
    ...wanted.flatMap((row) => (row.presence === 'present' ? [{ name: row.name, spec: row.spec }] : [])),
    ...left.flatMap(({ name, spec }) => (spec === undefined ? [] : [{ name, spec }])),
  ];
  return {
    input,
    ports: specs.flatMap(({ name, spec }) => spec.ports.map((port) => ({ name, port }))),
    addresses: [
      ...specs.map(({ name, spec }) => ({ name, address: spec.address })),
      ...left.filter(({ spec }) => spec === undefined || spec.address === '').map(({ name, address }) => ({ name, address })),
    ].filter(({ address }) => address !== '').map(({ name, address }) => ({ name, address, owner: `container "${name}"` })),
    held: containers.flatMap(({ name, spec }) => (spec?.ports ?? []).map((port) => ({ name, port }))),
  };
}

/** What stands in the way of a container; of one that is there only what it gets anew. */
export function placeProblems({ input, ports, addresses, held }: Place, { name, spec, now }: { readonly name: string; readonly spec: ContainerSpec; readonly now: ObservedContainer | undefined }): readonly ErrorItem[] {
  const { hostName, network, listening, deny, observed } = input;
  const before = now?.spec;
  const engine = engineProblem(spec.engine, observed.engines, hostName);
  if (engine !== undefined) return [engine];
  // One of others that is taken over listens on its ports already.
  const own = now !== undefined && !now.managed && isContainerUp(now.state) ? spec.ports.map((port) => ({ name, port })) : [];
  const moved = before === undefined || before.bridge !== spec.bridge || before.address !== spec.address;
  const address = moved ? addressProblem(spec, { network, hostName, taken: addresses.filter((taken) => taken.name !== name) }) : undefined;
  return [
    ...(address === undefined ? [] : [address]),
    ...portProblems(spec.ports, { others: ports.filter((taken) => taken.name !== name), held: [...held, ...own], listening, hostName }),
    ...specRefusals(name, spec, deny),
  ];
}

const packages: Readonly<Record<ContainerEngine, string>> = {
  podman: 'Install it on the host: apt-get install podman', lxc: 'Install it on the host: apt-get install lxc', pct: 'pct is part of Proxmox VE; on other hosts containers are of podman or lxc.',
};

function engineProblem(engine: ContainerEngine, engines: ReadonlySet<ContainerEngine>, host: string): ErrorItem | undefined {
  const problem = (rule: string, remedy: string): ErrorItem => ({ code: 'CONTAINER_ENGINE', fields: { host, rule, remedy } });
  if (engine === 'lxc' && engines.has('pct')) return problem('it is a Proxmox VE host, whose own tools would not know of it', 'Make it with pct: --engine pct');
  return engines.has(engine) ? undefined : problem(`${engine} is not installed`, packages[engine]);
}

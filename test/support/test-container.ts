import type { Container as WireContainer } from '../../shared/gen/proto/reeve/type/v1/Container.js';
import { parseContainerSpec, type Container, type ContainerSpec } from '../../shared/model/container.js';
import { sha256 } from '../../shared/kit/digest.js';
import type { ObservedContainer } from '../../shared/model/container-state.js';
import { formatContainerText } from '../../shared/model/container-text.js';

/** An image by digest: `localhost/NAME@sha256:...`, another one for each letter. */
export function testImage(name = 'web', letter = 'a'): string {
  return `localhost/${name}@sha256:${letter.repeat(64)}`;
}

const bare = {
  id: 0, boot: false, adopted: false, image: '', tag: '', archive: '', template: '', storage: '', command: [], environment: [], secrets: [], ports: [], volumes: [], devices: [], hostNetwork: false, bridge: '', address: '',
  gateway: '', hostIds: false, sshKeys: [], restart: '', limits: null, health: null, idleSeconds: 0,
} satisfies Omit<NonNullable<WireContainer['spec']>, 'engine' | 'running'>;

/** A container of podman that runs, publishes port 8080 and is started with the host. */
export function podmanSpec(over: Partial<ContainerSpec> = {}): ContainerSpec {
  const spec = parseContainerSpec({ ...bare, engine: 'podman', running: true, boot: true, image: testImage(), ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 8080, inside: 80 }] });
  return { ...spec, ...over };
}

/** A container of lxc that runs on lxcbr0 and is started with the host. */
export function lxcSpec(over: Partial<ContainerSpec> = {}): ContainerSpec {
  const spec = parseContainerSpec({ ...bare, engine: 'lxc', running: true, boot: true, archive: 'b'.repeat(64), bridge: 'lxcbr0', address: '10.0.3.7/24', gateway: '10.0.3.1' });
  return { ...spec, ...over };
}

/** A container of pct that runs on vmbr0. */
export function pctSpec(over: Partial<ContainerSpec> = {}): ContainerSpec {
  const spec = parseContainerSpec({ ...bare, engine: 'pct', id: 101, running: true, boot: true, template: 'local:vztmpl/debian-12.tar.zst', storage: 'local-lvm', bridge: 'vmbr0', address: '192.0.2.7/24' });
  return { ...spec, ...over };
}

/** A row that wants it there. */
export function wanted(name: string, spec: ContainerSpec, over: { readonly overwrite?: boolean; readonly adopt?: boolean } = {}): Extract<Container, { presence: 'present' }> {
  return { presence: 'present', name, spec, overwrite: false, adopt: false, ...over };
}

/** A managed container as it is seen; its state is as its record says unless another one is given. */
export function seenContainer(name: string, spec: ContainerSpec, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    name, engine: spec.engine, managed: true, spec: { ...spec, tag: '' }, specSha: sha256(formatContainerText(spec)).toString('hex'), state: !spec.running ? 'stopped' : spec.idleSeconds === undefined ? 'running' : 'sleeping', reason: '',
    boot: spec.boot, edited: '', sinceMs: 0, pid: 0, cpuUs: 0, memory: 0, memoryMax: 0, memoryCounted: true, tasks: 0, disk: 0, image: '', address: spec.address, bridge: spec.bridge, id: spec.id ?? 0, unit: '', pending: false, fresh: false, ...over,
  };
}

/** One that somebody else made, as it is seen. */
export function foreignContainer(name: string, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return { ...seenContainer(name, podmanSpec()), managed: false, spec: undefined, specSha: '', ...over };
}

import type { ErrorItem } from '../../shared/errors/error.js';
import type { ContainerSpec } from '../../shared/model/container.js';
import type { Deny } from '../user/plan.js';

/** What the policy refuses of operations, with their values. */
export function denied(deny: Deny, asked: readonly (readonly [string, Readonly<Record<string, string | undefined>>])[]): readonly ErrorItem[] {
  return asked.flatMap(([operation, args]) => {
    const found = deny(operation, args);
    return found === undefined ? [] : [{ code: found.code, fields: found.fields }];
  });
}

/** What the policy refuses of writing a container down. Whether what a volume names is a socket, which has a word of its own, only the helper sees: here either word will do. */
export function specRefusals(name: string, spec: ContainerSpec, deny: Deny): readonly ErrorItem[] {
  return denied(deny, [
    ['container.write', { name, engine: spec.engine }],
    ...(spec.image === '' ? [] : ([['container.image', { image: spec.image }]] as const)),
    ...spec.ports.map(({ address, port }) => ['container.port', { port: String(port), address }] as const),
    ...spec.volumes.filter(({ folder }) => deny('container.socket', { name, path: folder }) !== undefined).map(({ folder }) => ['container.volume', { folder }] as const),
    ...spec.devices.map((path) => ['container.device', { name, path }] as const),
    ...(spec.bridge === '' ? [] : ([['container.bridge', { bridge: spec.bridge }]] as const)),
    ...(spec.hostIds ? ([['container.host-ids', { name }]] as const) : []),
    ...(spec.hostNetwork ? ([['container.host-network', { name }]] as const) : []),
  ]);
}

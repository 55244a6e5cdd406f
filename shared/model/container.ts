import type { ContainerInput } from '../gen/proto/reeve/type/v1/Container.js';
import type { ContainerSpec as WireSpec, ContainerSpecInput } from '../gen/proto/reeve/type/v1/ContainerSpec.js';
import {
  digestPattern, mostContainer, parseContainerName, parseDevice, parseOptional, parsePinnedImage, parsePlainPath, parsePublishAddress, parseSecretName, parseVariableName, parseVariableValue, parseWord, tagPattern,
} from './container-field.js';
import { fieldInvalid, fieldMissing, parseInteger, parsePattern } from './field.js';
import { expandIpv6, isIpv4, isIpv6, parsePort } from './host.js';
import { parseId } from './id.js';
import { parseKeyText, rsaBits } from './key.js';
import { parseInterface } from './nat.js';

export const containerEngines = ['podman', 'lxc', 'pct'] as const;
export type ContainerEngine = (typeof containerEngines)[number];

/** A port of the host that leads into a container. */
export interface ContainerPort {
  readonly protocol: 'tcp' | 'udp';
  /** Of the host; 0.0.0.0: all. */
  readonly address: string;
  readonly port: number;
  /** In the container. */
  readonly inside: number;
}

/** A folder of the host in a container. */
export interface ContainerVolume {
  readonly folder: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Limits; undefined: none (swap: as the host does). */
export interface ContainerLimits {
  /** Bytes. */
  readonly memory: number | undefined;
  /** Bytes beside memory. */
  readonly swap: number | undefined;
  /** Percent of one core. */
  readonly cpu: number | undefined;
  readonly tasks: number | undefined;
  /** GiB. */
  readonly disk: number | undefined;
}

/** How a container is seen to be healthy, and the longest time until it is, s. */
export type ContainerHealth = { readonly startSeconds: number } & (
  | { readonly kind: 'command'; readonly words: readonly string[] }
  | { readonly kind: 'tcp'; readonly port: number }
  | { readonly kind: 'http'; readonly port: number; readonly path: string }
);

/** What a container is made from; which engine has what: native/container/README.md. What an engine does not have is empty. Lists are sorted where their order means nothing. */
export interface ContainerSpec {
  readonly engine: ContainerEngine;
  readonly id: number | undefined;
  readonly running: boolean;
  readonly boot: boolean;
  readonly adopted: boolean;
  /** By digest; empty: not podman. */
  readonly image: string;
  /** What the image was asked for by; for people, not for the host. */
  readonly tag: string;
  readonly archive: string;
  readonly template: string;
  readonly storage: string;
  readonly command: readonly string[];
  readonly environment: readonly { readonly name: string; readonly value: string }[];
  readonly secrets: readonly { readonly name: string; readonly version: string }[];
  readonly ports: readonly ContainerPort[];
  readonly volumes: readonly ContainerVolume[];
  readonly devices: readonly string[];
  readonly hostNetwork: boolean;
  readonly bridge: string;
  /** ADDRESS/PREFIX; empty: by DHCP. */
  readonly address: string;
  readonly gateway: string;
  readonly hostIds: boolean;
  readonly sshKeys: readonly string[];
  readonly restart: 'no' | 'on-failure' | 'always';
  readonly limits: ContainerLimits;
  readonly health: ContainerHealth | undefined;
  readonly stopSeconds: number;
  readonly idleSeconds: number | undefined;
}

/** A row of what should be on a host. */
export type Container =
  | {
      readonly presence: 'present';
      readonly name: string;
      readonly spec: ContainerSpec;
      readonly overwrite: boolean;
      readonly adopt: boolean;
      /** The request is not made for its sake: what stands in its way keeps no other one waiting. */
      readonly aside?: true;
    }
  | { readonly presence: 'absent'; readonly name: string; readonly removeVolumes: boolean }
  | { readonly presence: 'released'; readonly name: string };

/** What is so when nobody says otherwise. */
export const usualContainer = { stopSeconds: 10, healthSeconds: 60, restart: 'always' } as const;

/** Bounds of numbers. */
export const containerBounds = {
  id: { min: 100, max: 999_999_999 }, memory: { min: 4_194_304, max: 2 ** 50 }, swap: { min: 0, max: 2 ** 50 }, cpu: { min: 1, max: 102_400 }, tasks: { min: 1, max: 1_000_000 }, disk: { min: 1, max: 1_000_000 },
  healthSeconds: { min: 1, max: 900 }, stopSeconds: { min: 0, max: 600 }, idleSeconds: { min: 1, max: 86_400 },
} as const;

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function unique<T>(field: string, items: readonly T[], keyOf: (item: T) => string, most: number): readonly T[] {
  if (items.length > most) throw fieldInvalid(field, String(items.length), `at most ${String(most)}`);
  const sorted = [...items].sort((a, b) => byText(keyOf(a), keyOf(b)));
  const twice = sorted.find((item, index) => index > 0 && keyOf(item) === keyOf(sorted[index - 1] as T));
  if (twice !== undefined) throw fieldInvalid(field, keyOf(twice), 'each only once');
  return sorted;
}

/** A spec from the wire. Errors: FIELD_INVALID, FIELD_MISSING, also for what its engine does not have. */
export function parseContainerSpec(wire: WireSpec | null): ContainerSpec {
  if (wire === null) throw fieldMissing('spec', 'what the container is');
  const engine = containerEngines.find((known) => known === wire.engine);
  if (engine === undefined) throw fieldInvalid('engine', wire.engine, 'podman, lxc or pct');
  const spec: ContainerSpec = {
    engine,
    id: parseOptional('id', wire.id, containerBounds.id),
    running: wire.running,
    boot: wire.boot,
    adopted: wire.adopted,
    image: wire.image === '' ? '' : parsePinnedImage(wire.image),
    tag: wire.tag === '' ? '' : parsePattern('tag', wire.tag, tagPattern, 'a tag of an image'),
    archive: wire.archive === '' ? '' : parsePattern('archive', wire.archive, digestPattern, '64 hex digits'),
    template: wire.template === '' ? '' : parsePattern('template', wire.template, /^[A-Za-z][A-Za-z0-9._-]{0,63}:vztmpl\/[A-Za-z0-9][A-Za-z0-9._+~-]{0,200}$/, 'STORAGE:vztmpl/FILE'),
    storage: wire.storage === '' ? '' : parsePattern('storage', wire.storage, /^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'the name of a storage'),
    command: parseWords('command', wire.command),
    environment: unique('environment', wire.environment.map(({ name, value }) => ({ name: parseVariableName(name), value: parseVariableValue(value) })), ({ name }) => name, mostContainer.variables),
    secrets: unique('secrets', wire.secrets.map(({ name, version }) => ({ name: parseSecretName(name), version: parseId('version of a secret', version) })), ({ name }) => name, mostContainer.secrets),
    ports: unique('ports', wire.ports.map(parseContainerPort), portKey, mostContainer.ports),
    volumes: unique('volumes', wire.volumes.map(({ folder, target, readOnly }) => ({ folder: parsePlainPath(folder, 'volume'), target: parseTarget(target), readOnly })), ({ target }) => target, mostContainer.volumes),
    devices: unique('devices', wire.devices.map((path) => parseDevice(path)), (path) => path, mostContainer.devices),
    hostNetwork: wire.hostNetwork,
    bridge: wire.bridge === '' ? '' : parseInterface('bridge', wire.bridge),
    address: wire.address === '' ? '' : parseContainerAddress(wire.address),
    gateway: wire.gateway === '' ? '' : parseGateway(wire.gateway),
    hostIds: wire.hostIds,
    sshKeys: unique('SSH keys', wire.sshKeys.map(parseFirstKey), (key) => key, mostContainer.keys),
    restart: parseRestart(wire.restart),
    limits: {
      memory: parseOptional('memory', wire.limits?.memory ?? 0, containerBounds.memory),
      swap: wire.limits?.swap === undefined ? undefined : parseInteger('swap', wire.limits.swap, containerBounds.swap),
      cpu: parseOptional('cpu', wire.limits?.cpu ?? 0, containerBounds.cpu),
      tasks: parseOptional('tasks', wire.limits?.tasks ?? 0, containerBounds.tasks),
      disk: parseOptional('disk', wire.limits?.disk ?? 0, containerBounds.disk),
    },
    health: wire.health === null ? undefined : parseHealth(wire.health),
    stopSeconds: wire.stopSeconds === undefined ? usualContainer.stopSeconds : parseInteger('stop seconds', wire.stopSeconds, containerBounds.stopSeconds),
    idleSeconds: parseOptional('idle seconds', wire.idleSeconds, containerBounds.idleSeconds),
  };
  checkEngine(spec);
  return spec;
}

function portKey({ protocol, address, port }: ContainerPort): string {
  return `${protocol} ${String(port).padStart(5, '0')} ${address}`;
}

function parseWords(field: string, words: readonly string[]): readonly string[] {
  if (words.length > mostContainer.words) throw fieldInvalid(field, String(words.length), `at most ${String(mostContainer.words)} words`);
  return words.map((word) => parseWord(field, word));
}

/** A published port. Errors: FIELD_INVALID. */
export function parseContainerPort({ protocol, address, port, inside }: { readonly protocol: string; readonly address: string; readonly port: number; readonly inside: number }): ContainerPort {
  if (protocol !== 'tcp' && protocol !== 'udp') throw fieldInvalid('protocol', protocol, 'tcp or udp');
  return { protocol, address: parsePublishAddress(address), port: parsePort(port), inside: parsePort(inside, 'port in the container') };
}

/** ADDRESS/PREFIX of a machine on a bridge. Errors: FIELD_INVALID. */
export function parseContainerAddress(text: string, field = 'address'): string {
  const rule = 'ADDRESS/PREFIX, e.g. 10.0.3.7/24';
  const [address = '', prefix = ''] = text.split('/');
  const full = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  const special = address === '::' || address === '::1' || /^(?:0|127|22[4-9]|2[3-5][0-9])\./.test(address) || /^(?:fe[89ab]|ff)/.test(address);
  if (full === 0 || special || text !== `${address}/${prefix}` || !/^[1-9][0-9]{0,2}$/.test(prefix) || Number(prefix) > full) throw fieldInvalid(field, text, rule);
  return text;
}

/** Folders that are not a volume's: what the kernel, podman and the engine put there. */
const ownFolders = ['/proc', '/sys', '/dev', '/run/secrets'] as const;

/** Where a volume is seen in a container. Errors: FIELD_INVALID, FIELD_MISSING. */
function parseTarget(text: string): string {
  const path = parsePlainPath(text, 'target of a volume');
  const own = ownFolders.find((folder) => `${path}/`.startsWith(`${folder}/`) || `${folder}/`.startsWith(`${path}/`));
  if (own !== undefined) throw fieldInvalid('target of a volume', text, `not ${own}, nor below it or above it`);
  return path;
}

function parseGateway(text: string): string {
  if (!isIpv4(text) && !isIpv6(text)) throw fieldInvalid('gateway', text, 'an address');
  return text;
}

function parseFirstKey(text: string): string {
  const [type = '', base64 = '', more] = text.split(' ');
  if (more !== undefined) throw fieldInvalid('SSH key', text, 'TYPE BLOB');
  parseKeyText(type, base64, rsaBits.fresh);
  return text;
}

function parseRestart(text: string): ContainerSpec['restart'] {
  if (text === '') return usualContainer.restart;
  if (text !== 'no' && text !== 'on-failure' && text !== 'always') throw fieldInvalid('restart', text, 'no, on-failure or always');
  return text;
}

function parseHealth({ command, tcpPort, httpPort, httpPath, startSeconds }: NonNullable<WireSpec['health']>): ContainerHealth {
  if ([command.length, tcpPort, httpPort].filter((given) => given !== 0).length !== 1) throw fieldInvalid('health', '', 'exactly one of a command, a TCP port and an HTTP port');
  const start = { startSeconds: parseOptional('start seconds', startSeconds, containerBounds.healthSeconds) ?? usualContainer.healthSeconds };
  if (command[0] === '') throw fieldMissing('health command', 'a program, and its words after it');
  if (command.length > 0) return { ...start, kind: 'command', words: parseWords('health command', command) };
  if (tcpPort !== 0) return { ...start, kind: 'tcp', port: parsePort(tcpPort, 'health port') };
  const path = httpPath === '' ? '/' : parsePattern('health path', httpPath, /^\/[A-Za-z0-9._~/?=&%-]{0,200}$/, 'a path of a URL, at most 200 characters');
  return { ...start, kind: 'http', port: parsePort(httpPort, 'health port'), path };
}

/** What an engine has beside what all have. */
const engineFields: Readonly<Record<ContainerEngine, readonly (keyof ContainerSpec)[]>> = {
  podman: ['image', 'tag', 'command', 'environment', 'secrets', 'volumes', 'devices', 'hostNetwork', 'hostIds', 'health', 'restart'],
  lxc: ['adopted', 'archive', 'bridge', 'address', 'gateway', 'hostIds', 'sshKeys', 'restart'],
  pct: ['adopted', 'id', 'template', 'storage', 'bridge', 'address', 'gateway', 'sshKeys'],
};

/** Names of fields for people, where they are not the word itself. */
const shownFields: Partial<Record<keyof ContainerSpec, string>> = { hostNetwork: 'host network', hostIds: 'host ids', sshKeys: 'SSH keys', id: 'id' };

function isGiven(value: unknown): boolean {
  return !(value === undefined || value === '' || value === false || value === usualContainer.restart || (Array.isArray(value) && value.length === 0));
}

/** Whether an address can be the gateway of ADDRESS/PREFIX: it is another one of the same network. */
function isGatewayOf(cidr: string, gateway: string): boolean {
  const [address = '', prefix = ''] = cidr.split('/');
  const [own, other] = [bitsOf(address), bitsOf(gateway)];
  return own.length === other.length && own !== other && own.slice(0, Number(prefix)) === other.slice(0, Number(prefix));
}

/** An address as zeros and ones. */
function bitsOf(address: string): string {
  const [parts, length] = isIpv4(address) ? [address.split('.').map(Number), 8] : [expandIpv6(address) ?? [], 16];
  return parts.map((part) => part.toString(2).padStart(length, '0')).join('');
}

function checkEngine(spec: ContainerSpec): void {
  const all = [...new Set(Object.values(engineFields).flat())];
  const has = engineFields[spec.engine];
  for (const field of all) if (!has.includes(field) && isGiven(spec[field])) throw fieldInvalid(shownFields[field] ?? field, '', `not with ${spec.engine}`);
  if (spec.engine === 'podman' && spec.image === '') throw fieldMissing('image', 'the image by digest');
  if (spec.engine === 'lxc' && !spec.adopted && spec.archive === '') throw fieldMissing('archive', 'sha256 of an imported archive');
  if (spec.engine !== 'podman' && !spec.adopted && spec.bridge === '') throw fieldMissing('bridge', 'the bridge that it is plugged into');
  if (spec.adopted && (spec.archive !== '' || spec.template !== '' || spec.storage !== '' || spec.sshKeys.length > 0)) throw fieldInvalid('adopted', 'true', 'not with an archive, a template, a storage or first keys: what is there already is made of none');
  if (spec.engine === 'pct' && spec.id === undefined) throw fieldMissing('id', 'the number of the container');
  if (spec.engine === 'pct' && !spec.adopted && (spec.template === '' || spec.storage === '')) throw fieldMissing('template and storage', 'what a container of pct is made from');
  if (spec.engine !== 'pct' && spec.limits.disk !== undefined) throw fieldInvalid('disk', String(spec.limits.disk), `only with pct: files of ${spec.engine} lie in a plain folder, which limits nothing`);
  if (spec.engine === 'pct' && spec.limits.tasks !== undefined) throw fieldInvalid('tasks', String(spec.limits.tasks), 'not with pct');
  if (spec.boot && !spec.running) throw fieldInvalid('boot', 'true', 'only what runs is started with the host');
  if (spec.gateway !== '' && spec.address === '') throw fieldInvalid('gateway', spec.gateway, 'only with an address');
  if (spec.gateway !== '' && !isGatewayOf(spec.address, spec.gateway)) throw fieldInvalid('gateway', spec.gateway, `another address of the network of ${spec.address}`);
  if (spec.hostNetwork && spec.ports.length > 0) throw fieldInvalid('ports', String(spec.ports.length), 'none with the network of the host, which has all ports');
  if (spec.limits.swap !== undefined && spec.limits.memory === undefined) throw fieldInvalid('swap', String(spec.limits.swap), 'only with a limit of memory');
  checkPorts(spec);
}

function checkPorts({ engine, ports, idleSeconds, health, hostNetwork, address }: ContainerSpec): void {
  if (idleSeconds === undefined) {
    if (engine !== 'podman' && ports.length > 0) throw fieldInvalid('ports', String(ports.length), `with ${engine} only of one that sleeps; else it has an address of its own, and reeve nat add forwards to it`);
  } else {
    if (ports.length === 0 || ports.some(({ protocol }) => protocol !== 'tcp')) throw fieldInvalid('idle seconds', String(idleSeconds), 'only with ports, all of TCP: the first connection wakes it');
    if (engine !== 'podman' && address === '') throw fieldInvalid('idle seconds', String(idleSeconds), 'only with an address');
  }
  if (health === undefined || health.kind === 'command') return;
  if (!hostNetwork && !ports.some(({ protocol, port }) => protocol === 'tcp' && port === health.port)) throw fieldInvalid('health port', String(health.port), 'one of the published TCP ports of the host');
}

/** A spec as the wire has it. */
export function formatContainerSpec(spec: ContainerSpec): ContainerSpecInput {
  const { id, command, environment, secrets, ports, volumes, devices, sshKeys, limits, health, idleSeconds, ...rest } = spec;
  const { memory, swap, cpu, tasks, disk } = limits;
  return {
    ...rest,
    id: id ?? 0,
    command: [...command],
    environment: environment.map((variable) => ({ ...variable })),
    secrets: secrets.map((secret) => ({ ...secret })),
    ports: ports.map((port) => ({ ...port })),
    volumes: volumes.map((volume) => ({ ...volume })),
    devices: [...devices],
    sshKeys: [...sshKeys],
    limits: { memory: memory ?? 0, cpu: cpu ?? 0, tasks: tasks ?? 0, disk: disk ?? 0, ...(swap === undefined ? {} : { swap }) },
    idleSeconds: idleSeconds ?? 0,
    ...(health === undefined ? {} : { health: formatHealth(health) }),
  };
}

function formatHealth(health: ContainerHealth): NonNullable<ContainerSpecInput['health']> {
  const { startSeconds } = health;
  if (health.kind === 'command') return { startSeconds, command: [...health.words] };
  return health.kind === 'tcp' ? { startSeconds, tcpPort: health.port } : { startSeconds, httpPort: health.port, httpPath: health.path };
}

/** A row from the wire. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseContainer(wire: { readonly name: string; readonly presence: string | number; readonly spec: WireSpec | null; readonly removeVolumes: boolean; readonly overwrite: boolean; readonly adopt: boolean; readonly aside?: boolean }): Container {
  const name = parseContainerName(wire.name);
  switch (wire.presence) {
    case 'CONTAINER_PRESENCE_PRESENT':
      return { presence: 'present', name, spec: parseContainerSpec(wire.spec), overwrite: wire.overwrite, adopt: wire.adopt, ...(wire.aside === true ? { aside: true as const } : {}) };
    case 'CONTAINER_PRESENCE_ABSENT':
      return { presence: 'absent', name, removeVolumes: wire.removeVolumes };
    case 'CONTAINER_PRESENCE_RELEASED':
      return { presence: 'released', name };
    default:
      throw fieldMissing('presence', 'PRESENT, ABSENT or RELEASED');
  }
}

/** A row as the wire has it. */
export function formatContainer(container: Container): ContainerInput & { readonly name: string } {
  const { name } = container;
  switch (container.presence) {
    case 'present':
      return { name, presence: 'CONTAINER_PRESENCE_PRESENT', spec: formatContainerSpec(container.spec), overwrite: container.overwrite, adopt: container.adopt, aside: container.aside === true };
    case 'absent':
      return { name, presence: 'CONTAINER_PRESENCE_ABSENT', removeVolumes: container.removeVolumes };
    case 'released':
      return { name, presence: 'CONTAINER_PRESENCE_RELEASED' };
  }
}

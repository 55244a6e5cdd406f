import type { ContainerSpec as WireSpec, ContainerSpecInput } from '../../shared/gen/proto/reeve/type/v1/ContainerSpec.js';
import { containerBounds, parseContainerAddress, parseContainerPort, type ContainerPort, type ContainerVolume } from '../../shared/model/container.js';
import { parseDevice, parseImage, parsePlainPath } from '../../shared/model/container-field.js';
import { parseInterface } from '../../shared/model/nat.js';
import { parseDuration } from '../../shared/model/duration.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import type { Options } from './command.js';
import { parseVariable, readVariables, type SaidSecrets } from './container-file.js';
import type { containerOptions, containerUndoOptions, originOptions } from './container-option.js';
import { parseNumber } from './number.js';
import { parseSize } from './size.js';

type Given = Options<typeof containerOptions>;
type Edited = Given & Options<typeof containerUndoOptions>;
type Origin = Options<typeof originOptions>;

const gib = 1024 ** 3;

/** A port as it is written: [ADDRESS:]PORT:INSIDE[/udp]. Errors: FIELD_INVALID. */
export function parsePublish(text: string): ContainerPort {
  const match = /^(?:(\[[0-9a-f:.]+\]|[0-9.]+):)?([1-9][0-9]{0,4}):([1-9][0-9]{0,4})(?:\/(tcp|udp))?$/.exec(text);
  if (match === null) throw fieldInvalid('--publish', text, '[ADDRESS:]PORT:INSIDE[/udp], e.g. 8080:80 or 127.0.0.1:5353:53/udp');
  const [, address = '0.0.0.0', port, inside, protocol = 'tcp'] = match;
  return parseContainerPort({ protocol, address: address.replace(/^\[|\]$/g, ''), port: Number(port), inside: Number(inside) });
}

/** A volume as it is written: FOLDER:TARGET[:ro]. Errors: FIELD_INVALID. */
export function parseVolume(text: string): ContainerVolume {
  const [folder = '', target = '', mode = 'rw', ...more] = text.split(':');
  if (more.length > 0 || (mode !== 'ro' && mode !== 'rw')) throw fieldInvalid('--volume', text, 'FOLDER:TARGET[:ro], e.g. /srv/container/web:/data:ro');
  return { folder: parsePlainPath(folder, '--volume'), target: parsePlainPath(target, '--volume'), readOnly: mode === 'ro' };
}

/** Seconds: a whole number, or with its unit. Errors: FIELD_INVALID. */
function parseSeconds(field: string, text: string, bounds: { readonly min: number; readonly max: number }): number {
  return /^[0-9]/.test(text) && /[smh]$/.test(text) ? parseNumber(field, String(parseDuration(field, text) / 1000), bounds) : parseNumber(field, text, bounds);
}

/** What was given for an option, parsed; an empty value: `none`; not given: undefined. */
function given<T>(text: string | undefined, parse: (text: string) => T, none: T): T | undefined {
  return text === undefined ? undefined : text === '' ? none : parse(text);
}

/** A list that takes the place of the one before; one empty value: none. Not given: undefined. */
function listed<T>(texts: readonly string[], parse: (text: string) => T): T[] | undefined {
  return texts.length === 0 ? undefined : texts.length === 1 && texts[0] === '' ? [] : texts.map(parse);
}

/** Parts of a spec that were given. */
type Part = Partial<ContainerSpecInput>;

/** Without what was not given. */
function known(part: { readonly [K in keyof ContainerSpecInput]: ContainerSpecInput[K] | undefined }): Part {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
}

function parseCommon(args: Given): Part {
  const [publish, volumes, devices] = [listed(args.publish, parsePublish), listed(args.volume, parseVolume), listed(args.device, (text) => parseDevice(text, '--device'))];
  return known({
    image: args.image === undefined ? undefined : parseImage(args.image, '--image'),
    ports: publish, volumes, devices,
    hostNetwork: args.network === undefined ? undefined : args.network === 'host',
    hostIds: args.ids === undefined ? undefined : args.ids === 'host',
    bridge: given(args.bridge, (text) => parseInterface('--bridge', text), ''),
    address: given(args.address, (text) => parseContainerAddress(text, '--address'), ''),
    gateway: args.gateway,
    restart: args.restart,
    stopSeconds: args['stop-seconds'] === undefined ? undefined : parseSeconds('--stop-seconds', args['stop-seconds'], containerBounds.stopSeconds),
    idleSeconds: given(args.idle, (text) => parseSeconds('--idle', text, containerBounds.idleSeconds), 0),
  });
}

function parseLimits(args: Given, before: WireSpec['limits']): NonNullable<ContainerSpecInput['limits']> {
  const number = (name: 'cpu' | 'tasks'): number | undefined => given(args[name], (text) => parseNumber(`--${name}`, text.replace(/%$/, ''), containerBounds[name]), 0);
  const memory = given(args.memory, (text) => parseSize('--memory', text), 0) ?? before?.memory ?? 0;
  const swap = args.swap === undefined ? before?.swap : args.swap === '' ? undefined : parseSize('--swap', args.swap);
  const disk = given(args.disk, parseDisk, 0) ?? before?.disk ?? 0;
  return { memory, cpu: number('cpu') ?? before?.cpu ?? 0, tasks: number('tasks') ?? before?.tasks ?? 0, disk, ...(swap === undefined ? {} : { swap }) };
}

/** GiB. */
function parseDisk(text: string): number {
  const bytes = parseSize('--disk', text);
  if (bytes % gib !== 0 || bytes === 0) throw fieldInvalid('--disk', text, 'whole GiB: 10G');
  return bytes / gib;
}

function parseHealth(args: Given, before: WireSpec['health']): NonNullable<ContainerSpecInput['health']> | undefined {
  const words = args['health-cmd'];
  const tcp = args['health-tcp'];
  const http = args['health-http'];
  const start = args['health-start'];
  const startSeconds = start === undefined ? (before?.startSeconds ?? 0) : parseSeconds('--health-start', start, containerBounds.healthSeconds);
  if (words.length > 0) return { startSeconds, command: words.length === 1 ? (words[0] ?? '').split(/ +/).filter((word) => word !== '') : [...words] };
  if (tcp !== undefined) return { startSeconds, tcpPort: parseNumber('--health-tcp', tcp, { min: 1, max: 65_535 }) };
  if (http !== undefined) {
    const [, port, path] = /^([1-9][0-9]{0,4})(\/.*)?$/.exec(http) ?? [];
    if (port === undefined) throw fieldInvalid('--health-http', http, 'PORT/PATH, e.g. 8080/healthz');
    return { startSeconds, httpPort: parseNumber('--health-http', port, { min: 1, max: 65_535 }), httpPath: path ?? '/' };
  }
  if (start !== undefined && before === null) throw fieldInvalid('--health-start', start, 'it goes with --health-cmd, --health-tcp or --health-http');
  return before === null ? undefined : { ...before, startSeconds };
}

/** Variables by name: those of before, of a file, and of the command line; `NAME` alone takes one away where there was a before. */
function parseEnvironment(args: Given, before: WireSpec['environment'] | undefined): { name: string; value: string }[] {
  const variables = new Map((before ?? []).map(({ name, value }) => [name, value]));
  for (const { name, value } of args['env-file'] === undefined ? [] : readVariables(args['env-file'])) variables.set(name, value);
  for (const text of args.env) {
    if (before !== undefined && !text.includes('=')) {
      variables.delete(text);
      continue;
    }
    const { name, value } = parseVariable('--env', text);
    variables.set(name, value);
  }
  return [...variables].map(([name, value]) => ({ name, value }));
}

/** A new container. Errors: FIELD_INVALID, FIELD_MISSING. */
export function parseNewContainer(args: Given & Origin & { readonly stopped: boolean; readonly command: readonly string[] }, { secrets, keys }: { readonly secrets: SaidSecrets; readonly keys: readonly string[] }): ContainerSpecInput {
  const { archive, template, storage, id, stopped, command } = args;
  const engine = args.engine ?? (args.image !== undefined ? 'podman' : archive !== undefined ? 'lxc' : template !== undefined ? 'pct' : undefined);
  if (engine === undefined) throw fieldMissing('--image, --archive or --template', 'what it is made from: an image (podman), an archive (lxc) or a template (pct)');
  if (secrets.gone.length > 0) throw fieldInvalid('--secret', `${secrets.gone[0] ?? ''}=`, 'NAME=FILE');
  const health = parseHealth(args, null);
  const bridge = engine === 'podman' ? '' : engine === 'lxc' ? 'lxcbr0' : 'vmbr0';
  return {
    bridge,
    ...parseCommon(args),
    engine, running: !stopped, boot: !stopped && !args['no-boot'], archive: archive ?? '', template: template ?? '', storage: storage ?? '',
    id: id === undefined ? 0 : parseNumber('--id', id, containerBounds.id),
    command: [...command], environment: parseEnvironment(args, undefined), secrets: secrets.values.map(({ name }) => ({ name: name ?? '' })), sshKeys: [...keys], limits: parseLimits(args, null),
    ...(health === undefined ? {} : { health }),
  };
}

/** A container after an edit. Errors: FIELD_INVALID. */
export function alterContainer(before: WireSpec, args: Edited & { readonly command: readonly string[] }, secrets: SaidSecrets): ContainerSpecInput {
  const { health: _health, ...rest } = before;
  const health = args['no-health'] ? undefined : parseHealth(args, before.health);
  const names = new Set([...before.secrets.map(({ name }) => name), ...secrets.values.map(({ name }) => name ?? '')].filter((name) => !secrets.gone.includes(name)));
  return {
    ...rest,
    ...parseCommon(args),
    boot: args.boot ? true : args['no-boot'] ? false : before.boot,
    command: args['no-command'] ? [] : args.command.length > 0 ? [...args.command] : before.command,
    environment: parseEnvironment(args, before.environment),
    secrets: [...names].map((name) => ({ name })),
    limits: parseLimits(args, before.limits),
    ...(health === undefined ? {} : { health }),
  };
}

/** Whether an edit names anything. */
export function namesSomething(args: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(args).some(([name, value]) => !['host', 'name', 'plan', 'stage', 'yes'].includes(name) && value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0));
}

import { parseContainerSpec, usualContainer, type ContainerSpec } from './container.js';
import { fieldInvalid } from './field.js';

/** The canonical text of a spec: what the helper is given, what it keeps as the record, and what drift is seen by (native/container/README.md). Ends with a newline. */
export function formatContainerText(spec: ContainerSpec): string {
  const lines = ['container 1'];
  const put = (key: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') lines.push(`${key}=${String(value)}`);
  };
  const each = <T>(key: string, items: readonly T[], text: (item: T) => string): void => {
    for (const item of items) lines.push(`${key}=${text(item)}`);
  };
  const podman = spec.engine === 'podman';
  const { limits, health } = spec;
  put('engine', spec.engine);
  put('id', spec.id);
  put('state', spec.running ? 'running' : 'stopped');
  put('boot', spec.boot ? 'yes' : 'no');
  put('adopted', spec.adopted ? 'yes' : '');
  put('image', spec.image);
  put('archive', spec.archive);
  put('template', spec.template);
  put('storage', spec.storage);
  each('arg', spec.command, (word) => word);
  each('env', spec.environment, ({ name, value }) => `${name}=${value}`);
  each('secret', spec.secrets, ({ name, version }) => `${name} ${version}`);
  each('port', spec.ports, ({ protocol, address, port, inside }) => `${protocol} ${address} ${String(port)} ${String(inside)}`);
  each('volume', spec.volumes, ({ folder, target, readOnly }) => `${folder} ${target} ${readOnly ? 'ro' : 'rw'}`);
  each('device', spec.devices, (path) => path);
  put('network', podman && spec.hostNetwork ? 'host' : '');
  put('bridge', spec.bridge);
  put('address', spec.address);
  put('gateway', spec.gateway);
  put('ids', spec.hostIds ? 'host' : '');
  each('key', spec.sshKeys, (key) => key);
  put('restart', spec.restart === usualContainer.restart ? '' : spec.restart);
  put('memory', limits.memory);
  put('swap', limits.swap);
  put('cpu', limits.cpu);
  put('tasks', limits.tasks);
  put('disk', limits.disk);
  if (health !== undefined) {
    put('health', health.kind === 'command' ? 'command' : health.kind === 'tcp' ? `tcp ${String(health.port)}` : `http ${String(health.port)} ${health.path}`);
    if (health.kind === 'command') each('health-arg', health.words, (word) => word);
    put('health-start', health.startSeconds === usualContainer.healthSeconds ? '' : health.startSeconds);
  }
  put('stop', spec.stopSeconds === usualContainer.stopSeconds ? '' : spec.stopSeconds);
  put('idle', spec.idleSeconds);
  return `${lines.join('\n')}\n`;
}

/** A spec from its text. Errors: FIELD_INVALID, FIELD_MISSING, also for a text that formatContainerText() would have written otherwise. */
export function parseContainerText(text: string): ContainerSpec {
  const [first, ...lines] = text.split('\n');
  if (first !== 'container 1' || lines.pop() !== '') throw fieldInvalid('record', text, 'the text of a container');
  const values = new Map<string, string[]>();
  for (const line of lines) {
    const at = line.indexOf('=');
    const key = line.slice(0, Math.max(0, at));
    values.set(key, [...(values.get(key) ?? []), line.slice(at + 1)]);
  }
  const all = (key: string): string[] => values.get(key) ?? [];
  const one = (key: string): string => all(key)[0] ?? '';
  const number = (key: string): number => (/^[0-9]{1,16}$/.test(one(key)) ? Number(one(key)) : 0);
  const words = (key: string): string[][] => all(key).map((value) => value.split(' '));
  const [kind = '', port = '', path = ''] = one('health').split(' ');
  const spec = parseContainerSpec({
    engine: one('engine'), id: number('id'), running: one('state') === 'running', boot: one('boot') === 'yes', adopted: one('adopted') === 'yes',
    image: one('image'), tag: '', archive: one('archive'), template: one('template'), storage: one('storage'),
    command: all('arg'),
    environment: all('env').map((value) => ({ name: value.slice(0, Math.max(0, value.indexOf('='))), value: value.slice(value.indexOf('=') + 1) })),
    secrets: words('secret').map(([name = '', version = '']) => ({ name, version })),
    ports: words('port').map(([protocol = '', address = '', outside, inside]) => ({ protocol, address, port: Number(outside), inside: Number(inside) })),
    volumes: words('volume').map(([folder = '', target = '', mode]) => ({ folder, target, readOnly: mode === 'ro' })),
    devices: all('device'), hostNetwork: one('network') === 'host',
    bridge: one('bridge'), address: one('address'), gateway: one('gateway'), hostIds: one('ids') === 'host', sshKeys: all('key'), restart: one('restart'),
    limits: { memory: number('memory'), cpu: number('cpu'), tasks: number('tasks'), disk: number('disk'), ...(values.has('swap') ? { swap: number('swap') } : {}) },
    health: kind === '' ? null : { command: all('health-arg'), tcpPort: kind === 'tcp' ? Number(port) : 0, httpPort: kind === 'http' ? Number(port) : 0, httpPath: path, startSeconds: number('health-start') },
    ...(values.has('stop') ? { stopSeconds: number('stop') } : {}), idleSeconds: number('idle'),
  });
  if (formatContainerText(spec) !== text) throw fieldInvalid('record', text, 'the text of a container in its canonical form');
  return spec;
}

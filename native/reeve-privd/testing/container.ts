/** What the tests of noun container share: a host with programs that are only there, and specs. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { startPrivd, state, type Privd } from './namespace.js';

/** The policy of these tests. */
export const containerPolicy = `version 1
allow observe.container
allow container.write
allow container.image image=localhost/*,docker.io/library/*
allow container.import
allow container.port port=80,1024-65535
allow container.volume folder=/srv/container/*
allow container.bridge
allow container.control
allow container.log
allow container.snapshot
allow container.remove
allow container.prune
allow container.adopt
allow container.release
deny container.write name=zz-*
`;

/** A digest. */
export const sum = 'ab'.repeat(32);
/** Where units are. */
export const units = '/etc/systemd/system';

const order = ['engine', 'id', 'state', 'boot', 'adopted', 'image', 'archive', 'template', 'storage', 'arg', 'env', 'secret', 'port', 'volume', 'device', 'network', 'bridge', 'address', 'gateway', 'ids', 'key',
  'restart', 'memory', 'swap', 'cpu', 'tasks', 'disk', 'health', 'health-arg', 'health-start', 'stop', 'idle'];

/** A text in the order that specs have; undefined: without that key. */
export function specText(values: Record<string, string | readonly string[] | undefined>): Buffer {
  const lines = order.flatMap((key) => {
    const value = values[key];
    return value === undefined ? [] : (typeof value === 'string' ? [value] : value).map((item) => `${key}=${item}`);
  });
  return Buffer.from(['container 1', ...lines, ''].join('\n'));
}

/** A container of podman. */
export const podman = (more: Parameters<typeof specText>[0] = {}): Buffer => specText({ engine: 'podman', state: 'running', boot: 'yes', image: `localhost/web@sha256:${sum}`, ...more });
/** A container of lxc. */
export const lxc = (more: Parameters<typeof specText>[0] = {}): Buffer => specText({ engine: 'lxc', state: 'running', boot: 'yes', archive: sum, bridge: 'lxcbr0', ...more });

/** A container of pct. */
export const pct = (more: Parameters<typeof specText>[0] = {}): Buffer => specText({ engine: 'pct', id: '101', state: 'running', boot: 'yes', template: 'local:vztmpl/a', storage: 'local', bridge: 'lxcbr0', ...more });

/** A host whose podman and lxc-start only exist, with a bridge, an empty /srv and control groups of its own. */
export async function startContainerHost(): Promise<Privd> {
  const privd = await startPrivd({ network: true });
  for (const program of ['podman', 'lxc-start']) writeFileSync(`${privd.root}/usr/bin/${program}`, '#!/bin/false\n', { mode: 0o755 });
  privd.inside('mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', '/srv');
  privd.inside('mount', '-t', 'tmpfs', '-o', 'mode=755', 'none', '/sys/fs/cgroup');
  writeFileSync(`${privd.root}/sys/fs/cgroup/cgroup.controllers`, 'cpu memory pids\n');
  mkdirSync(`${privd.root}/var/lib/lxc`, { mode: 0o755 });
  privd.inside('ip', 'link', 'add', 'lxcbr0', 'type', 'bridge');
  return privd;
}

/** A version of a secret. */
export const version = (): string => randomUUID();

/** Everything that verbs of containers could write, to compare. */
export const everythingOf = (privd: Privd): string => privd.inside('sh', '-c', 'find "$@" -printf "%p %y %m %U %l\\n" | sort; find "$@" -type f -exec sha256sum {} + | sort', 'sh', `${state}/container`, `${state}/container-job`, units, '/var/lib/lxc', '/srv');

/** Takes away what a test has left. */
export function cleanHost(privd: Privd): void {
  const at = (path: string): string => `${privd.root}${path}`;
  for (const path of [`${state}/container`, `${state}/container-job`, '/srv', '/var/lib/lxc']) for (const name of readdirSync(at(path))) rmSync(at(`${path}/${name}`), { recursive: true });
  for (const name of readdirSync(at(units), { recursive: true, encoding: 'utf8' })) if (name.includes('reeve-container-')) rmSync(at(`${units}/${name}`), { force: true });
  for (const path of ['/var/lib/containers', '/etc/pve', '/var/lib/reeve-left']) rmSync(at(path), { recursive: true, force: true });
}

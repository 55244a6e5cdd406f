/** What the tests of noun vhost share: a host with a program that stands in for nginx, the check outside of the helper's sandbox, and sites. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PrivdReply } from '../../../shared/gen/privd.js';
import { ends, sources, startPrivd, state, type Privd } from './namespace.js';

/** The policy of these tests. */
export const vhostPolicy = `version 1
allow observe.vhost
allow vhost.write
allow vhost.serve folder=/srv/*
allow vhost.proxy to=10.*
allow vhost.adopt
allow vhost.release
allow proxy.reload
`;

const mainFile = `user www-data;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {
}
http {
  access_log /var/log/nginx/access.log;
  include /etc/nginx/conf.d/*.conf;
  include /etc/nginx/sites-enabled/*;
}
`;

/** One entry of a set. */
export type SetEntry = { readonly name: string; readonly keep: string } | { readonly name: string; readonly put: string };

/** The file of a site as the agent writes it; `text`: what it answers. */
export function siteText(name: string, text: string, more: { readonly listen?: string; readonly line?: string } = {}): string {
  const model = createHash('sha256').update(`${name} ${text}`).digest('hex');
  return `# Managed by Reeve: changes made here are told and not overwritten. model ${model}
server {
    listen ${more.listen ?? '80'};
    server_name "${name}";
${more.line === undefined ? '' : `    ${more.line}\n`}    location "/" {
        return 200 "${text}";
    }
}
`;
}

/** An entry that writes a site. */
export const site = (name: string, text: string, more: Parameters<typeof siteText>[2] = {}): SetEntry => ({ name: `${name}.conf`, put: siteText(name, text, more) });

/** A set as the helper takes it. */
export function formatSet(entries: readonly SetEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  return Buffer.from(sorted.map((entry) => ('keep' in entry ? `keep ${entry.name} ${entry.keep}\n` : `put ${entry.name} ${String(Buffer.byteLength(entry.put))}\n${entry.put}\n`)).join(''));
}

/** A host with the helper and what belongs to noun vhost around it. */
export interface VhostHost {
  readonly privd: Privd;
  readonly check: (entries: readonly SetEntry[], more?: { readonly take?: string; readonly operation?: string }) => Promise<PrivdReply<'vhost.check'>>;
  readonly apply: (set: Uint8Array, more?: { readonly take?: string; readonly operation?: string }) => Promise<unknown>;
  readonly settle: (keep: boolean, operation?: string) => Promise<unknown>;
  /** Checked, put in place and settled; gives what was parked. */
  readonly make: (entries: readonly SetEntry[], take?: string) => Promise<PrivdReply<'vhost.check'>['parked']>;
  readonly observe: () => Promise<PrivdReply<'observe.vhost'>>;
  /** Entries that keep what is in place, but for the named sites. */
  readonly keeps: (...without: readonly string[]) => Promise<SetEntry[]>;
  /** What nginx has loaded: text by site. */
  readonly serves: () => Readonly<Record<string, string>>;
  readonly read: (path: string) => string;
  readonly write: (path: string, text: string) => void;
  readonly remove: (path: string) => void;
  readonly list: (path: string) => readonly string[];
  /** Every file of the host that could be changed, with its content, but for what is laid out and asked for. */
  readonly files: () => Readonly<Record<string, string>>;
  /** The name of the set in place. */
  readonly current: () => string;
  readonly startNginx: () => Promise<void>;
  readonly stopNginx: () => Promise<void>;
  /** As on a host that never had any site. */
  readonly clear: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Starts the helper in namespaces of its own, with a stand-in for nginx and for the path unit. */
export async function startVhostHost(): Promise<VhostHost> {
  const privd = await startPrivd({ network: true });
  const out = join(privd.dir, 'programs');
  execFileSync('make', ['-s', '-C', join(sources, '../vhost-check'), `OUT=${out}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('gcc', ['-Wall', '-Wextra', '-Werror', '-O1', '-o', join(out, 'nginx'), join(sources, 'testing/fake-nginx.c')]);
  const path = (inside: string): string => `${privd.root}${inside}`;
  cpSync(join(out, 'nginx'), path('/usr/sbin/nginx'));
  const enter = (...command: readonly string[]): ChildProcess => spawn('nsenter', ['-t', String(privd.firstPid), '-m', '-p', '-n', '--', ...command], { stdio: 'ignore' });
  const unit = enter('/bin/sh', '-c', `while :; do [ ! -e ${state}/vhost-check/request ] || ${join(out, 'reeve-vhost-check')}; sleep 0.02; done`);
  let nginx: ChildProcess | undefined;
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(path(file)), { recursive: true });
    writeFileSync(path(file), text);
  };
  const remove = (file: string): void => { rmSync(path(file), { recursive: true, force: true }); };
  const read = (file: string): string => (existsSync(path(file)) ? readFileSync(path(file), 'utf8') : '');
  const stopNginx = async (): Promise<void> => {
    const pid = read('/run/nginx.pid').trim();
    if (nginx === undefined || pid === '') return;
    privd.inside('kill', '-KILL', pid);
    await ends(nginx);
    nginx = undefined;
    remove('/run/nginx.pid');
  };
  const startNginx = async (): Promise<void> => {
    nginx = enter('/usr/sbin/nginx');
    const deadline = Date.now() + 5_000;
    while (read('/run/nginx.pid').trim() === '') {
      if (Date.now() > deadline) throw new Error('the stand-in for nginx does not start');
      await new Promise((done) => { setTimeout(done, 10); });
    }
  };
  const clear = async (): Promise<void> => {
    await stopNginx();
    for (const file of ['/etc/nginx', `${state}/vhost`, '/run/refuse', '/run/serves', '/etc/ssl/reeve']) remove(file);
    for (const folder of [`${state}/vhost`, '/etc/nginx/conf.d', '/etc/nginx/sites-enabled', '/etc/nginx/sites-available', '/var/log/nginx', '/var/lib/nginx']) mkdirSync(path(folder), { recursive: true, mode: 0o755 });
    write('/etc/nginx/nginx.conf', mainFile);
    write('/etc/nginx/sites-available/default', 'server {\n  listen 80 default_server;\n  server_name _;\n  return 200 "default";\n}\n');
    symlinkSync('../sites-available/default', path('/etc/nginx/sites-enabled/default'));
    privd.writePolicy(vhostPolicy);
    await startNginx();
  };
  await clear();
  const check: VhostHost['check'] = (entries, { take, operation = randomUUID() } = {}) => privd.call('vhost.check', { set: formatSet(entries), ...(take === undefined ? {} : { take }) }, operation);
  const apply: VhostHost['apply'] = (set, { take, operation = randomUUID() } = {}) => privd.call('vhost.apply', { set, ...(take === undefined ? {} : { take }) }, operation);
  const settle: VhostHost['settle'] = (keep, operation = randomUUID()) => privd.call('vhost.settle', { keep }, operation);
  const observe: VhostHost['observe'] = () => privd.call('observe.vhost', { scope: 'managed' });
  return {
    privd, check, apply, settle, observe, read, write, remove, startNginx, stopNginx, clear,
    make: async (entries, take) => {
      const { set, parked } = await check(entries, take === undefined ? {} : { take });
      await apply(set, take === undefined ? {} : { take });
      await settle(true);
      return parked;
    },
    keeps: async (...without) => (await observe()).file.filter(({ name }) => !without.some((of) => name.startsWith(`${of}.`))).map(({ name, sha256 }) => ({ name, keep: Buffer.from(sha256).toString('hex') })),
    serves: () => Object.fromEntries(read('/run/serves').split('\n').filter((line) => line !== '').map((line) => {
      const [file = '', ...text] = line.split(' ');
      return [file.replace(/^.*\//, '').replace(/\.conf$/, ''), text.join(' ')];
    })),
    list: (folder) => (existsSync(path(folder)) ? readdirSync(path(folder)).sort() : []),
    files: () => Object.fromEntries(privd.inside('find', '/etc', '/run', '/var/lib', '/var/log', '/home', '/boot', '-xdev', '!', '-type', 'd', '!', '-path', '*/.staged*', '!', '-path', `${state}/vhost*`, '!', '-path', `${state}/audit/*`, '!', '-path', `${state}/lock`, '-printf', '%p %i %s %T@ %m %u %l\n')
      .split('\n').filter((line) => line !== '').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)])),
    current: () => readlinkSync(path('/etc/nginx/reeve/current')),
    close: async () => {
      await stopNginx();
      unit.kill('SIGKILL');
      await privd.close();
    },
  };
}

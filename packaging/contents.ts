import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { stateFormat } from '../agent/journal/format.js';
import { migrations } from '../coordinator/inventory/migration.js';
import { bundle } from './bundle.js';
import type { Content, DebPackage } from './deb.js';
import { compileProgram, RUNTIME, runtimeBinary, sqliteAddon, type NativeOptions } from './native.js';
import type { BuildOptions } from './options.js';

/** Newest forms of state that these programs understand, for the scripts that refuse to go back behind them. */
const formats = { STATE_FORMAT: String(stateFormat), SCHEMA: String(migrations.length) };

/** The presets of the policy, each a file of packaging/policy/. */
const PRESETS = ['observe', 'minimal', 'web', 'standard', 'full'];

/** One of the packages, with what is in it. */
export type PackageRecipe = (options: BuildOptions, native: NativeOptions) => Promise<DebPackage> | DebPackage;

/** Every package, in the order they are installed. */
export const recipes: Readonly<Record<string, PackageRecipe>> = {
  'reeve-runtime': runtimePackage,
  'reeve-agent': agentPackage,
  'reeve-agent-packages': agentPackagesPackage,
  'reeve-coordinator': coordinatorPackage,
  'reeve-web': webPackage,
  'reeve-cli': cliPackage,
};

function runtimePackage(options: BuildOptions, native: NativeOptions): DebPackage {
  return {
    name: 'reeve-runtime',
    depends: ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 9)'],
    section: 'admin',
    scripts: join(options.root, 'packaging/debian/reeve-runtime'),
    values: formats,
    description: ['Fleet manager: runtime of its programs', 'The Node.js that Reeve\'s programs run on, apart from any Node.js of the system.'],
    contents: [
      { kind: 'file', path: 'usr/lib/reeve/node', from: runtimeBinary(native), mode: 0o755 },
      { kind: 'file', path: 'usr/lib/reeve/reeve-notify', from: compileProgram('reeve-notify', native), mode: 0o755 },
      { kind: 'file', path: 'usr/share/reeve/container.conf', from: join(options.root, 'packaging/container.conf') },
      { kind: 'file', path: 'usr/share/doc/reeve-runtime/LICENSE.node', from: join(options.root, RUNTIME, 'LICENSE') },
      copyright(options, 'reeve-runtime'),
    ],
  };
}

async function agentPackage(options: BuildOptions, native: NativeOptions): Promise<DebPackage> {
  const units = [
    'reeve-agent.service', 'reeve-agent-upgrade.service', 'reeve-cert-reload.path', 'reeve-cert-reload.service', 'reeve-container.socket', 'reeve-container@.service', 'reeve-deadman-boot.service', 'reeve-deadman.path', 'reeve-deadman.service',
    'reeve-job.socket', 'reeve-job@.service', 'reeve-nat.service', 'reeve-privd.service', 'reeve-privd.socket', 'reeve-sshd-check.path', 'reeve-sshd-check.service', 'reeve-unit.socket', 'reeve-unit@.service',
    'reeve-vhost-check.path', 'reeve-vhost-check.service',
  ];
  return {
    name: 'reeve-agent',
    depends: [`reeve-runtime (= ${options.version})`, 'passwd', 'init-system-helpers', 'libssl3 (>= 3.0.0) | libssl3t64'],
    recommends: ['nftables', 'rsync (>= 3.5.0)'],
    section: 'admin',
    description: ['Fleet manager: agent of a managed host', 'The unprivileged daemon that a coordinator talks to, and its privileged helper,', 'which does only what /etc/reeve/policy allows.'],
    scripts: join(options.root, 'packaging/debian/reeve-agent'),
    values: formats,
    contents: [
      ...(await program(options, { name: 'reeve-agent', entry: 'agent/main.ts', folder: 'usr/lib/reeve-agent', file: 'agent.js', link: 'usr/bin/reeve-agent', through: 'usr/lib/reeve-agent/current/agent.js' })),
      // The link "current", made by the scripts, points at this folder or at the program before it: each has a runtime of its own.
      { kind: 'link', path: 'usr/lib/reeve-agent/node', to: '../reeve/node' },
      { kind: 'file', path: 'usr/lib/reeve-agent/reeve-upgrade', from: compileProgram('reeve-upgrade', native), mode: 0o755 },
      { kind: 'file', path: 'usr/lib/reeve-agent/reeve-privd', from: compileProgram('reeve-privd', native), mode: 0o755 },
      ...(['reeve-carry', 'reeve-cert-reload', 'reeve-container', 'reeve-deadman', 'reeve-job', 'reeve-nat', 'reeve-sshd-check', 'reeve-unit', 'reeve-vhost-check'] as const).map((name): Content => ({ kind: 'file', path: `usr/lib/reeve-agent/${name}`, from: compileProgram(name, native), mode: 0o755 })),
      ...PRESETS.map((name): Content => ({ kind: 'file', path: `usr/share/reeve/policy/${name}`, from: preset(options, name) })),
      ...units.map((name) => unit(options, name)),
      manualPage(options, 'reeve-agent', 8),
      manualPage(options, 'reeve-policy', 5),
      { kind: 'file', path: 'usr/lib/tmpfiles.d/reeve-agent.conf', from: join(options.root, 'packaging/tmpfiles/reeve-agent.conf') },
    ],
  };
}

/** What a coordinator installs on hosts by "reeve host add": the two packages before it in the list, as they were just built. */
function agentPackagesPackage(options: BuildOptions): DebPackage {
  const files = readdirSync(options.out).filter((file) => ['reeve-runtime', 'reeve-agent'].some((name) => file.startsWith(`${name}_${options.version}_`)));
  if (files.length !== 2) throw new Error(`reeve-agent-packages holds reeve-runtime and reeve-agent ${options.version}: build those first, into ${options.out}`);
  return {
    name: 'reeve-agent-packages',
    depends: [],
    section: 'admin',
    description: ['Fleet manager: packages for new hosts', 'The agent\'s packages, which a coordinator hands out to "reeve host add".'],
    contents: [...files.sort().map((file): Content => ({ kind: 'file', path: `usr/share/reeve/packages/${file}`, from: join(options.out, file) })), copyright(options, 'reeve-agent-packages')],
  };
}

async function coordinatorPackage(options: BuildOptions, native: NativeOptions): Promise<DebPackage> {
  return {
    name: 'reeve-coordinator',
    depends: [`reeve-runtime (= ${options.version})`, 'passwd', 'init-system-helpers'],
    section: 'admin',
    description: ['Fleet manager: coordinator', 'The daemon that holds a fleet\'s inventory and brings its hosts to what it says.'],
    scripts: join(options.root, 'packaging/debian/reeve-coordinator'),
    values: formats,
    contents: [
      ...(await program(options, { name: 'reeve-coordinator', entry: 'coordinator/main.ts', folder: 'usr/lib/reeve-coordinator', file: 'reeved.js', link: 'usr/sbin/reeved' })),
      { kind: 'file', path: 'usr/lib/reeve-coordinator/peercred', from: compileProgram('peercred', native), mode: 0o755 },
      { kind: 'file', path: 'usr/lib/reeve-coordinator/better_sqlite3.node', from: sqliteAddon(options.root, options.cache) },
      unit(options, 'reeved.service'),
      manualPage(options, 'reeved', 8),
      { kind: 'file', path: 'usr/share/reeve/prometheus/reeve.rules.yml', from: join(options.root, 'packaging/prometheus/reeve.rules.yml') },
      { kind: 'file', path: 'usr/share/reeve/grafana/reeve.json', from: join(options.root, 'packaging/grafana/reeve.json') },
    ],
  };
}

async function webPackage(options: BuildOptions): Promise<DebPackage> {
  const assets = ['icon.svg', 'reeve.css', 'reeve.js'];
  return {
    name: 'reeve-web',
    depends: [`reeve-runtime (= ${options.version})`, `reeve-coordinator (= ${options.version})`, 'passwd', 'init-system-helpers'],
    section: 'admin',
    description: ['Fleet manager: status page', 'Shows people in a browser how the fleet is, and lets them look after their own SSH keys.'],
    scripts: join(options.root, 'packaging/debian/reeve-web'),
    contents: [
      ...(await program(options, { name: 'reeve-web', entry: 'coordinator/web/main.ts', folder: 'usr/lib/reeve-web', file: 'web.js', link: 'usr/sbin/reeve-web' })),
      ...assets.map((name): Content => ({ kind: 'file', path: `usr/lib/reeve-web/asset-${options.version}/${name}`, from: join(options.root, 'coordinator/web/asset', name) })),
      ...['nginx.conf', 'web.conf'].map((name): Content => ({ kind: 'file', path: `usr/share/reeve/web/${name}`, from: join(options.root, 'packaging/web', name) })),
      unit(options, 'reeve-web.service'),
      manualPage(options, 'reeve-web', 8),
    ],
  };
}

async function cliPackage(options: BuildOptions): Promise<DebPackage> {
  return {
    name: 'reeve-cli',
    depends: [`reeve-runtime (= ${options.version})`],
    section: 'admin',
    description: ['Fleet manager: command line', 'The command "reeve", for people and scripts.'],
    contents: [
      ...(await program(options, { name: 'reeve-cli', entry: 'coordinator/cli/main.ts', folder: 'usr/lib/reeve-cli', file: 'reeve.js', link: 'usr/bin/reeve' })),
      manualPage(options, 'reeve', 1),
      { kind: 'file', path: 'usr/share/reeve/ansible/inventory', from: join(options.root, 'packaging/ansible/inventory'), mode: 0o755 },
      { kind: 'file', path: 'usr/share/bash-completion/completions/reeve', from: join(options.root, 'packaging/completion/reeve.bash') },
      { kind: 'file', path: 'usr/share/zsh/vendor-completions/_reeve', from: join(options.root, 'packaging/completion/_reeve') },
      ...ansibleRoles(options),
    ],
  };
}

/** The Ansible role beside the command that makes its tokens. */
function ansibleRoles(options: BuildOptions): Content[] {
  const folder = join(options.root, 'packaging/ansible/roles');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
  return paths.map((path): Content => ({ kind: 'file', path: `usr/share/reeve/ansible/roles/${path}`, from: join(folder, path) }));
}

interface ProgramPlace {
  readonly name: string;
  readonly entry: string;
  readonly folder: string;
  readonly file: string;
  readonly link: string;
  /** Where the link goes, when not to the file itself. */
  readonly through?: string;
}

/** A bundle with what lies beside it: package.json says it is an ES module, proto-VERSION/ is the wire contract. */
async function program(options: BuildOptions, place: ProgramPlace): Promise<Content[]> {
  const made = await bundle({ root: options.root, entry: place.entry, version: options.version, testBuild: options.testBuild });
  return [
    { kind: 'text', path: `${place.folder}/${place.file}`, text: made.code, mode: 0o755 },
    { kind: 'text', path: `${place.folder}/package.json`, text: '{ "type": "module" }\n' },
    ...protos(options).map((path): Content => ({ kind: 'file', path: `${place.folder}/proto-${options.version}/${path}`, from: join(options.root, 'proto', path) })),
    { kind: 'link', path: place.link, to: relative(join(place.link, '..'), place.through ?? `${place.folder}/${place.file}`) },
    { kind: 'text', path: `usr/share/doc/${place.name}/LICENSES.npm`, text: made.licences },
    copyright(options, place.name),
  ];
}

function protos(options: BuildOptions): string[] {
  return readdirSync(join(options.root, 'proto'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.proto')).sort();
}

function preset(options: BuildOptions, name: string): string {
  const path = join(options.root, 'packaging/policy', name);
  if (!existsSync(path)) throw new Error(`Cannot package the policy preset "${name}": there is no packaging/policy/${name} in ${options.root}`);
  return path;
}

function unit(options: BuildOptions, name: string): Content {
  return { kind: 'file', path: `usr/lib/systemd/system/${name}`, from: join(options.root, 'packaging/units', name) };
}

function manualPage(options: BuildOptions, name: string, section: number): Content {
  const page = `${name}.${String(section)}`;
  const packed = gzipSync(readFileSync(join(options.root, 'packaging/man', page)), { level: 9 });
  return { kind: 'text', path: `usr/share/man/man${String(section)}/${page}.gz`, text: packed };
}

function copyright(options: BuildOptions, name: string): Content {
  return { kind: 'file', path: `usr/share/doc/${name}/copyright`, from: join(options.root, 'LICENSE') };
}

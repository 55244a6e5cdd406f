import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/until.js';
import { executeInHost } from './launcher.js';
import { renderNetworkFile, renderPortFile, requireLabAddress, type LabNetwork, type LabPort } from './network.js';
import { childrenOf, execute, executeOk, labEnv, requireOk, type ExecOptions, type ExecResult } from './process.js';
import type { LabRecord } from './record.js';
import { killGroup, removeGroups, unmountBelow } from './teardown.js';

const HERE = import.meta.dirname;
const BOOT_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 60_000;
const NETWORK_FILE = 'etc/systemd/network/10-lab.network';
/** With --keep-unit, nspawn ends with this code when the host reboots and leaves starting again to its caller (systemd-nspawn(1)). */
const NSPAWN_REBOOT = 133;
/**
 * SIGRTMIN+4 and SIGRTMIN+5 ask the host's init to power off and to reboot (systemd(1)). Not by systemctl in the host: a process that came in from
 * outside is no child of init, and one that ends at the wrong moment makes the shutdown wait ten seconds for it.
 */
const INIT_POWEROFF = 38;
const INIT_REBOOT = 39;
/** What nspawn lets a host do: all that the machine can, so that containers run inside. */
const PRIVILEGED = ['--capability=all', '--system-call-filter=@keyring bpf'];
/** As little as an unprivileged guest has: ids of its own, nspawn's default capabilities inside its user namespace. */
const UNPRIVILEGED = ['--private-users=pick', '--private-users-ownership=chown'];
/** Where a host's own first program is put. */
const INIT = '/usr/lib/lab-init';
/** `systemctl is-system-running` answers: up, and up with a failed unit. */
const SETTLED = new Set(['running', 'degraded']);

export interface LabHostOptions {
  readonly name: string;
  readonly address: string;
  /** Bridge that it is plugged into; default br0, where everybody is. */
  readonly bridge?: string;
  /** Other prefix, gateways, IPv6. */
  readonly network?: LabNetwork;
  /** More interfaces, which it has again after each start. */
  readonly ports?: readonly LabPort[];
  /** Extra arguments of systemd-nspawn, such as --bind=... */
  readonly nspawn?: readonly string[];
  /** Folders of the host that lie on this machine's own file system: what puts an overlay there itself is refused one over an overlay. Empty at first; they go with the host. */
  readonly plainFolders?: readonly string[];
  /** In a user namespace of its own, as an unprivileged container is. */
  readonly unprivileged?: boolean;
  /** A program of this machine (without libraries) that is process 1 at first and becomes /sbin/init. */
  readonly init?: string;
}

/** One Debian host of its own: own init, users, units, network, files. Made by `lab.boot`. */
export class LabHost {
  readonly name: string;
  /** The host's root folder seen from outside; its /run, /tmp and /proc are mounts of its own that only `exec` sees. */
  readonly rootDir: string;
  /** What the host printed on its console. */
  readonly consoleLog: string;
  readonly #record: LabRecord;
  readonly #options: LabHostOptions;
  readonly #cgroupDir: string;
  #address: string;
  readonly #ports: readonly LabPort[];
  #nspawn: ChildProcess | undefined;
  /** Plugging the ports in after the last start. */
  #plugging: Promise<void> = Promise.resolve();

  constructor(record: LabRecord, options: LabHostOptions) {
    this.name = options.name;
    this.rootDir = join(record.layersDir, options.name, 'root');
    this.consoleLog = join(record.stateDir, `${options.name}.log`);
    this.#record = record;
    this.#options = options;
    this.#cgroupDir = join(record.cgroupDir, `host-${options.name}`);
    this.#address = options.address;
    this.#ports = options.ports ?? [];
  }

  get address(): string {
    return this.#address;
  }

  /** Whether the host is switched on. */
  get isOn(): boolean {
    return this.#nspawn !== undefined;
  }

  /** Lays the host's own layer over what is below it, uppermost first, and gives it name, machine-id, ssh host key and address. Called once, by `lab.boot`. */
  async create(below: readonly string[]): Promise<void> {
    const layer = join(this.rootDir, '..');
    for (const folder of ['upper', 'work', 'root']) mkdirSync(join(layer, folder), { recursive: true });
    // A guest with ids of its own is given all files of the base: with metacopy that copies no content.
    const metacopy = this.#options.unprivileged === true ? ',metacopy=on,redirect_dir=on' : '';
    const layers = `lowerdir=${below.join(':')},upperdir=${join(layer, 'upper')},workdir=${join(layer, 'work')}${metacopy}`;
    await executeOk(['mount', '-t', 'overlay', '-o', layers, `reeve-lab-${this.#record.id}`, this.rootDir]);
    this.#writeRoot('etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
    this.#writeRoot('etc/hostname', `${this.name}\n`);
    this.#writeRoot('etc/hosts', `127.0.0.1 localhost\n127.0.1.1 ${this.name}\n`);
    this.#writeRoot(NETWORK_FILE, renderNetworkFile(this.#address, this.#options.network));
    for (const port of this.#ports) this.#writeRoot(`etc/systemd/network/20-${port.name}.network`, renderPortFile(port));
    for (const folder of this.#options.plainFolders ?? []) mkdirSync(this.#plainFolder(folder));
    if (this.#options.init !== undefined) copyFileSync(this.#options.init, join(this.rootDir, INIT));
    await executeOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', `root@${this.name}`, '-f', join(this.rootDir, 'etc/ssh/ssh_host_ed25519_key')]);
  }

  /** Switches the host on and waits until it runs. */
  async powerOn(): Promise<void> {
    if (this.#nspawn !== undefined) throw new Error(`Host ${this.name} is already on`);
    this.#start();
    await this.waitRunning();
  }

  /** Waits until the host's systemd has started everything; throws with the failed units' names when one failed. */
  async waitRunning(timeoutMs = BOOT_DEADLINE_MS): Promise<void> {
    try {
      await this.#plugging;
      const state = await until(async () => {
        if (this.#nspawn === undefined) return 'off';
        const answer = (await this.exec(['systemctl', 'is-system-running', '--wait'], { timeoutMs })).stdout.trim();
        return SETTLED.has(answer) ? answer : undefined;
      }, { timeoutMs, everyMs: 100, what: `host ${this.name} to run` });
      if (state === 'running') return;
      throw new Error(`Host ${this.name} is ${state}\n${state === 'off' ? '' : await this.#whatFailed()}`);
    } catch (error) {
      throw new Error(`Host ${this.name} did not come up; its console said:\n${this.#consoleTail()}`, { cause: error });
    }
  }

  /** The failed units, each with the end of what it told. */
  async #whatFailed(): Promise<string> {
    const listed = (await this.exec(['systemctl', '--failed', '--no-legend', '--plain'])).stdout;
    const units = listed.split('\n').flatMap((line) => line.split(' ').slice(0, 1)).filter((unit) => unit !== '');
    const told = await Promise.all(units.map(async (unit) => (await this.exec(['journalctl', '--boot', '--no-pager', '--quiet', '--output', 'cat', '--lines', '20', '--unit', unit])).stdout));
    return [listed, ...told].join('\n');
  }

  /** Runs a program as root in the host (argv, no shell) and gives whatever it answers. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return executeInHost({ leader: this.#leaderPid(), ownUsers: this.#options.unprivileged === true, cgroupDir: this.#cgroupDir }, argv, options);
  }

  /** Runs a program that must succeed; gives its standard output, throws with all its output otherwise. */
  async run(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    return requireOk(argv, await this.exec(argv, options));
  }

  /** Starts a long-running program in the host. It ends at the latest with the host. */
  spawn(argv: readonly string[], options: Pick<ExecOptions, 'env' | 'cwd'> = {}): ChildProcess {
    const [file, ...args] = this.#enter(argv, options);
    return spawn(file, args, { env: labEnv(options.env), stdio: 'pipe', cwd: '/' });
  }

  /** The path by which this machine reaches a file or a socket of the running host, also on the host's own mounts. */
  outside(path: string): string {
    return `/proc/${String(this.#leaderPid())}/root${path}`;
  }

  /** Copies a file of this machine into the host. */
  async put(localFile: string, path: string, mode = 0o644): Promise<void> {
    await this.write(path, readFileSync(localFile), mode);
  }

  /** Writes a file in the host, making its folders. */
  async write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const script = 'mkdir -p -- "$(dirname -- "$1")" && umask 077 && cat >"$1" && chmod "$2" -- "$1"';
    await this.run(['/bin/sh', '-c', script, 'write', path, mode.toString(8)], { input: content });
  }

  async read(path: string): Promise<string> {
    return this.run(['cat', '--', path]);
  }

  /** Gives the host another address, live, and takes the old one away. */
  async setAddress(address: string): Promise<void> {
    requireLabAddress(address);
    await this.write(`/${NETWORK_FILE}`, renderNetworkFile(address, this.#options.network));
    await this.run(['networkctl', 'reload']);
    await until(async () => {
      const shown = await this.run(['ip', '-4', '-oneline', 'address', 'show', 'dev', 'host0']);
      return shown.includes(` ${address}/`) && !shown.includes(` ${this.#address}/`);
    }, { timeoutMs: 20_000, what: `host ${this.name} to have address ${address} only` });
    this.#address = address;
  }

  /** Plugs the running host into one more bridge of the lab, until it is switched off: an interface with this name and address. */
  async plug(bridge: string, name: string, address: string): Promise<void> {
    const outside = `x-${this.name}`;
    const ip = (...args: string[]): Promise<string> => executeOk(['ip', '-n', this.#record.netns, ...args]);
    await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', name);
    await ip('link', 'set', outside, 'master', bridge, 'up');
    await ip('link', 'set', name, 'netns', String(this.#leaderPid()));
    await this.run(['ip', 'address', 'add', address, 'dev', name]);
    await this.run(['ip', 'link', 'set', name, 'up']);
  }

  /** Reboots as `systemctl reboot` does, and waits until the host runs again under another boot. */
  async reboot(): Promise<void> {
    const before = this.#leaderPid();
    process.kill(before, INIT_REBOOT);
    await until(() => ![undefined, before].includes(this.#findLeader()), { timeoutMs: STOP_DEADLINE_MS, what: `host ${this.name} to start again` });
    await this.waitRunning();
  }

  /** Shuts the host down in order. `powerOn` brings it back with its files. */
  async powerOff(): Promise<void> {
    if (this.#nspawn === undefined) return;
    process.kill(this.#leaderPid(), INIT_POWEROFF);
    await until(() => this.#nspawn === undefined, { timeoutMs: STOP_DEADLINE_MS, what: `host ${this.name} to switch off` });
    this.#clearGroup();
  }

  /** Pulls the plug: every process of the host is gone at once. Its files stay as the kernel has them (this is not a power cut of the disk). */
  async kill(): Promise<void> {
    this.#clearGroup();
    await until(() => this.#nspawn === undefined, { timeoutMs: STOP_DEADLINE_MS, what: `host ${this.name} to be gone` });
  }

  /** Kills the host and removes all it had. */
  async destroy(): Promise<void> {
    await this.kill();
    unmountBelow(join(this.rootDir, '..'));
    await executeOk(['rm', '-rf', '--one-file-system', '--', join(this.rootDir, '..')]);
  }

  #start(): void {
    mkdirSync(this.#cgroupDir, { recursive: true });
    const log = openSync(this.consoleLog, 'a');
    const trust = this.#options.unprivileged === true ? UNPRIVILEGED : PRIVILEGED;
    const boot = [
      join(HERE, 'boot.sh'), this.#cgroupDir, this.#record.netns, this.rootDir, this.name, this.#options.bridge ?? 'br0', ...trust, ...(this.#options.nspawn ?? []),
      ...(this.#options.plainFolders ?? []).map((folder) => `--bind=${this.#plainFolder(folder)}:${folder}`),
      ...this.#ports.map((port, index) => `--network-veth-extra=${this.#outsideOf(index)}:${port.name}`),
      ...(this.#options.init === undefined ? ['--boot'] : ['--', INIT]),
    ];
    const child = spawn('unshare', ['--mount', '--propagation', 'private', ...boot], { env: labEnv(), stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    child.on('error', () => undefined);
    child.on('close', (code) => {
      if (this.#nspawn !== child) return;
      this.#nspawn = undefined;
      if (code === NSPAWN_REBOOT) this.#start();
    });
    this.#nspawn = child;
    this.#plugging = this.#plugPorts(child);
    this.#plugging.catch(() => undefined); // waitRunning tells
  }

  /** Connects what nspawn makes for the ports to their bridges, as soon as it is there. */
  async #plugPorts(child: ChildProcess): Promise<void> {
    for (const [index, port] of this.#ports.entries()) {
      const plug = ['ip', '-n', this.#record.netns, 'link', 'set', this.#outsideOf(index), 'master', port.bridge, 'up'];
      await until(async () => this.#nspawn !== child || (await execute(plug)).code === 0, { timeoutMs: BOOT_DEADLINE_MS, everyMs: 20, what: `host ${this.name} to have interface ${port.name}` });
    }
  }

  #plainFolder(folder: string): string {
    return join(this.rootDir, '..', `plain${folder.replaceAll('/', '-')}`);
  }

  #outsideOf(index: number): string {
    return `x${String(index)}-${this.name}`;
  }

  /** The command by which root of this machine runs something in the host, for people. */
  enterCommand(argv: readonly string[]): string[] {
    return this.#enter(argv, {}).slice(3);
  }

  #clearGroup(): void {
    killGroup(this.#cgroupDir);
    removeGroups(this.#cgroupDir);
  }

  #enter(argv: readonly string[], options: Pick<ExecOptions, 'cwd'>): [string, ...string[]] {
    const leader = String(this.#leaderPid());
    const folder = options.cwd === undefined ? [] : ['env', '-C', options.cwd];
    return [
      join(HERE, 'enter.sh'), this.#cgroupDir, this.#record.netns,
      'nsenter', '--target', leader, ...(this.#options.unprivileged === true ? ['--user', '--setuid', '0', '--setgid', '0'] : []), '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--', ...folder, ...argv,
    ];
  }

  #leaderPid(): number {
    const leader = this.#findLeader();
    if (leader === undefined) throw new Error(`Host ${this.name} is off`);
    return leader;
  }

  /** The host's init as this machine sees it: nspawn's child that is process 1 of its own namespace. */
  #findLeader(): number | undefined {
    const nspawn = this.#nspawn?.pid;
    if (nspawn === undefined) return undefined;
    return childrenOf(nspawn).find((child) => {
      const status = readOrEmpty(`/proc/${String(child)}/status`);
      return /^Name:\tsystemd$/m.test(status) && /^NSpid:\t\d+\t1$/m.test(status);
    });
  }

  #writeRoot(path: string, text: string): void {
    mkdirSync(join(this.rootDir, path, '..'), { recursive: true });
    writeFileSync(join(this.rootDir, path), text);
  }

  #consoleTail(): string {
    return readOrEmpty(this.consoleLog).slice(-4_000);
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBase } from './base.js';
import { LabHost } from './host.js';
import { raiseLimits } from './limit.js';
import { addressOfIndex, createBridge, createNetwork, LAB_ADDRESS, requireLabAddress, type LabNetwork, type LabPort } from './network.js';
import { execute, executeOk, labEnv, requireOk, type ExecOptions, type ExecResult } from './process.js';
import { createRecord, type LabRecord } from './record.js';
import type { Suite } from './suite.js';
import { sweep, tearDown } from './teardown.js';

export { labAvailable, type Availability } from './available.js';
export { LabHost } from './host.js';
export type { ExecOptions, ExecResult } from './process.js';

const HERE = import.meta.dirname;

/** How a host is made. */
export interface BootOptions {
  /** Bridge that it is plugged into; default br0, where everybody is. */
  readonly bridge?: string;
  readonly address?: string;
  /** Other prefix, gateways, IPv6. */
  readonly network?: LabNetwork;
  /** More interfaces on bridges of the lab, which it has again after each start. */
  readonly ports?: readonly LabPort[];
  /** A folder of files that is laid between the base tree and what is the host's own; see layer.ts. */
  readonly layer?: string;
  /** Extra arguments of systemd-nspawn. */
  readonly nspawn?: readonly string[];
  /** Folders of the host that lie on this machine's own file system, not on an overlay; see LabHostOptions. */
  readonly plainFolders?: readonly string[];
  readonly suite?: Suite;
  /** Like an unprivileged LXC guest without nesting: a user namespace of its own, and none of the lab's extra capabilities and system calls. */
  readonly unprivileged?: boolean;
  /** A program of this machine (without libraries) that is process 1 at first and becomes /sbin/init. */
  readonly init?: string;
}

/** A network of real hosts on this machine, apart from every other network. Whatever was started in it ends with it. */
export class Lab {
  /** The address by which the hosts reach programs started by `lab.exec` and `lab.spawn`. */
  readonly address = LAB_ADDRESS;
  readonly record: LabRecord;
  readonly hosts = new Map<string, LabHost>();
  readonly #base: string;
  readonly #guard: ChildProcess;
  readonly #controlGroup: string;
  #addressesGiven = 0;
  #closed = false;

  constructor(record: LabRecord, base: string, guard: ChildProcess) {
    this.record = record;
    this.#base = base;
    this.#guard = guard;
    this.#controlGroup = join(record.cgroupDir, 'control');
    mkdirSync(this.#controlGroup);
  }

  /** Makes a host (of Debian 12 unless a suite is named) and switches it on; several at once may be asked for. Addresses are given in order from 198.18.1.1. */
  async boot(name: string, options: BootOptions = {}): Promise<LabHost> {
    if (!/^[a-z][a-z0-9-]{0,11}$/.test(name)) throw new Error(`Host name ${JSON.stringify(name)} must match ^[a-z][a-z0-9-]{0,11}$ (it is part of an interface name)`);
    if (this.hosts.has(name)) throw new Error(`Host ${name} is already in lab ${this.record.id}`);
    const address = options.address ?? addressOfIndex(this.#addressesGiven++);
    requireLabAddress(address);
    const host = new LabHost(this.record, {
      name, address, nspawn: options.nspawn ?? [], unprivileged: options.unprivileged ?? false, ...(options.bridge === undefined ? {} : { bridge: options.bridge }),
      ...(options.init === undefined ? {} : { init: options.init }), ...(options.network === undefined ? {} : { network: options.network }),
      ports: options.ports ?? [], plainFolders: options.plainFolders ?? [],
    });
    this.hosts.set(name, host);
    const base = options.suite === undefined ? this.#base : await ensureBase(options.suite);
    await host.create(options.layer === undefined ? [base] : [options.layer, base]);
    await host.powerOn();
    return host;
  }

  /** Makes a bridge of its own, for hosts that only some others reach. */
  async addBridge(name: string): Promise<void> {
    await createBridge(this.record.netns, name);
  }

  /** Takes one host away. */
  async remove(name: string): Promise<void> {
    const host = this.hosts.get(name);
    this.hosts.delete(name);
    await host?.destroy();
  }

  /** Runs a program of this machine in the lab's network namespace and gives whatever it answers. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execute(this.#enter(argv), options);
  }

  /** Runs a program that must succeed; gives its standard output, throws with all its output otherwise. */
  async run(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
    return requireOk(argv, await this.exec(argv, options));
  }

  /** Starts a long-running program of this machine in the lab's network namespace. It ends at the latest with the lab. */
  spawn(argv: readonly string[], options: Pick<ExecOptions, 'env' | 'cwd'> = {}): ChildProcess {
    const [file, ...args] = this.#enter(argv);
    return spawn(file, args, { env: labEnv(options.env), stdio: 'pipe', cwd: options.cwd });
  }

  /** Ends everything and leaves nothing behind. Repeatable. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    OPEN.delete(this);
    tearDown(this.record);
    this.#guard.stdin?.end('done\n');
  }

  #enter(argv: readonly string[]): [string, ...string[]] {
    return [join(HERE, 'enter.sh'), this.#controlGroup, this.record.netns, ...argv];
  }
}

/** Labs of this process that are open: closed by its exit handlers, and by a guard process if it is killed. */
const OPEN = new Set<Lab>();
let watching = false;

/** Opens a lab without hosts, after taking away what dead owners left. */
export async function startLab(options: { readonly name?: string } = {}): Promise<Lab> {
  sweep();
  const base = await ensureBase();
  const record = createRecord(options.name ?? 'lab');
  try {
    closeAtExit();
    raiseLimits();
    const guard = startGuard();
    mkdirSync(join(record.stateDir, 'cgroup'));
    await executeOk(['mount', '-t', 'cgroup2', 'none', join(record.stateDir, 'cgroup')]);
    mkdirSync(record.cgroupDir);
    mkdirSync(record.layersDir, { recursive: true });
    await createNetwork(record.netns);
    const lab = new Lab(record, base, guard);
    OPEN.add(lab);
    return lab;
  } catch (error) {
    tearDown(record);
    throw error;
  }
}

/**
 * A process that outlives its owner by one sweep: it waits for a word on a pipe only the owner holds. The word means that all is
 * cleaned up; the end of the pipe without it, that the owner was killed.
 */
function startGuard(): ChildProcess {
  const script = 'read -r word || exec "$@"';
  const sweepArgv = [process.execPath, '--import', 'tsx', join(HERE, 'sweep.ts')];
  const env = { ...labEnv(), ...(process.env['REEVE_LAB_CACHE'] === undefined ? {} : { REEVE_LAB_CACHE: process.env['REEVE_LAB_CACHE'] }) };
  const guard = spawn('/bin/sh', ['-c', script, 'reeve-lab-guard', ...sweepArgv], { cwd: HERE, env, detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  guard.unref();
  return guard;
}

function closeAtExit(): void {
  if (watching) return;
  watching = true;
  const closeAll = (): void => {
    for (const lab of OPEN) lab.close();
  };
  process.on('exit', closeAll);
  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]] as const) {
    process.on(signal, () => {
      closeAll();
      process.exit(128 + number);
    });
  }
  // Only watched, not caught: the process still ends as it would have, with its message.
  process.on('uncaughtExceptionMonitor', closeAll);
}

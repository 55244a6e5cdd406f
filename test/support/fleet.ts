import { basename } from 'node:path';
import { labAvailable, startLab, type BootOptions, type ExecResult, type Lab, type LabHost } from '../lab/lab.js';
import { debs, type PackageKind } from './packages.js';
import { until } from './until.js';

/** Real hosts with the real packages: one that runs the coordinator, and others that are managed. */
export interface TestFleet {
  readonly lab: Lab;
  /** The host that runs reeved. */
  readonly hub: LabHost;
  /** A managed host. */
  host(name: string): LabHost;
  /** Boots a host and installs the agent's packages; it has not joined. */
  addHost(name: string, options?: BootOptions): Promise<LabHost>;
  /** Boots a host and installs what runs a coordinator; it has no fleet. */
  addHub(name: string): Promise<LabHost>;
  /** Boots a host and installs the command line only. */
  addDesk(name: string): Promise<LabHost>;
  /** Invites a host and runs the join command on it; waits until it is connected. */
  join(name: string, options?: { policy?: string; labels?: readonly string[]; invite?: readonly string[] }): Promise<void>;
  /** Runs the command line on the hub, as root unless a user is named. */
  reeve(args: readonly string[], options?: { as?: string; input?: string }): Promise<ExecResult>;
  /** Runs the command line with --json; parses what it prints. Throws unless it exits with `code` (default 0). */
  json<T = Record<string, unknown>>(args: readonly string[], code?: number): Promise<T>;
  /** Waits until a host has this state in `reeve host list`. */
  waitState(name: string, state: string, timeoutMs?: number): Promise<void>;
  close(): void;
}

/** Whether real hosts can be booted here; when not, tests say so by name. */
export const hosts = labAvailable();
if (!hosts.ok && process.env['REEVE_NO_SKIP'] !== undefined) throw new Error(`Nothing may be skipped here, but real hosts cannot be booted: ${hosts.reason}`);

/** Boots and installs a hub and the named hosts (in parallel), sets the fleet up, and joins the hosts unless `join` is false. */
export async function startFleet(options: { name: string; hosts: readonly string[]; packages?: PackageKind; hubPackages?: PackageKind; policy?: string; join?: boolean }): Promise<TestFleet> {
  const hostFiles = await debs(options.packages ?? 'normal');
  const hubFiles = options.hubPackages === undefined ? hostFiles : await debs(options.hubPackages);
  const lab = await startLab({ name: options.name });
  const install = async (host: LabHost, files: ReadonlyMap<string, string>, names: readonly string[]): Promise<void> => {
    const paths = names.map((name) => files.get(name) ?? name);
    await Promise.all(paths.map((path) => host.put(path, `/root/${basename(path)}`)));
    await host.run(['dpkg', '--install', ...paths.map((path) => `/root/${basename(path)}`)], { timeoutMs: 120_000 });
  };
  const addHub = async (name: string): Promise<LabHost> => {
    const hub = await lab.boot(name);
    await install(hub, hubFiles, ['reeve-runtime', 'reeve-coordinator', 'reeve-cli']);
    return hub;
  };
  const addHost: TestFleet['addHost'] = async (name, bootOptions = {}) => {
    const host = await lab.boot(name, bootOptions);
    await install(host, hostFiles, ['reeve-runtime', 'reeve-agent']);
    return host;
  };
  const addDesk = async (name: string): Promise<LabHost> => {
    const host = await lab.boot(name);
    await install(host, hubFiles, ['reeve-runtime', 'reeve-cli']);
    return host;
  };
  try {
    const [hub] = await Promise.all([addHub('hub'), ...options.hosts.map((name) => addHost(name))]);
    const fleet = makeFleet(lab, hub, { addHost, addHub, addDesk });
    await until(async () => (await fleet.reeve(['whoami'])).code === 0, { timeoutMs: 30_000, what: 'reeved to answer' });
    const init = await fleet.reeve(['init', '--address', hub.address]);
    if (init.code !== 0) throw new Error(`reeve init failed: ${init.stderr}`);
    if (options.join !== false) {
      for (const name of options.hosts) await fleet.join(name, { policy: options.policy ?? 'standard' });
    }
    return fleet;
  } catch (error) {
    lab.close();
    throw error;
  }
}

function makeFleet(lab: Lab, hub: LabHost, boots: Pick<TestFleet, 'addHost' | 'addHub' | 'addDesk'>): TestFleet {
  const host = (name: string): LabHost => {
    const found = lab.hosts.get(name);
    if (found === undefined) throw new Error(`There is no host ${name} in this lab`);
    return found;
  };
  const reeve: TestFleet['reeve'] = (args, options = {}) =>
    hub.exec([...(options.as === undefined ? [] : ['runuser', '-u', options.as, '--']), '/usr/bin/reeve', ...args], {
      timeoutMs: 180_000,
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  const json: TestFleet['json'] = async <T>(args: readonly string[], code = 0) => {
    const result = await reeve([...args, '--json']);
    if (result.code !== code) throw new Error(`reeve ${args.join(' ')} exited with ${String(result.code)}, wanted ${String(code)}:\n${result.stdout}${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  };
  const waitState: TestFleet['waitState'] = async (name, state, timeoutMs = 45_000) => {
    await until(
      async () => {
        const listed = await json<{ hosts: { name: string; state: string }[] }>(['host', 'list']);
        return listed.hosts.find((row) => row.name === name)?.state === state;
      },
      { timeoutMs, everyMs: 250, what: `host ${name} to be ${state}` },
    );
  };
  return {
    lab,
    hub,
    host,
    ...boots,
    reeve,
    json,
    waitState,
    async join(name, options = {}) {
      const labels = (options.labels ?? []).flatMap((label) => ['--label', label]);
      const invited = await reeve(['host', 'invite', name, '--policy', options.policy ?? 'standard', ...labels, ...(options.invite ?? [])]);
      if (invited.code !== 0) throw new Error(`reeve host invite ${name} failed: ${invited.stderr}`);
      const joined = await host(name).exec(['/bin/sh', '-c', invited.stdout.trim()], { timeoutMs: 60_000 });
      if (joined.code !== 0) throw new Error(`the join command failed on ${name}:\n${joined.stdout}${joined.stderr}`);
      await waitState(name, 'connected');
    },
    close: () => lab.close(),
  };
}

import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import type { OperatorServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/OperatorService.js';
import { serviceName } from '../../shared/rpc/client.js';
import { labAvailable, startLab, type BootOptions, type ExecResult, type Lab, type LabHost } from '../lab/lab.js';
import { ensureLayer } from '../lab/layer.js';
import { hubApi, type HubApi } from './hub-api.js';
import { fetchDebian } from './debian.js';
import { debs, type PackageKind } from './packages.js';
import { residentLine } from './resident.js';
import { until } from './until.js';

/** Real hosts with the real packages: one that runs the coordinator, and others that are managed. */
export interface TestFleet {
  readonly lab: Lab;
  /** The host that runs reeved. */
  readonly hub: LabHost;
  /** A managed host. */
  host(name: string): LabHost;
  /** Boots a host with the agent's packages; it has not joined. */
  addHost(name: string, options?: Omit<BootOptions, 'layer'>): Promise<LabHost>;
  /** Boots a host with what runs a coordinator; it has no fleet. */
  addHub(name: string): Promise<LabHost>;
  /** Boots a host with the command line only. */
  addDesk(name: string): Promise<LabHost>;
  /** Invites a host and runs the join command on it; waits until it is connected. */
  join(name: string, options?: { policy?: string; labels?: readonly string[]; invite?: readonly string[] }): Promise<void>;
  /** Runs the command line on the hub, as root unless a user is named. */
  reeve(args: readonly string[], options?: { as?: string; input?: string }): Promise<ExecResult>;
  /** Runs the command line with --json; parses what it prints. Throws unless it exits with `code` (default 0). */
  json<T = Record<string, unknown>>(args: readonly string[], code?: number): Promise<T>;
  /** The same coordinator without the command line. */
  readonly api: HubApi;
  /** Waits until the coordinator answers. */
  waitCoordinator(): Promise<void>;
  /** Waits until a host has this state in the coordinator's list. */
  waitState(name: string, state: string, timeoutMs?: number): Promise<void>;
  close(): void;
}

const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const operatorService = serviceName<OperatorServiceDefinition>('reeve.coordinator.v1.OperatorService');

/** Whether real hosts can be booted here; when not, tests say so by name. */
export const hosts = labAvailable();
if (!hosts.ok && process.env['REEVE_NO_SKIP'] !== undefined) throw new Error(`Nothing may be skipped here, but real hosts cannot be booted: ${hosts.reason}`);

/**
 * Boots a hub and the named hosts (in parallel), with packages of Debian on these, sets the fleet up, and joins the hosts unless `join` is false. `hostOptions`: how hosts
 * are booted. `resident`: the test is not
 * about the command line and gives so many commands that it stays running.
 */
export async function startFleet(options: { name: string; hosts: readonly string[]; packages?: PackageKind; hubPackages?: PackageKind; policy?: string; join?: boolean; debian?: readonly string[]; hostOptions?: Omit<BootOptions, 'layer'>; resident?: boolean }): Promise<TestFleet> {
  const hostFiles = await debs(options.packages ?? 'normal');
  const hubFiles = options.hubPackages === undefined ? hostFiles : await debs(options.hubPackages);
  const extra = options.debian === undefined ? [] : await fetchDebian(options.debian);
  const lab = await startLab({ name: options.name });
  const boot = async (name: string, files: ReadonlyMap<string, string>, names: readonly string[], bootOptions: Omit<BootOptions, 'layer'> = {}): Promise<LabHost> =>
    lab.boot(name, { ...bootOptions, layer: await ensureLayer(['reeve-runtime', ...names].map((of) => files.get(of) ?? of)) });
  const addHub = (name: string): Promise<LabHost> => boot(name, hubFiles, ['reeve-coordinator', ...(hubFiles.has('reeve-web') ? ['reeve-web'] : []), 'reeve-cli']);
  const addHost: TestFleet['addHost'] = (name, bootOptions) => boot(name, hostFiles, ['reeve-agent', ...extra], { ...options.hostOptions, ...bootOptions });
  const addDesk = (name: string): Promise<LabHost> => boot(name, hubFiles, ['reeve-cli']);
  try {
    const [hub] = await Promise.all([addHub('hub'), ...options.hosts.map((name) => addHost(name))]);
    const fleet = makeFleet(lab, hub, { addHost, addHub, addDesk }, options.resident === true);
    await fleet.waitCoordinator();
    const init = await fleet.reeve(['init', '--address', hub.address]);
    if (init.code !== 0) throw new Error(`reeve init failed: ${init.stderr}`);
    if (options.join !== false) await Promise.all(options.hosts.map((name) => fleet.join(name, { policy: options.policy ?? 'standard' })));
    return fleet;
  } catch (error) {
    lab.close();
    throw error;
  }
}

function makeFleet(lab: Lab, hub: LabHost, boots: Pick<TestFleet, 'addHost' | 'addHub' | 'addDesk'>, resident: boolean): TestFleet {
  const api = hubApi(hub);
  const line = resident ? residentLine(hub) : undefined;
  const host = (name: string): LabHost => {
    const found = lab.hosts.get(name);
    if (found === undefined) throw new Error(`There is no host ${name} in this lab`);
    return found;
  };
  const reeve: TestFleet['reeve'] = (args, options = {}) =>
    line !== undefined && options.as === undefined && options.input === undefined ? line(args) : hub.exec([...(options.as === undefined ? [] : ['runuser', '-u', options.as, '--']), '/usr/bin/reeve', ...args], {
      timeoutMs: 180_000,
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  const json: TestFleet['json'] = async <T>(args: readonly string[], code = 0) => {
    const result = await reeve([...args, '--json']);
    if (result.code !== code) throw new Error(`reeve ${args.join(' ')} exited with ${String(result.code)}, wanted ${String(code)}:\n${result.stdout}${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  };
  const waitState: TestFleet['waitState'] = async (name, state, timeoutMs = 45_000) => {
    const wanted = `HOST_STATE_${state.toUpperCase()}`;
    await until(async () => (await api.call(hostService, 'ListHost', {})).hosts.some((row) => row.name === name && row.state === wanted), { timeoutMs, everyMs: 100, what: `host ${name} to be ${state}` });
  };
  return {
    lab,
    hub,
    host,
    api,
    async waitCoordinator() {
      await until(() => api.call(operatorService, 'WhoAmI', {}).then(() => true), { timeoutMs: 30_000, everyMs: 100, what: 'the coordinator to answer' });
    },
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

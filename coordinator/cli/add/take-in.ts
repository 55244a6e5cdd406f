import { reeveError, ReeveError } from '../../../shared/errors/error.js';
import type { Host } from '../../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { InviteHostRequestInput } from '../../../shared/gen/proto/reeve/coordinator/v1/InviteHostRequest.js';
import type { ProveHostResponse } from '../../../shared/gen/proto/reeve/coordinator/v1/ProveHostResponse.js';
import { failpoint } from '../../../shared/kit/failpoint.js';
import { fromTimestamp, toDuration } from '../../../shared/rpc/time.js';
import type { Api } from '../connect.js';
import { hostService } from '../service.js';
import { installing, joining, policyCopy, policyPut, uploadFolder, type Preset } from '../ssh/command.js';
import type { Root } from '../ssh/root.js';
import type { Answer } from '../ssh/session.js';
import { lookAtAgent, lookAtMachine, type Machine } from './machine.js';
import type { Package, PackageSource } from './package-source.js';
import type { Target } from './target.js';

/** The steps of taking a host in, in their order. */
export type Step = 'connect' | 'check' | 'upload' | 'install' | 'policy' | 'join' | 'start' | 'prove';

/** What taking hosts in works with. */
export interface TakeIn {
  readonly api: Api;
  /** The coordinator's own fleet. */
  readonly fleetId: string;
  readonly packages: PackageSource;
  /** Logs in to a target as root. */
  readonly connect: (target: Target) => Promise<{ readonly root: Root; close(): void }>;
  /** How long a join token is good, ms; undefined: the coordinator's default. */
  readonly ttlMs: number | undefined;
  readonly rejoin: boolean;
  /** Told before each step. */
  readonly onStep: (step: Step, detail: string) => void;
}

/** A host that is in. */
export interface TakenIn {
  /** Whether it was in before this command. */
  readonly before: boolean;
  readonly proof: ProveHostResponse;
  /** The preset that its policy is; `edited`: the host's own. Undefined: not looked at, as it was in before. */
  readonly policy: Machine['policy'] | undefined;
}

/** Longest time of an upload and of an installation, ms. */
const longMs = 600_000;

/**
 * Takes one machine in: connect, check, upload, install, policy, join, start, prove. What is done already is left out, so a command that died anywhere is
 * finished by the same command. Nothing of the way in is left: no key, no file, no line. Errors: those of ssh/session.ts and ssh/root.ts, HOST_UNSUITABLE,
 * HOST_JOINED_ELSEWHERE, HOST_EXISTS, INSTALL_FAILED, HOST_UNREACHABLE, PACKAGE_UNKNOWN.
 */
export async function takeIn(world: TakeIn, target: Target): Promise<TakenIn> {
  const known = await findHost(world.api, target.name);
  if (known?.host.state === 'HOST_STATE_CONNECTED') return { before: true, proof: await prove(world, target), policy: undefined };
  world.onStep('connect', '');
  const { root, close } = await world.connect(target);
  try {
    failpoint('cli.add.connected');
    world.onStep('check', '');
    const machine = await lookAtMachine(root, target.name);
    const joined = isJoined(world, target, machine, known);
    failpoint('cli.add.checked');
    if (machine.installed === undefined) await install(world, target, root, await world.packages(machine.architecture));
    // What a command left that died right after it had installed.
    else await root.run(installing.clear);
    if (!joined) {
      if (target.policy !== undefined) await putPolicy(world, target, root, target.policy);
      await join(world, target, root, known);
    }
    if (!joined || !machine.active) await start(world, target, root);
    const { policy } = await lookAtAgent(root);
    return { before: false, policy, proof: await prove(world, target) };
  } finally {
    close();
  }
}

type Known = Awaited<ReturnType<typeof findHost>>;

async function findHost(api: Api, name: string): Promise<{ host: Host; seen: boolean } | undefined> {
  try {
    const { host, facts } = await api.call(hostService, 'GetHost', { name });
    return host === null ? undefined : { host, seen: facts !== null || fromTimestamp(host.lastSeenAt) !== undefined };
  } catch (error) {
    if (error instanceof ReeveError && error.code === 'HOST_UNKNOWN') return undefined;
    throw error;
  }
}

/** Whether the machine is the host already. Errors: HOST_JOINED_ELSEWHERE when it is another one. */
function isJoined(world: TakeIn, target: Target, machine: Machine, known: Known): boolean {
  const { identity } = machine;
  if (identity === undefined) return false;
  const refuse = (rule: string): ReeveError => reeveError('HOST_JOINED_ELSEWHERE', { host: target.name, rule });
  if (identity.fleetId !== world.fleetId) throw refuse(`it belongs to fleet ${identity.fleetId}; to take it away from there, its root removes /var/lib/reeve-agent/identity`);
  if (world.rejoin) return false;
  if (known?.host.id === identity.hostId) return true;
  throw refuse(`it is host "${identity.hostName}" (${identity.hostId}) of this fleet`);
}

async function install(world: TakeIn, target: Target, root: Root, packages: readonly Package[]): Promise<void> {
  try {
    await must(root, target, 'upload', installing.folder);
    for (const { name, version, bytes } of packages) {
      world.onStep('upload', `${name} ${version} (${(bytes.length / 1e6).toFixed(1)} MB)`);
      await must(root, target, 'upload', installing.put[name], { input: bytes, deadlineMs: longMs });
      failpoint('cli.add.uploading');
    }
    const sums = packages.map(({ name, sha256 }) => `${sha256.toString('hex')}  ${uploadFolder}/${name}.deb\n`).join('');
    await must(root, target, 'upload', installing.check, { input: sums }, 'what arrived is not what was sent');
    failpoint('cli.add.uploaded');
    world.onStep('install', '');
    await installUploaded(root, target);
    failpoint('cli.add.installed');
  } finally {
    // Also when it failed. A machine that is gone keeps the files until the command is run again.
    await root.run(installing.clear).catch(() => undefined);
  }
  failpoint('cli.add.cleared');
}

/** dpkg needs nothing but the files. Where it says no (another apt runs, something was interrupted or is missing), apt waits, finishes and fetches. */
async function installUploaded(root: Root, target: Target): Promise<void> {
  const first = await root.run(installing.install, { deadlineMs: longMs });
  if (first.code === 0) return;
  await root.run(installing.configure, { deadlineMs: longMs });
  const second = await root.run(installing.resolve, { deadlineMs: longMs });
  if (second.code === 0) return;
  throw reeveError('INSTALL_FAILED', { host: target.name, value: 'install', rule: lastWords(second) });
}

/** A policy that the host's root has edited is not replaced: the host has the last word. */
async function putPolicy(world: TakeIn, target: Target, root: Root, preset: Preset): Promise<void> {
  const { policy } = await lookAtAgent(root);
  if (policy === preset) return;
  world.onStep('policy', preset);
  if (policy === 'edited') {
    throw reeveError('INSTALL_FAILED', { host: target.name, value: 'policy', rule: '/etc/reeve/policy was edited there, and the host has the last word; leave --policy away to keep it' });
  }
  await must(root, target, 'policy', policyCopy[preset]);
  await must(root, target, 'policy', policyPut);
  failpoint('cli.add.policy');
}

async function join(world: TakeIn, target: Target, root: Root, known: Known): Promise<void> {
  world.onStep('join', '');
  // A join whose answer was lost leaves a host that the coordinator takes for joined and that was never seen: there is nobody whose place could be taken.
  const neverSeen = known?.host.state === 'HOST_STATE_LOST' && !known.seen;
  const request: InviteHostRequestInput = {
    name: target.name,
    labels: [...target.labels],
    rejoin: world.rejoin || neverSeen,
    ...(target.address === undefined ? {} : { address: target.address }),
    ...(target.parent === undefined ? {} : { parent: target.parent }),
    ...(target.link === undefined ? {} : { link: target.link }),
    ...(target.policy === undefined ? {} : { policy: target.policy }),
    ...(world.ttlMs === undefined ? {} : { ttl: toDuration(world.ttlMs) }),
  };
  const { token } = await world.api.call(hostService, 'InviteHost', request);
  failpoint('cli.add.invited');
  await must(root, target, 'join', joining.join, { input: `${token}\n` });
  failpoint('cli.add.joined');
}

async function start(world: TakeIn, target: Target, root: Root): Promise<void> {
  world.onStep('start', '');
  await must(root, target, 'start', joining.enable);
  await must(root, target, 'start', joining.socket);
  await must(root, target, 'start', joining.restart, { deadlineMs: 120_000 });
  failpoint('cli.add.started');
}

async function prove(world: TakeIn, target: Target): Promise<ProveHostResponse> {
  world.onStep('prove', '');
  return world.api.call(hostService, 'ProveHost', { host: target.name, timeout: toDuration(30_000) });
}

/** Runs a command that must succeed. Errors: INSTALL_FAILED with what it said last, and those of the session. */
async function must(root: Root, target: Target, step: Step, command: string, options: Parameters<Root['run']>[1] = {}, rule?: string): Promise<void> {
  const answer = await root.run(command, options);
  if (answer.code !== 0) throw reeveError('INSTALL_FAILED', { host: target.name, value: step, rule: rule ?? lastWords(answer) });
}

/** What a failed command said last, on one line. */
function lastWords(answer: Answer): string {
  const lines = `${answer.stdout}\n${answer.stderr}`.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const said = lines.slice(-3).join(' / ').slice(0, 500);
  return said === '' ? `it ended with ${answer.code === undefined ? 'a signal' : `exit code ${String(answer.code)}`}` : said;
}

import { isIP } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { ReachServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ReachService.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { formatEndpoint, type Endpoint } from '../../shared/model/host.js';
import { serviceName } from '../../shared/rpc/client.js';
import { probeTcp } from '../../shared/rpc/probe.js';
import { toDuration } from '../../shared/rpc/time.js';
import { getHost, idsBehind, listHosts, type HostRow } from '../inventory/host.js';
import type { Sight } from './guard.js';
import type { Destination } from './noun.js';

const reachService = serviceName<ReachServiceDefinition>('reeve.agent.v1.ReachService');

/** What an agent needs to bear witness. */
const reachCapability = 'reach';

/** How long a witness tries to connect, and how long its answer may take, ms. */
const lookMs = { connect: 3_000, call: 8_000 };

/** Most hosts that are asked to bear witness. */
const mostWitnesses = 5;

/** Most other hosts that have to answer again when the coordinator itself is behind the host. */
const mostOthers = 20;

/** Hosts behind this one that were seen lately are waited for so long, ms. */
const behindMs = { seen: 3_600_000, wait: 5_000, look: 100 };

/** How a host stands to the rest of the fleet now. */
export interface Scene {
  /** Connected hosts that are reached through the host; and where the coordinator itself is, others that it reaches through it. */
  readonly agents: readonly HostRow[];
  /** Connected hosts that could look at the host from outside, best first. */
  readonly witnesses: readonly HostRow[];
  /** The coordinator runs on the host, or is behind it: it cannot tell how the host looks from outside. */
  readonly inside: boolean;
}

/** Looks at who is reached through a host, and who could look at it. */
export function sceneOf({ world, fleet, host }: Destination): Scene {
  const { db } = world;
  const own = new Set(world.ownAddresses());
  const behind = new Set(idsBehind(db, host.id));
  const inside = [host.id, ...behind].some((id) => own.has(getHost(db, id)?.endpoint?.address ?? ''));
  const connected = listHosts(db).filter((row) => row.id !== host.id && row.state === 'joined' && fleet.live(row.id).state === 'connected');
  const outside = connected.filter(({ id }) => !behind.has(id));
  const near = (row: HostRow): number => (row.parentId === host.parentId ? 0 : 1);
  return {
    agents: [...connected.filter(({ id }) => behind.has(id)), ...(inside ? outside.slice(0, mostOthers) : [])],
    witnesses: outside.filter(({ id }) => fleet.live(id).status?.capabilities.includes(reachCapability) === true).sort((a, b) => near(a) - near(b)),
    inside,
  };
}

/**
 * Waits a little for hosts behind this one that were there before this process began and that it has not reached yet: they are to be missed when they do not come
 * back after the change.
 */
export async function awaitBehind({ world, fleet, host }: Destination): Promise<void> {
  const { db, clock } = world;
  const absent = (): boolean =>
    idsBehind(db, host.id).some((id) => {
      const row = getHost(db, id);
      return row?.state === 'joined' && fleet.live(id).lastSeenMs === 0 && clock.now() - (row.lastSeenAtMs ?? 0) < behindMs.seen;
    });
  for (const until = clock.monotonic() + behindMs.wait; absent() && clock.monotonic() < until; ) await setTimeout(behindMs.look);
}

/** Refuses a change of a host that nobody can look at from outside. Errors: NAT_NO_WITNESS. */
export function requireWitness({ host }: Destination, scene: Pick<Scene, 'inside' | 'witnesses'>): void {
  if (!scene.inside || scene.witnesses.length > 0) return;
  throw reeveError('NAT_NO_WITNESS', { host: host.name, rule: 'the coordinator is on it or behind it, and no other connected host can look at it' });
}

/**
 * Has somebody outside look at ports of sshd, and answers those that are open: only they have to be open afterwards. Errors: NAT_NO_WITNESS when the coordinator
 * cannot look itself and nobody else did.
 */
export async function chooseSights(to: Destination, scene: Scene, ports: readonly number[]): Promise<readonly Sight[]> {
  const address = to.host.endpoint?.address;
  if (address === undefined || isIP(address) === 0 || ports.length === 0) return [];
  const asked = scene.witnesses.slice(0, mostWitnesses);
  const views = await Promise.all(asked.map((witness) => viewFrom(to, witness.id, address, ports)));
  if (scene.inside && views.every((view) => view === undefined)) requireWitness(to, { inside: true, witnesses: [] });
  const best = views.find((view) => view !== undefined && view.length > 0);
  if (best !== undefined || scene.inside) return best ?? [];
  return (await viewFrom(to, '', address, ports)) ?? [];
}

/** The ports that one sees open; undefined: it could not look. */
async function viewFrom(to: Destination, from: string, address: string, ports: readonly number[]): Promise<readonly Sight[] | undefined> {
  const sights = ports.map((port): Sight => ({ from, address, port }));
  try {
    const open = await Promise.all(sights.map((sight) => isOpen(to, sight, new AbortController().signal)));
    return sights.filter((_sight, index) => open[index] === true);
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return undefined;
  }
}

/** Whether a port can be reached from where it is looked at. Errors: HOST_UNREACHABLE, POLICY_DENIED: the witness did not look. */
async function isOpen({ world, fleet }: Destination, { from, address, port }: Sight, signal: AbortSignal): Promise<boolean> {
  if (from === '') {
    const result = await probeTcp({ address, port }, AbortSignal.any([signal, AbortSignal.timeout(lookMs.connect)]));
    if (result.kind === 'open') result.socket.destroy();
    return result.kind === 'open';
  }
  const witness = getHost(world.db, from);
  if (witness === undefined) throw reeveError('HOST_UNKNOWN', { value: from });
  const answer = await fleet.call(witness, reachService, 'CheckReach', { address, port, timeout: toDuration(lookMs.connect) }, { deadlineMs: lookMs.call, signal });
  return answer.open;
}

/** Looks again; what is wrong, for people: `sshd at 198.18.1.1:22 is closed as seen from web2`. */
export async function sightProblem(to: Destination, sight: Sight, signal: AbortSignal): Promise<string | undefined> {
  const at: Endpoint = { address: sight.address, port: sight.port };
  const from = sight.from === '' ? 'the coordinator' : (getHost(to.world.db, sight.from)?.name ?? sight.from);
  try {
    return (await isOpen(to, sight, signal)) ? undefined : `sshd at ${formatEndpoint(at)} is closed as seen from ${from}`;
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return `sshd at ${formatEndpoint(at)} could not be looked at from ${from}`;
  }
}

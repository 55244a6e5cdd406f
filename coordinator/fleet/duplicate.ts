import { reeveError } from '../../shared/errors/error.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import { formatEndpoint } from '../../shared/model/host.js';
import { serviceName } from '../../shared/rpc/client.js';
import { addAudit } from '../inventory/audit.js';
import { getHost, setQuarantined, type HostRow } from '../inventory/host.js';
import { writing } from '../inventory/write.js';
import type { World } from '../world.js';
import type { Fleet } from './fleet.js';
import type { Live } from './live.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** How long the agent that is watched has for proving that it lives, ms. One that has died or moved costs a renewal this much, once. */
const proofMs = 3_000;

/** An agent that spoke under an identity: what it says of itself, and where it spoke from. */
export interface Speaker {
  /** Random name of its process; empty: an older agent, of which nothing is concluded. */
  readonly instanceId: string;
  /** Where it spoke from, `ADDRESS` or `ADDRESS:PORT`. */
  readonly source: string;
  /** sha256 of its machine-id, hex; empty: not told. */
  readonly machineHint: string;
  /** What it did, for people: `renews`, `dials in`. */
  readonly doing: string;
}

/**
 * An agent spoke under a host's identity over a connection of its own. If it is not the process that is watched, and that one proves over the live connection
 * that it is alive, two machines have the identity: both are quarantined. Errors: HOST_QUARANTINED. Whatever else (a restart, a moved address, a host that is
 * not connected, an agent that tells no name) concludes nothing: only two answers at one time prove two agents.
 */
export async function noteInstance(world: World, fleet: Fleet, hostId: string, speaker: Speaker): Promise<void> {
  const host = getHost(world.db, hostId);
  if (host?.state !== 'joined' || speaker.instanceId === '') return;
  const live = fleet.live(hostId);
  const watched = live.status?.instanceId ?? '';
  if (live.state !== 'connected' || watched === '' || watched === speaker.instanceId) return;
  const answered = await watchedInstance(fleet, host);
  if (answered === '' || answered === speaker.instanceId) return;
  quarantine(world, fleet, host, speaker, live);
}

/** The name of the process that answers over the live connection now; empty: none did. */
async function watchedInstance(fleet: Fleet, host: HostRow): Promise<string> {
  try {
    const { status } = await fleet.call(host, statusService, 'GetStatus', {}, { deadlineMs: proofMs });
    return status?.instanceId ?? '';
  } catch {
    return '';
  }
}

function quarantine(world: World, fleet: Fleet, host: HostRow, speaker: Speaker, live: Live): never {
  const { db, clock, log } = world;
  const first = `one answers at ${host.endpoint === undefined ? 'an unknown address' : formatEndpoint(host.endpoint)}${machineOf(live.facts?.facts.machineHint ?? '')}`;
  const text = `two live agents have its identity: ${first}, one ${speaker.doing} from ${speaker.source}${machineOf(speaker.machineHint)}`;
  const atMs = clock.now();
  writing(db, () => {
    if (!setQuarantined(db, host.id, { text, atMs })) return;
    addAudit(db, { timeMs: atMs, principal: 'reeved', action: `host quarantine ${host.name}`, arguments: text, phase: 'ok', operationId: '', code: 'HOST_QUARANTINED' });
  });
  log.error({ host: host.name, reason: text }, 'a host is quarantined');
  fleet.refresh(host.id);
  throw reeveError('HOST_QUARANTINED', { host: host.name, reason: text });
}

function machineOf(hint: string): string {
  return hint === '' ? '' : ` (machine ${hint.slice(0, 12)})`;
}

import type { ErrorItem } from '../../shared/errors/error.js';
import { formatMessage } from '../../shared/errors/error.js';
import type { VhostServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/VhostService.js';
import type { WriteVhostsResponse } from '../../shared/gen/proto/reeve/agent/v1/WriteVhostsResponse.js';
import type { VhostInput } from '../../shared/gen/proto/reeve/type/v1/Vhost.js';
import type { VhostParked } from '../../shared/gen/proto/reeve/type/v1/VhostParked.js';
import { parseChange } from '../../shared/model/change.js';
import { formatVhost, mostVhost } from '../../shared/model/vhost.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { desiredVhosts } from '../desired/vhost.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, setReverted } from '../inventory/generation.js';
import { forgetVhosts } from '../inventory/vhost-forget.js';
import { failVhosts, settleVhosts, type Parked } from '../inventory/vhost-parked.js';
import { vhostsOf } from '../inventory/vhost.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<VhostServiceDefinition>('reeve.agent.v1.VhostService');

/** Many sites are tested one by one. */
const deadlineMs = 300_000;

/** What an agent is asked. */
interface Asked {
  readonly vhosts: VhostInput[];
  readonly about: string[];
  readonly takeOver: string;
  readonly acceptDifferences: boolean;
}

/** Noun vhost: the sites of a host's web front. A site that the host refuses is parked there and noted here; the others are made. */
export const vhostNoun: Noun = {
  name: 'vhost',
  method: 'reeve.agent.v1.VhostService/WriteVhosts',
  needs: { capability: 'vhost', lack: 'it cannot serve web sites yet' },
  deadlineMs,
  desired: askedOf,
  nothing: { vhosts: [], about: [], takeOver: '', acceptDifferences: false } satisfies Asked,
  forget({ db }, hostId) {
    forgetVhosts(db, hostId);
    return [];
  },
  failed({ db, clock }, part, errors) {
    const parked = errors.flatMap(parkedBy);
    const rest = errors.every(({ code }) => code === 'VHOST_PARKED' || code === 'VHOST_DRIFT');
    failVhosts(db, { hostId: part.hostId, generation: part.generation, parked, rest, now: clock.now() });
    // What took a site down when it was tried is tried again when somebody asks for it.
    if (errors.some(({ code }) => code === 'VHOST_PROBE')) setReverted(db, part);
    return [];
  },
  async send({ fleet, host }, intent, desired) {
    return fromResponse(await fleet.call(host, service, 'WriteVhosts', { intent, ...(desired as Asked) }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, WriteVhostsResponse>('reeve.agent.v1.WriteVhostsResponse').decode(response)),
};

function askedOf(db: Database, hostId: string): Asked {
  const { sites, about, takeOver } = desiredVhosts(vhostsOf(db, hostId), getGeneration(db, hostId, 'vhost')?.wanted ?? 0);
  return { vhosts: sites.map((site) => formatVhost(site)), about: [...about], takeOver: takeOver?.file ?? '', acceptDifferences: takeOver?.acceptDifferences ?? false };
}

function fromResponse(response: WriteVhostsResponse): Applied {
  const parked = parseParked(response.parked);
  return {
    changes: response.changes.slice(0, 10_000).map(parseChange),
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    notes: [...response.differences.slice(0, 100).map((text) => text.slice(0, 1024)), ...parked.map(({ name, problem, servesBefore }) => `site "${name}" stays ${servesBefore ? 'as it was' : 'out'}: ${problem}`)],
    settle: (db, hostId, generation, now) => settleVhosts(db, { hostId, generation, parked, now }),
  };
}

/** What a host says of its parked sites: texts are cut. */
export function parseParked(wire: readonly VhostParked[]): Parked[] {
  return wire.slice(0, mostVhost.sites).map(({ name, problem, servesBefore }) => ({ name: name.slice(0, 253), problem: problem.slice(0, 1024), servesBefore }));
}

/** Errors that are about one site, which they name. */
const ofOneSite: ReadonlySet<string> = new Set(['VHOST_PARKED', 'VHOST_DRIFT', 'VHOST_FOREIGN', 'VHOST_CONTENT', 'VHOST_PROBE']);

/** What an error says of one site. What stays as it was by what the error means serves on; of a parked one the error says it. */
function parkedBy(item: ErrorItem): Parked[] {
  const { value = '', rule = '', before } = item.fields;
  if (!ofOneSite.has(item.code) || value === '') return [];
  return [{ name: value.slice(0, 253), problem: item.code === 'VHOST_PARKED' ? rule : formatMessage(item), servesBefore: item.code === 'VHOST_DRIFT' || item.code === 'VHOST_PROBE' || before === 'yes' }];
}

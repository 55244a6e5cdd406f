import { formatMessage, ReeveError } from '../../shared/errors/error.js';
import type { ObserveVhostsResponse } from '../../shared/gen/proto/reeve/agent/v1/ObserveVhostsResponse.js';
import type { VhostServiceDefinition as AgentVhosts } from '../../shared/gen/proto/reeve/agent/v1/VhostService.js';
import type { ManagedVhostInput } from '../../shared/gen/proto/reeve/coordinator/v1/ManagedVhost.js';
import type { ObserveVhostsResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ObserveVhostsResponse.js';
import type { ShowVhostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ShowVhostRequest.js';
import type { ShowVhostResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ShowVhostResponse.js';
import type { VhostForeign } from '../../shared/gen/proto/reeve/type/v1/VhostForeign.js';
import { newId } from '../../shared/kit/id.js';
import { formatVhost, mostVhost, type VhostDraft, type WireVhost } from '../../shared/model/vhost.js';
import { serviceName } from '../../shared/rpc/client.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import type { UpstreamHost, VhostRow } from '../desired/vhost.js';
import { addAudit } from '../inventory/audit.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, isOwed } from '../inventory/generation.js';
import type { HostRow } from '../inventory/host.js';
import { vhostsOf } from '../inventory/vhost.js';
import { writing } from '../inventory/write.js';
import type { Office } from '../office.js';
import { requireAble } from '../reconcile/able.js';
import { parseParked, vhostNoun } from '../reconcile/vhost.js';
import type { OperatorCaller } from './caller.js';
import { changeableHost, hostFor, inScope, listedHosts, type Scoped } from './select.js';
import { findVhost, vhostIdentity } from './vhost-change.js';
import { mapUpstreams } from './vhost-upstream.js';

/** The agent's side. */
export const agentVhosts = serviceName<AgentVhosts>('reeve.agent.v1.VhostService');

/** Longest file of a site that is shown, characters. */
const mostText = 524_288;

/** An agent that is too old for sites is not asked for them. Errors: VERSION_UNSUPPORTED. */
export function requireFront({ fleet }: Pick<Office, 'fleet'>, host: HostRow): void {
  requireAble(fleet.live(host.id), vhostNoun);
}

/** Asks a host for its sites as they are. Errors: HOST_UNREACHABLE, VERSION_UNSUPPORTED, what the agent says. */
async function askVhosts(office: Pick<Office, 'fleet'>, host: HostRow, how: { readonly foreign: boolean; readonly deadlineMs: number }): Promise<ObserveVhostsResponse> {
  requireFront(office, host);
  return office.fleet.call(host, agentVhosts, 'ObserveVhosts', { foreign: how.foreign }, { deadlineMs: how.deadlineMs });
}

/** What should be on the hosts of a selector. */
export function listVhosts({ db }: Office, caller: Scoped, selector: string): ManagedVhostInput[] {
  return listedHosts(db, caller, selector).flatMap((host) => {
    const { rows, upstreams } = vhostsOf(db, host.id);
    return rows.map((row) => formatRow(db, caller, { host, row, upstreams, pem: false }));
  });
}

function formatRow(db: Database, caller: Scoped, { host, row, upstreams, pem }: { host: HostRow; row: VhostRow; upstreams: ReadonlyMap<string, UpstreamHost>; pem: boolean }): ManagedVhostInput {
  const generation = getGeneration(db, host.id, vhostNoun.name);
  const pending = isOwed(generation, row.generation);
  const { parked } = row;
  return {
    hostName: host.name,
    vhost: shownVhost(db, caller, { site: row.site, upstreams, pem }),
    addedAt: toTimestamp(row.addedAtMs),
    addedBy: row.by,
    pending,
    pendingReason: pending ? generation.reason : '',
    parked: parked === undefined ? null : { name: row.site.name, problem: parked.problem, servesBefore: parked.servesBefore },
  };
}

/** A site without the hashes of passwords: they are nothing to look at. */
export function withoutHashes(site: WireVhost): WireVhost {
  const nameless = <T extends Pick<WireVhost, 'users'>>(part: T): T => ({ ...part, users: part.users.map(({ name }) => ({ name, hash: '' })) });
  return { ...nameless(site), routes: site.routes.map(nameless) };
}

/** A site as it is shown: hosts by name, as far as they exist for the caller; without hashes. */
function shownVhost(db: Database, caller: Scoped, { site, upstreams, pem }: { site: VhostDraft; upstreams: ReadonlyMap<string, UpstreamHost>; pem: boolean }): WireVhost {
  const wire = withoutHashes(formatVhost(site));
  const routes = mapUpstreams(wire.routes, (upstream) =>
    upstream.host === '' ? upstream : { ...upstream, host: inScope(db, caller, upstream.host) ? (upstreams.get(upstream.host)?.name ?? upstream.host) : 'a host outside your scope' },
  );
  const { clientCert } = wire;
  return { ...wire, routes, clientCert: clientCert === null || pem ? clientCert : { mandatory: clientCert.mandatory, caPem: '', crlPem: '' } };
}

/** One site as it should be, and its file as it is. */
export async function showVhost(office: Office, caller: Scoped, request: ShowVhostRequest): Promise<ShowVhostResponseInput> {
  const { db } = office;
  const host = hostFor(db, caller, request.host);
  const row = formatRow(db, caller, { host, row: findVhost(db, host, request.name), upstreams: vhostsOf(db, host.id).upstreams, pem: true });
  try {
    const { vhosts } = await askVhosts(office, host, { foreign: false, deadlineMs: 10_000 });
    const found = vhosts.find(({ name }) => name === request.name);
    if (found === undefined) return { row, state: 'absent' };
    const { path, text } = await office.fleet.call(host, agentVhosts, 'ReadVhost', { name: request.name }, { deadlineMs: 10_000 });
    return { row, state: found.state.slice(0, 64), path: path.slice(0, 4096), text: text.slice(0, mostText) };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    const [first] = error.items;
    return { row, state: 'unknown', problem: first === undefined ? error.message : formatMessage(first) };
  }
}

/** What a host has, asked of it now. */
export async function observeVhosts(office: Office, caller: Scoped, name: string): Promise<ObserveVhostsResponseInput> {
  const found = await askVhosts(office, hostFor(office.db, caller, name), { foreign: true, deadlineMs: 20_000 });
  return {
    engine: found.engine.slice(0, 256),
    running: found.running,
    vhosts: found.vhosts.slice(0, mostVhost.sites).map((site) => ({ name: site.name.slice(0, 253), state: site.state.slice(0, 64) })),
    parked: parseParked(found.parked),
    foreign: found.foreign.slice(0, 1000).map(cutForeign),
    truncated: found.truncated,
  };
}

function cutForeign({ file, line, names, listens }: VhostForeign): VhostForeign {
  const cut = (texts: readonly string[], most: number): string[] => texts.slice(0, most).map((text) => text.slice(0, 256));
  return { file: file.slice(0, 4096), line, names: cut(names, 64), listens: cut(listens, 16) };
}

/** Lets a web server read its configuration again. Errors: HOST_UNREACHABLE, what the agent says. */
export async function reloadProxy(office: Office, caller: OperatorCaller, name: string): Promise<{ engine: string }> {
  const { db, clock } = office;
  const host = changeableHost(db, caller, name);
  const operationId = newId(clock.now());
  const note = (phase: 'intent' | 'ok' | 'failed', code: string): void =>
    writing(db, () => addAudit(db, { timeMs: clock.now(), principal: caller.name, action: `proxy reload ${host.name}`, arguments: vhostIdentity('reload', host.id, {}), phase, operationId, code }));
  note('intent', '');
  try {
    requireFront(office, host);
    const { engine } = await office.fleet.call(host, agentVhosts, 'ReloadProxy', { operationId }, { deadlineMs: 60_000 });
    note('ok', '');
    return { engine: engine.slice(0, 256) };
  } catch (error) {
    note('failed', error instanceof ReeveError ? error.code : 'INTERNAL');
    throw error;
  }
}

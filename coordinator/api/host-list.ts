import type { HostInput } from '../../shared/gen/proto/reeve/coordinator/v1/Host.js';
import type { ListHostRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListHostRequest.js';
import type { ListHostResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListHostResponse.js';
import { fieldInvalid, parseInteger } from '../../shared/model/field.js';
import { formatEndpoint } from '../../shared/model/host.js';
import { formatLabel, parseLabel } from '../../shared/model/label.js';
import { fleetHealth } from '../fleet/health.js';
import { holdLookup } from '../fleet/hold.js';
import { getFacts, listOs } from '../inventory/fact.js';
import { listDrift, listPending } from '../inventory/generation.js';
import { listLabels, type HostRow } from '../inventory/host.js';
import { currentKey } from '../inventory/key.js';
import type { Office } from '../office.js';
import { formatHosts, stateOf } from './host-format.js';
import { worstByHost, type HealthWord } from './overview.js';
import { listedHosts, nameFor, visibleHosts, type Scoped } from './select.js';

/** Longest text that is searched for, characters. */
const mostSearch = 200;

/** Most labels that are asked for at once. */
const mostLabels = 20;

/** Longest name of an operating system that is told, characters. */
const mostOs = 100;

/** The hosts that a list was asked for, in its order, and how many there are in all. Errors: SELECTOR_*, HOST_UNKNOWN, FIELD_INVALID. */
export function listHosts(office: Office, caller: Scoped, request: ListHostRequest): ListHostResponseInput {
  const { db } = office;
  const all = request.retired ? visibleHosts(db, caller, { retired: true }) : listedHosts(db, caller, request.selector);
  const known = lookups(office, caller, all);
  const wanted = filterHosts(office, request, known, all);
  const sorted = sortHosts(request, known, wanted);
  const limit = request.limit === 0 ? Infinity : parseInteger('limit', request.limit, { min: 1, max: 100_000 });
  const page = (request.tree ? asTree(sorted) : sorted.map((host) => ({ host, depth: 0 }))).slice(request.offset, request.offset + limit);
  const formatted = formatHosts(office, caller, page.map(({ host }) => host));
  return { hosts: formatted.map((host, at) => ({ ...host, ...known.said(page[at]?.host), depth: page[at]?.depth ?? 0 })), total: wanted.length };
}

/** What ListHost and GetHost tell beyond what other answers have of a host. */
export function saidOf(office: Office, caller: Scoped, host: HostRow): Pick<HostInput, 'health' | 'os'> {
  return lookups(office, caller, [host]).said(host);
}

/** What is known of hosts beside their rows; each is looked up when it is first asked for. */
interface Lookups {
  stateOf(host: HostRow): ReturnType<typeof stateOf>;
  healthOf(host: HostRow): HealthWord;
  osOf(host: HostRow): string;
  labelsOf(host: HostRow): readonly string[];
  parentOf(host: HostRow): string;
  seenMsOf(host: HostRow): number;
  certificateMsOf(host: HostRow): number;
  said(host: HostRow | undefined): Pick<HostInput, 'health' | 'os'>;
}

function lookups(office: Office, caller: Scoped, hosts: readonly HostRow[]): Lookups {
  const { db, fleet } = office;
  const worst = once(() => worstByHost(fleetHealth(office, fleet, hosts, Infinity)));
  const systems = once(() => listOs(db));
  const labels = once(() => listLabels(db));
  const parents = once(() => new Map(hosts.map((host) => [host.id, host.name])));
  const nameOf = nameFor(db, caller);
  const connected = (host: HostRow): boolean => host.state === 'joined' && fleet.live(host.id).state === 'connected';
  const healthOf = (host: HostRow): HealthWord => worst().get(host.name) ?? 'ok';
  return {
    stateOf: (host) => stateOf(host, connected(host)),
    healthOf,
    osOf: (host) => fleet.live(host.id).facts?.facts.os ?? systems().get(host.id) ?? '',
    labelsOf: (host) => (labels().get(host.id) ?? []).map(formatLabel),
    parentOf: (host) => (host.parentId === undefined ? '' : (parents().get(host.parentId) ?? nameOf(host.parentId))),
    seenMsOf: (host) => fleet.live(host.id).lastSeenMs || (host.lastSeenAtMs ?? 0),
    certificateMsOf: (host) => (connected(host) ? fleet.live(host.id).certificateNotAfterMs : (currentKey(db, host.id)?.notAfterMs ?? 0)),
    said(host) {
      if (host === undefined) return { health: '', os: '' };
      const os = fleet.live(host.id).facts?.facts.os ?? getFacts(db, host.id)?.facts.os ?? '';
      return { health: host.state === 'retired' ? '' : healthOf(host), os: os.slice(0, mostOs) };
    },
  };
}

/** A value that is made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function filterHosts(office: Office, request: ListHostRequest, known: Lookups, hosts: readonly HostRow[]): HostRow[] {
  const { search, states, health } = request;
  if (search.length > mostSearch) throw fieldInvalid('search', search, `at most ${String(mostSearch)} characters`);
  if (request.labels.length > mostLabels) throw fieldInvalid('labels', String(request.labels.length), `at most ${String(mostLabels)}`);
  if (health !== '' && !['ok', 'warning', 'error'].includes(health)) throw fieldInvalid('health', health, 'ok, warning or error');
  const labels = request.labels.map((text) => formatLabel(parseLabel(text)));
  const text = search.toLowerCase();
  const flagged = flaggedBy(office, request.flag);
  return hosts.filter((host) => {
    if (states.length > 0 && !states.includes(known.stateOf(host))) return false;
    if (flagged !== undefined && !flagged(host.id)) return false;
    if (labels.length > 0 && !labels.every((label) => known.labelsOf(host).includes(label))) return false;
    if (health !== '' && known.healthOf(host) !== health) return false;
    if (text === '') return true;
    return host.name.includes(text) || searchable(host, known).some((value) => value.toLowerCase().includes(text));
  });
}

function searchable(host: HostRow, known: Lookups): readonly string[] {
  const address = host.endpoint === undefined ? '' : formatEndpoint(host.endpoint);
  return [address, known.parentOf(host), known.osOf(host), ...known.labelsOf(host)];
}

/** Whether a host has what a flag says; undefined: no flag was asked for. Errors: FIELD_INVALID. */
function flaggedBy(office: Office, flag: string): ((hostId: string) => boolean) | undefined {
  const { db, fleet } = office;
  const among = (rows: readonly { hostId: string }[]): ((hostId: string) => boolean) => {
    const ids = new Set(rows.map(({ hostId }) => hostId));
    return (hostId) => ids.has(hostId);
  };
  switch (flag) {
    case '':
      return undefined;
    case 'pending':
      return among(listPending(db));
    case 'drifted':
      return among(listDrift(db));
    case 'held': {
      const holdsOf = holdLookup(office, fleet);
      return (hostId) => holdsOf(hostId).length > 0;
    }
    default:
      throw fieldInvalid('flag', flag, 'pending, drifted or held');
  }
}

/** What is wrong comes first. */
const stateRank = ['HOST_STATE_QUARANTINED', 'HOST_STATE_LOST', 'HOST_STATE_INVITED', 'HOST_STATE_CONNECTED', 'HOST_STATE_REVOKED', 'HOST_STATE_RETIRED'];
const healthRank = ['error', 'warning', 'ok'];

function sortHosts(request: ListHostRequest, known: Lookups, hosts: readonly HostRow[]): HostRow[] {
  const keyOf = sortKey(request.sort, known);
  const way = request.descending ? -1 : 1;
  const keyed = hosts.map((host) => ({ host, key: keyOf(host) }));
  keyed.sort((a, b) => {
    if (a.key !== b.key) return a.key < b.key ? -way : way;
    return a.host.name === b.host.name ? 0 : a.host.name < b.host.name ? -1 : 1;
  });
  return keyed.map(({ host }) => host);
}

function sortKey(sort: string, known: Lookups): (host: HostRow) => string | number {
  switch (sort) {
    case '':
    case 'name':
      return (host) => host.name;
    case 'state':
      return (host) => stateRank.indexOf(known.stateOf(host));
    case 'health':
      return (host) => healthRank.indexOf(known.healthOf(host));
    case 'parent':
      return known.parentOf;
    case 'os':
      return known.osOf;
    case 'version':
      return (host) => host.agentVersion;
    case 'seen':
      return known.seenMsOf;
    case 'certificate':
      return known.certificateMsOf;
    default:
      throw fieldInvalid('sort', sort, 'name, state, health, parent, os, version, seen or certificate');
  }
}

/** Guests behind their parents. A host whose parent is not among them stands at the top. */
function asTree(hosts: readonly HostRow[]): { host: HostRow; depth: number }[] {
  const ids = new Set(hosts.map(({ id }) => id));
  const children = new Map<string, HostRow[]>();
  const waiting: { host: HostRow; depth: number }[] = [];
  for (const host of hosts) {
    if (host.parentId === undefined || !ids.has(host.parentId)) waiting.push({ host, depth: 0 });
    else children.set(host.parentId, [...(children.get(host.parentId) ?? []), host]);
  }
  waiting.reverse();
  const ordered: { host: HostRow; depth: number }[] = [];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { host, depth } = next;
    ordered.push(next);
    for (const child of [...(children.get(host.id) ?? [])].reverse()) waiting.push({ host: child, depth: depth + 1 });
  }
  return ordered;
}

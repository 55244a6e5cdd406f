import { formatMessage, ReeveError, reeveError } from '../../shared/errors/error.js';
import type { ContainerHostProblemInput } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerHostProblem.js';
import type { ContainerRowInput } from '../../shared/gen/proto/reeve/coordinator/v1/ContainerRow.js';
import type { ListContainersRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ListContainersRequest.js';
import type { ListContainersResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ListContainersResponse.js';
import type { ShowContainerRequest } from '../../shared/gen/proto/reeve/coordinator/v1/ShowContainerRequest.js';
import type { ShowContainerResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/ShowContainerResponse.js';
import type { WatchContainersRequest } from '../../shared/gen/proto/reeve/coordinator/v1/WatchContainersRequest.js';
import type { WatchContainersResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/WatchContainersResponse.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { formatContainerSpec } from '../../shared/model/container.js';
import { parseInteger } from '../../shared/model/field.js';
import type { CallContext } from '../../shared/rpc/server.js';
import type { ContainerRow } from '../desired/container.js';
import { cpuPercent, guestOf, judgeContainer, type CpuLook, type GuestHost } from '../desired/container-judge.js';
import { formatObservedContainer, type ObservedContainer } from '../desired/container-observed.js';
import { containersOf, hasContainers, hostsWithContainers } from '../inventory/container.js';
import type { Database } from '../inventory/database.js';
import { getGeneration, isOwed } from '../inventory/generation.js';
import { childrenOf, type HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';
import { lookAt, type Looked } from '../reconcile/container-agent.js';
import { containerNoun } from '../reconcile/container.js';
import type { OperatorCaller } from './caller.js';
import { hostFor, inScope, listedHosts, type Scoped } from './select.js';

type Context = Pick<CallContext<OperatorCaller>, 'principal' | 'signal'>;

/** Hosts that are asked at a time. */
const fanOut = 32;

/** Seconds between two answers of a watch. */
const watchSeconds = { min: 1, max: 60, usual: 2 } as const;

/** What a host said, or why it could not be asked. */
type Said = { readonly host: HostRow; readonly unasked: undefined; readonly looked: Looked } | { readonly host: HostRow; readonly unasked: string; readonly looked: undefined; readonly code: string };

async function ask({ fleet }: Office, host: HostRow, asked: Parameters<typeof lookAt>[2], signal: AbortSignal): Promise<Said> {
  try {
    return { host, unasked: undefined, looked: await lookAt(fleet, host, asked, signal) };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return { host, unasked: error.items.map(formatMessage).join('; ').slice(0, 1024), looked: undefined, code: error.code };
  }
}

async function askAll(office: Office, hosts: readonly HostRow[], asked: Parameters<typeof lookAt>[2], signal: AbortSignal): Promise<Said[]> {
  const said = new Map<string, Said>();
  await forEachLimited(hosts, fanOut, async (host) => void said.set(host.id, await ask(office, host, asked, signal)));
  return hosts.flatMap((host) => said.get(host.id) ?? []);
}

/** A host that has no containers as far as anybody knows, and could have none: it has not joined, or its agent is of before there were any. */
function isOutside(db: Database, { host, unasked, ...rest }: Said): boolean {
  return unasked !== undefined && 'code' in rest && ['HOST_NOT_JOINED', 'HOST_REVOKED', 'VERSION_UNSUPPORTED'].includes(rest.code) && !hasContainers(db, host.id);
}

function problemsOf(db: Database, said: readonly Said[]): ContainerHostProblemInput[] {
  return said.flatMap((one) => {
    if (isOutside(db, one)) return [];
    if (one.unasked !== undefined) return [{ hostName: one.host.name, reason: one.unasked }];
    return one.looked.truncated ? [{ hostName: one.host.name, reason: 'it has more containers than it tells' }] : [];
  });
}

/** Containers of the hosts of a selector, as they should be and as they are. */
export async function listContainers(office: Office, { principal, signal }: Context, { selector, stored }: ListContainersRequest): Promise<ListContainersResponseInput> {
  const { db } = office;
  const hosts = listedHosts(db, principal, selector);
  if (stored) {
    const having = hostsWithContainers(db);
    const rows = hosts.filter(({ id }) => having.has(id)).flatMap((host) => rowsOf(db, principal, { host, unasked: 'its host was not asked', looked: undefined, code: '' }));
    return { rows, problems: [] };
  }
  const said = await askAll(office, hosts, {}, signal);
  return { rows: said.flatMap((one) => rowsOf(db, principal, one)), problems: problemsOf(db, said) };
}

/** One container, asked of its host as far as that answers. Errors: CONTAINER_UNKNOWN. */
export async function showContainer(office: Office, { principal, signal }: Context, request: ShowContainerRequest): Promise<ShowContainerResponseInput> {
  const { db } = office;
  const host = hostFor(db, principal, request.host);
  const said = await ask(office, host, { name: request.name, health: true }, signal);
  const row = rowsOf(db, principal, said).find(({ name }) => name === request.name);
  if (row === undefined) throw reeveError('CONTAINER_UNKNOWN', { host: host.name, value: request.name });
  return { row, offers: said.looked?.offers ?? null };
}

/** What is wanted of a host and what it has, joined by name. */
function rowsOf(db: Database, caller: Scoped, { host, unasked, looked }: Said): ContainerRowInput[] {
  const rows = new Map(containersOf(db, host.id).map((row) => [row.container.name, row]));
  const seen = new Map((looked?.containers ?? []).map((observed) => [observed.name, observed]));
  const names = [...new Set([...rows.keys(), ...seen.keys()])].sort();
  if (names.length === 0) return [];
  const children = childrenOf(db, host.id).flatMap((child): GuestHost[] => (inScope(db, caller, child.id) ? [{ name: child.name, address: child.endpoint?.address }] : []));
  const generation = getGeneration(db, host.id, containerNoun.name);
  return names.map((name) => {
    const [row, observed] = [rows.get(name), seen.get(name)];
    const guest = guestOf(children, { name, addresses: [observed?.address ?? '', specOf(row)?.address ?? ''] });
    const owed = row !== undefined && isOwed(generation, row.generation) ? generation.reason : undefined;
    return formatRow({ hostName: host.name, name, row, owed, observed, unasked, guest });
  });
}

function formatRow(judged: Parameters<typeof judgeContainer>[0]): ContainerRowInput {
  const { hostName, name, row, observed, guest } = judged;
  const spec = specOf(row);
  return { hostName, name, spec: spec === undefined ? null : formatContainerSpec(spec), observed: observed === undefined ? null : formatObservedContainer(observed), guest, ...judgeContainer(judged) };
}

function specOf(row: ContainerRow | undefined) {
  return row?.container.presence === 'present' ? row.container.spec : undefined;
}

/** What containers use, anew every few seconds until the caller goes. */
export async function* watchContainers(office: Office, { principal, signal }: Context, request: WatchContainersRequest): AsyncGenerator<WatchContainersResponseInput> {
  const { db, clock } = office;
  const everyMs = 1000 * (request.everySeconds === 0 ? watchSeconds.usual : parseInteger('every seconds', request.everySeconds, watchSeconds));
  let before = new Map<string, CpuLook>();
  for (;;) {
    const said = await askAll(office, listedHosts(db, principal, request.selector), { name: request.name }, signal);
    const looks = new Map<string, CpuLook>();
    const uses = said.flatMap(({ host, looked }) => (looked?.containers ?? []).filter(isRunning).map((observed) => {
      const key = `${host.id} ${observed.name}`;
      const look = { sinceMs: observed.sinceMs, cpuUs: observed.cpuUs, atMs: clock.monotonic() };
      looks.set(key, look);
      return { hostName: host.name, observed: formatObservedContainer(observed), cpuPercent: cpuPercent(before.get(key), look, clock.now()) };
    }));
    yield { uses, problems: problemsOf(db, said) };
    before = looks;
    if (!(await waitFor(everyMs, signal))) return;
  }
}

function isRunning({ state, sinceMs }: ObservedContainer): boolean {
  return sinceMs > 0 && (state === 'running' || state === 'starting' || state === 'stopping');
}

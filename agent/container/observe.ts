import { reeveError } from '../../shared/errors/error.js';
import type { ObserveContainerReplyContainer } from '../../shared/gen/privd.js';
import { sha256 } from '../../shared/kit/digest.js';
import { containerEngines, type ContainerEngine, type ContainerSpec } from '../../shared/model/container.js';
import { parseContainerName } from '../../shared/model/container-field.js';
import { containerStates, type ObservedContainer } from '../../shared/model/container-state.js';
import { parseContainerText } from '../../shared/model/container-text.js';
import type { Helper } from '../host/host.js';

/** Limits that a kernel may not keep, with the controller (cgroups(7)) that keeps them. */
export const limitControllers = { memory: 'memory', swap: 'memory', cpu: 'cpu', tasks: 'pids' } as const;
export type LimitName = keyof typeof limitControllers;

/** The containers of a host, and what it offers for them. */
export interface ObservedContainers {
  /** By name. */
  readonly containers: readonly ObservedContainer[];
  readonly engines: ReadonlySet<ContainerEngine>;
  /** Limits that its kernel does not keep. */
  readonly ignoredLimits: readonly LimitName[];
  /** There are more than are told. */
  readonly truncated: boolean;
}

/** Looks at the containers; starts no program. `name`: only that one. Errors: HELPER_UNREACHABLE, what the helper refuses. */
export async function observeContainers(helper: Helper, operationId: string, scope: 'managed' | 'all', name?: string): Promise<ObservedContainers> {
  const reply = await helper.call('observe.container', operationId, { scope, ...(name === undefined ? {} : { name }) });
  return {
    containers: reply.container.map(readRow).sort((a, b) => (a.name < b.name ? -1 : 1)),
    engines: new Set(containerEngines.filter((engine) => reply[engine])),
    ignoredLimits: (Object.keys(limitControllers) as LimitName[]).filter((limit) => !reply.limit.includes(limitControllers[limit])),
    truncated: reply.truncated,
  };
}

/** Longest text of the host that is passed on, characters. */
const mostText = 1024;

function readRow(row: ObserveContainerReplyContainer): ObservedContainer {
  const engine = containerEngines.find((known) => known === row.engine);
  const state = containerStates.find((known) => known === row.state);
  if (engine === undefined || state === undefined) throw reeveError('HELPER_UNREACHABLE', { reason: 'its answer is malformed: a container of no kind that is known; it is newer than the agent' });
  const { managed, boot, edited, sinceMs, pid, cpuUs, memory, memoryMax, memoryCounted, tasks, disk, address, bridge, id, unit, pending, fresh } = row;
  return {
    // What others have made may be called otherwise.
    name: managed ? parseContainerName(row.name) : row.name.slice(0, mostText),
    engine, managed, state, boot, sinceMs, pid, cpuUs, memory, memoryMax, memoryCounted, tasks, disk, id, pending, fresh,
    spec: managed ? readSpec(row.spec) : undefined,
    specSha: managed ? sha256(row.spec).toString('hex') : '',
    reason: row.reason.slice(0, mostText), edited: edited.slice(0, mostText), image: row.image.slice(0, mostText),
    address: address.slice(0, mostText), bridge: bridge.slice(0, mostText), unit: unit.slice(0, mostText),
  };
}

/** A record that somebody has altered may be no spec any more. */
function readSpec(record: Uint8Array): ContainerSpec | undefined {
  try {
    return parseContainerText(Buffer.from(record).toString('utf8'));
  } catch {
    return undefined;
  }
}

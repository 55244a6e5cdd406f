import type { ObserveContainerRequest } from '../../shared/gen/proto/reeve/agent/v1/ObserveContainerRequest.js';
import type { ObserveContainerResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ObserveContainerResponse.js';
import { nounDigest } from '../../shared/kit/digest.js';
import { newId } from '../../shared/kit/id.js';
import { forEachLimited } from '../../shared/kit/queue.js';
import { containerDigestModel, type ObservedContainer } from '../../shared/model/container-state.js';
import { fieldInvalid } from '../../shared/model/field.js';
import { withHost } from '../engine/apply.js';
import type { WorkPlace } from '../engine/ticket.js';
import { requirePolicy } from '../policy/policy.js';
import { askHealth } from './health.js';
import { observeContainers } from './observe.js';
import { formatContainerHost, formatObservedContainer } from './render.js';

/** Containers that are asked at once whether they are healthy. */
const atOnce = 8;

/** Containers as they are. Not between the changes of the noun: who waits for one to get healthy may want to see how it does. */
export async function observeAll(place: WorkPlace, { all, name, health }: ObserveContainerRequest): Promise<ObserveContainerResponseInput> {
  const { host, hostName } = place;
  requirePolicy(host, hostName, 'observe.container');
  if (name.length > 255) throw fieldInvalid('name', name, 'at most 255 characters');
  try {
    const operationId = newId(host.clock.now());
    const seen = await observeContainers(host.helper, operationId, all ? 'all' : 'managed', name === '' ? undefined : name);
    const healthOf = health ? await askAll(place, operationId, seen.containers) : new Map<string, string>();
    // The digest is of all that are managed.
    const model = containerDigestModel((name === '' ? seen : await observeContainers(host.helper, operationId, 'managed')).containers);
    return {
      containers: seen.containers.map((container) => formatObservedContainer(container, container.managed ? healthOf.get(container.name) : '')),
      host: formatContainerHost(seen), digest: nounDigest('container', model), truncated: seen.truncated,
    };
  } catch (error) {
    throw withHost(error, hostName);
  }
}

/** How those do that run and have a check, by name. One that cannot be asked says nothing. */
async function askAll(place: WorkPlace, operationId: string, containers: readonly ObservedContainer[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  await forEachLimited(containers, atOnce, async ({ name, managed, spec, state }) => {
    if (!managed || spec?.health === undefined || state !== 'running') return;
    try {
      const { healthy } = await askHealth(place, operationId, name, spec);
      found.set(name, healthy ? 'healthy' : 'unhealthy');
    } catch {
      // The policy, or a helper that has no time: what else is known of it counts.
    }
  });
  return found;
}

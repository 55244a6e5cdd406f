import type { ApplyContainerRequest, ApplyContainerRequestInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyContainerRequest.js';
import type { ApplyContainerResponse, ApplyContainerResponseInput } from '../../shared/gen/proto/reeve/agent/v1/ApplyContainerResponse.js';
import { ReeveError, type ErrorItem } from '../../shared/errors/error.js';
import { failpoint } from '../../shared/kit/failpoint.js';
import { formatChange } from '../../shared/model/change.js';
import { formatContainer, type Container } from '../../shared/model/container.js';
import { containerDigestModel } from '../../shared/model/container-state.js';
import { formatHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { callHelper, isUnreachable, withHost } from '../engine/apply.js';
import { parseIntent } from '../engine/intent.js';
import type { NounWork } from '../engine/noun.js';
import type { Plan } from '../engine/step.js';
import type { WorkPlace } from '../engine/ticket.js';
import type { StoredStep } from '../journal/line.js';
import { policyProblem, type UsablePolicy } from '../policy/policy.js';
import type { Deny } from '../user/plan.js';
import { changeOf, ignoredLimit, makeContainer } from './change.js';
import { observeContainers, type ObservedContainers } from './observe.js';
import { specRefusals } from './permit.js';
import { planContainers, planContainerRelease } from './plan.js';
import { formatObservedContainer } from './render.js';
import { keepContainers, restoreContainers } from './restore.js';
import { parseContainers } from './wanted.js';
import { doWork } from './work.js';

/** The work of ApplyContainer. */
export type ContainerNoun = NounWork<ApplyContainerRequest, readonly Container[], ObservedContainers, ApplyContainerResponseInput>;

/** ApplyContainer, as the engine runs it. `left`: a change was left unsettled, as nobody answered any more. */
export function containerWork(place: WorkPlace, left: () => void): ContainerNoun {
  const { host, hostName } = place;
  const request = messageCodec<ApplyContainerRequestInput, ApplyContainerRequest>('reeve.agent.v1.ApplyContainerRequest');
  const deny = (policy: UsablePolicy): Deny => (operation, args) => policyProblem(policy, hostName, operation, args);
  // Of the operation that runs: of a noun there is never more than one.
  let failures: ErrorItem[] = [];
  let notes = { operationId: '', lines: new Set<string>() };
  const note = (line: string): void => void notes.lines.add(line);
  return {
    noun: 'container',
    part: 'container',
    method: 'reeve.agent.v1.ContainerService/ApplyContainer',
    request,
    response: messageCodec<ApplyContainerResponseInput, ApplyContainerResponse>('reeve.agent.v1.ApplyContainerResponse'),
    parse: (wire) => {
      const intent = parseIntent(wire.intent);
      return { intent, wanted: intent.release ? [] : parseContainers(wire.containers) };
    },
    observe: (_wanted, operationId) => {
      failures = [];
      if (notes.operationId !== operationId) notes = { operationId, lines: new Set() };
      // Those of others have ports and addresses, too.
      return observeContainers(host.helper, operationId, 'all');
    },
    model: ({ containers }) => containerDigestModel(containers),
    plan: (wanted, observed, policy): Plan => {
      const { notes: stays, ...plan } = planContainers({ wanted, observed, network: host.readNetwork(), listening: host.readListening(), deny: deny(policy), hostName });
      for (const line of stays) note(line);
      return plan;
    },
    // Who waits for a hold to end keeps what runs; what goes takes its ports with it.
    removalOnly: (wanted) => wanted.filter(({ presence }) => presence === 'absent'),
    release: (observed, policy) => planContainerRelease(observed, deny(policy)),
    refused: (wanted, policy) => wanted.flatMap((row) => (row.presence === 'present' ? specRefusals(row.name, row.spec, deny(policy)) : [])),
    undo: {
      keep: (names, { containers }) => keepContainers(names, containers),
      restore: (saved, { containers }) => restoreContainers(saved, containers),
      format: (intent, wanted) => request.decode(request.encode({ intent, containers: wanted.map(formatContainer) })),
      nothing: [],
    },
    perform: async (step, operationId) => {
      try {
        await perform(place, operationId, step, note);
      } catch (error) {
        if (!(error instanceof ReeveError) || isUnreachable(error)) {
          left();
          throw error;
        }
        failures.push(...withHost(error, hostName).items);
      }
      if (step.request['last'] !== true || failures.length === 0) return;
      throw new ReeveError(failures.splice(0));
    },
    respond: ({ wanted, observed, changes, held, digestBefore, digest, policyDigest }) => {
      const named = new Set(wanted.map(({ name }) => name));
      for (const line of limitNotes(wanted, observed)) note(line);
      return {
        changes: changes.map(formatChange), digestBefore, digest, policyDigest, held: formatHeld(held),
        containers: observed.containers.filter(({ name }) => named.has(name)).map((container) => formatObservedContainer(container)),
        notes: [...notes.lines],
      };
    },
    stepDone: () => failpoint('agent.container.step'),
  };
}

async function perform(place: WorkPlace, operationId: string, step: StoredStep, note: (line: string) => void): Promise<void> {
  const name = String(step.request['name']);
  if (step.verb === 'container.make') {
    await makeContainer(changeOf(place, operationId, step, note));
    return;
  }
  if (step.verb === 'container.remove') {
    const { ok, reason } = await doWork(place, 'container.remove', operationId, { name, volumes: step.request['volumes'] === true });
    if (!ok) throw new ReeveError([{ code: 'CONTAINER_FAILED', fields: { value: `Removing container "${name}"`, rule: reason } }]);
    return;
  }
  const { last: _last, ...request } = step.request;
  await callHelper(place.host.helper, operationId, { ...step, request });
}

/** Limits of what is wanted that the kernel of the host does not keep. */
function limitNotes(wanted: readonly Container[], { ignoredLimits }: ObservedContainers): readonly string[] {
  return wanted.flatMap((row) => (row.presence !== 'present' || row.spec.engine === 'pct' ? [] : ignoredLimits.filter((limit) => row.spec.limits[limit] !== undefined).map((limit) => ignoredLimit(row.name, limit))));
}

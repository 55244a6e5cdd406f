import type { ApplyContainerResponse } from '../../shared/gen/proto/reeve/agent/v1/ApplyContainerResponse.js';
import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import { parseChange } from '../../shared/model/change.js';
import { serviceName } from '../../shared/rpc/client.js';
import { parseHeld } from '../../shared/rpc/hold.js';
import { messageCodec } from '../../shared/rpc/load.js';
import { desiredContainers } from '../desired/container.js';
import { forgetContainers } from '../inventory/container-forget.js';
import { containersOf, settleContainers, takeBackContainers } from '../inventory/container.js';
import { getGeneration, raiseGeneration, setReverted } from '../inventory/generation.js';
import { sendAnnounced } from './container-secret.js';
import type { Applied, Noun } from './noun.js';

const service = serviceName<ContainerServiceDefinition>('reeve.agent.v1.ContainerService');

/** Containers are worked on one after the other, and each may take a quarter of an hour to get healthy. */
const deadlineMs = 1_800_000;

/** Most notes of one answer. */
const mostNotes = 100;

type Desired = ReturnType<typeof desiredContainers>;

/** Noun container: containers of podman, LXC and pct. Values of secrets are no part of it: see container-secret.ts. */
export const containerNoun: Noun = {
  name: 'container',
  method: 'reeve.agent.v1.ContainerService/ApplyContainer',
  needs: { capability: 'container', lack: 'it cannot manage containers yet' },
  deadlineMs,
  desired: (db, hostId) => desiredContainers(containersOf(db, hostId), getGeneration(db, hostId, 'container')?.wanted ?? 0),
  nothing: [] satisfies Desired,
  forget({ db }, hostId) {
    forgetContainers(db, hostId);
    return [];
  },
  failed({ db, clock }, part, errors) {
    const { hostId, generation, noun } = part;
    // The agent names the container of an error when all of it is as it was before.
    const taken = takeBackContainers(db, { hostId, generation, names: errors.flatMap(({ fields }) => fields['container'] ?? []) });
    const left = getGeneration(db, hostId, noun);
    if (taken > 0 && left !== undefined && left.applied < left.wanted) {
      // The host has nearly all of it: it is told what is left, so that nothing is pending.
      raiseGeneration(db, { hostId, noun, now: clock.now(), released: left.released });
      return [hostId];
    }
    // What took a container down when it was tried is tried again when somebody asks for it.
    if (errors.some(({ code }) => code === 'CONTAINER_UNHEALTHY' || code === 'CONTAINER_FAILED')) setReverted(db, part);
    return [];
  },
  async send(to, intent, desired) {
    const containers = desired as Desired;
    const versions = new Set(containers.flatMap(({ spec }) => spec?.secrets?.map(({ version }) => version ?? '') ?? []));
    if (intent.mode === 'MODE_APPLY') await sendAnnounced(to, (version) => versions.has(version));
    return fromResponse(await to.fleet.call(to.host, service, 'ApplyContainer', { intent, containers }, { deadlineMs }));
  },
  decode: (response) => fromResponse(messageCodec<never, ApplyContainerResponse>('reeve.agent.v1.ApplyContainerResponse').decode(response)),
};

function fromResponse(response: ApplyContainerResponse): Applied {
  return {
    changes: response.changes.slice(0, 10_000).map(parseChange),
    digest: response.digest,
    policyDigest: response.policyDigest,
    held: parseHeld(response.held),
    notes: response.notes.slice(0, mostNotes).map((note) => note.slice(0, 1024)),
    settle: (db, hostId, generation) => settleContainers(db, hostId, generation),
  };
}

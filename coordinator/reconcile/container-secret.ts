import type { ContainerServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/ContainerService.js';
import { newId } from '../../shared/kit/id.js';
import { serviceName } from '../../shared/rpc/client.js';
import type { Database } from '../inventory/database.js';
import type { Destination } from './noun.js';

const service = serviceName<ContainerServiceDefinition>('reeve.agent.v1.ContainerService');
const deadlineMs = 30_000;

/** The value of a secret on its way to a host. It is in no text, and overwritten with zeroes when it was passed on. */
export interface PassedSecret {
  /** Of the container. */
  readonly name: string;
  readonly secret: string;
  readonly version: string;
  readonly value: Buffer;
}

/** Values that commands which are under way bring, by host. In memory only. */
const coming = new WeakMap<Database, Map<string, Set<PassedSecret>>>();

/** A host is given these values again right before it is told of their containers, until what is answered is called: what another command told it meanwhile may have made it forget them. */
export function announceSecrets(db: Database, hostId: string, secrets: readonly PassedSecret[]): () => void {
  const hosts = coming.get(db) ?? new Map<string, Set<PassedSecret>>();
  const known = hosts.get(hostId) ?? new Set<PassedSecret>();
  coming.set(db, hosts.set(hostId, known));
  for (const secret of secrets) known.add(secret);
  return () => {
    for (const secret of secrets) known.delete(secret);
    if (known.size === 0 && hosts.get(hostId) === known) hosts.delete(hostId);
  };
}

/** Gives a host the values that are announced for it and that are wanted. Errors: as of sendSecrets. */
export async function sendAnnounced(to: Destination, isWanted: (version: string) => boolean): Promise<void> {
  const announced = [...(coming.get(to.world.db)?.get(to.host.id) ?? [])].filter(({ version }) => isWanted(version));
  if (announced.length === 0) return;
  // Whoever announced them may overwrite them while this waits for the host.
  const copies = announced.map((secret) => ({ ...secret, value: Buffer.from(secret.value) }));
  try {
    await sendSecrets(to, copies);
  } finally {
    for (const { value } of copies) value.fill(0);
  }
}

/** Passes values of secrets on to their host, which keeps them. Repeatable. Errors: HOST_UNREACHABLE, HOST_NOT_JOINED, what the agent says. */
export async function sendSecrets({ world, fleet, host }: Destination, secrets: readonly PassedSecret[]): Promise<void> {
  for (const { name, secret, version, value } of secrets) {
    await fleet.call(host, service, 'PutContainerSecret', { operationId: newId(world.clock.now()), name, secret, version, value }, { deadlineMs });
  }
}

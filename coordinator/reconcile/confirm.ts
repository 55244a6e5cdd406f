import type { X509Certificate } from 'node:crypto';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import type { OperationServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/OperationService.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { serviceName, type Channel } from '../../shared/rpc/client.js';
import { certificateProblem, clientCredentials, keyFingerprint } from '../../shared/rpc/tls.js';
import type { Fleet } from '../fleet/fleet.js';
import type { HostRow } from '../inventory/host.js';
import { getHostKey } from '../inventory/key.js';
import type { World } from '../world.js';
import type { PendingChange } from './guard.js';
import type { Destination } from './noun.js';

const operationService = serviceName<OperationServiceDefinition>('reeve.agent.v1.OperationService');

/** Longest time of one try, and the wait between two, ms. */
const tryMs = { deadline: 10_000, wait: 500 };

/**
 * Confirms a pending change over a connection that is opened for it: that the host can still be reached is what is to be proven. Tries until the deadline.
 * Errors: CONFIRM_REVERTED.
 */
export async function confirmPending(world: World, fleet: Fleet, host: HostRow, pending: PendingChange): Promise<void> {
  const reverted = (reason: string, cause: unknown): ReeveError => reeveError('CONFIRM_REVERTED', { noun: pending.noun, host: host.name, reason }, { cause });
  for (;;) {
    try {
      await confirmOnce(world, fleet, host, pending);
      return;
    } catch (error) {
      if (!(error instanceof ReeveError)) throw error;
      if (error.code === 'CONFIRM_UNKNOWN') throw reverted('it was taken back before it could be confirmed', error);
      if (world.clock.now() + tryMs.wait >= pending.deadlineMs) throw reverted(`the host could not be reached over a new connection: ${error.message}`, error);
      await waitFor(tryMs.wait, new AbortController().signal);
    }
  }
}

/** Confirms over a connection that is opened for it, once. Errors: CONFIRM_UNKNOWN, HOST_UNREACHABLE. */
export async function confirmOnce(world: World, fleet: Fleet, host: HostRow, pending: PendingChange): Promise<void> {
  await overNewConnection({ world, fleet, host }, (channel) => channel.unary(operationService, 'Confirm', { operationId: pending.operationId, noun: pending.noun }, { deadlineMs: tryMs.deadline }));
}

/** Does something over a connection to a host's agent that is opened for it. Errors: HOST_UNREACHABLE, those of `work`. */
export async function overNewConnection<T>({ world, fleet, host }: Destination, work: (channel: Channel) => Promise<T>): Promise<T> {
  const link = fleet.link(host.id);
  if (link.kind === 'none') throw reeveError('HOST_UNREACHABLE', { host: host.name, reason: link.reason });
  const credentials = clientCredentials(world.authority.coordinator(), (certificate) => {
    const problem = peerProblem(world, host, certificate);
    return problem === undefined ? undefined : new Error(`certificate refused: ${problem}`);
  });
  const channel = await link.open(credentials);
  try {
    return await work(channel);
  } finally {
    channel.close();
  }
}

function peerProblem(world: World, host: HostRow, certificate: X509Certificate): string | undefined {
  const uri = formatIdentity({ kind: 'host', fleetId: world.authority.fleetId, hostId: host.id });
  const wrong = certificateProblem(certificate, { uri, usage: 'server', now: world.clock.now() });
  if (wrong !== undefined) return wrong;
  const key = getHostKey(world.db, keyFingerprint(certificate.publicKey));
  return key?.hostId === host.id && (key.state === 'current' || key.state === 'staged') ? undefined : 'its key is not one of this host';
}

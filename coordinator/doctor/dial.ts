import type { X509Certificate } from 'node:crypto';
import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { formatIdentity } from '../../shared/model/identity.js';
import { serviceName } from '../../shared/rpc/client.js';
import { fromTimestamp, toDuration } from '../../shared/rpc/time.js';
import { certificateProblem, clientCredentials } from '../../shared/rpc/tls.js';
import type { Link, NoLink } from '../fleet/link.js';
import type { HostRow } from '../inventory/host.js';
import type { World } from '../world.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** Longest wait for the first event, and for the status after it, ms. */
const answerMs = 12_000;

/** What an agent answered to real calls on a connection of their own. */
export type Dialled =
  | { readonly kind: 'answer'; readonly offsetMs: number; readonly status: AgentStatus | undefined }
  /** It showed its certificate and ended the connection when it saw ours. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'error'; readonly error: ReeveError };

/** Calls an agent over a link with the coordinator's certificate: its clock by the first event of a watch, and its status looked at anew. */
export async function dialAgent(world: World, host: HostRow, link: Link | NoLink, outer: AbortSignal): Promise<Dialled> {
  if (link.kind === 'none') return { kind: 'error', error: reeveError('HOST_UNREACHABLE', { host: host.name, reason: link.reason }) };
  const { authority, clock, epoch } = world;
  const uri = formatIdentity({ kind: 'host', fleetId: authority.fleetId, hostId: host.id });
  let peer: X509Certificate | undefined;
  const credentials = clientCredentials(authority.coordinator(), (certificate) => {
    const problem = certificateProblem(certificate, { uri, usage: 'server', now: clock.now() });
    if (problem !== undefined) return new Error(`certificate refused: ${problem}`);
    peer = certificate;
    return undefined;
  });
  const signal = AbortSignal.any([outer, AbortSignal.timeout(answerMs)]);
  const opened = await link.open(credentials).catch((error: unknown) => { if (error instanceof ReeveError) return error; throw error; });
  if (opened instanceof ReeveError) return { kind: 'error', error: opened };
  const channel = opened;
  const events = channel.stream(statusService, 'Watch', { heartbeatInterval: toDuration(answerMs), epoch }, { signal });
  try {
    const first = await events.next();
    if (first.done === true) return { kind: 'refused' };
    const offsetMs = Math.round((fromTimestamp(first.value.time) ?? clock.now()) - clock.now());
    const fresh = await channel.unary(statusService, 'GetStatus', {}, { deadlineMs: answerMs, signal: outer });
    return { kind: 'answer', offsetMs, status: fresh.status ?? first.value.status ?? undefined };
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return isBroken(error) && peer !== undefined ? { kind: 'refused' } : { kind: 'error', error };
  } finally {
    await events.return(undefined).catch(() => undefined);
    channel.close();
  }
}

/** A TLS 1.3 server that refuses the client's certificate can only close the connection, after it has shown its own. */
function isBroken(error: ReeveError): boolean {
  return error.code === 'HOST_UNREACHABLE' && error.fields['reason'] === 'the connection broke';
}

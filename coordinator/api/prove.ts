import { reeveError } from '../../shared/errors/error.js';
import type { StatusServiceDefinition } from '../../shared/gen/proto/reeve/agent/v1/StatusService.js';
import type { AgentStatus } from '../../shared/gen/proto/reeve/agent/v1/AgentStatus.js';
import { waitFor } from '../../shared/kit/deadline.js';
import { parseInteger } from '../../shared/model/field.js';
import { serviceName } from '../../shared/rpc/client.js';
import { getHost, type HostRow } from '../inventory/host.js';
import type { Office } from '../office.js';

const statusService = serviceName<StatusServiceDefinition>('reeve.agent.v1.StatusService');

/** How often the state of a connection is looked at, ms; the coordinator itself follows connections, this only waits for one of them. */
const lookMs = 50;

/** What a host that was proved answered. */
export interface Proof {
  readonly status: AgentStatus | null;
  readonly roundTripMs: number;
}

/**
 * Waits until a host is connected and makes a real call to its agent over that connection. A host that is not connected is dialled at once, instead of
 * when its turn comes. Errors: HOST_NOT_JOINED, HOST_REVOKED, HOST_UNREACHABLE.
 */
export async function proveHost(office: Office, host: HostRow, options: { waitMs: number; signal: AbortSignal }): Promise<Proof> {
  const { fleet, clock, db } = office;
  const endMs = clock.monotonic() + parseInteger('timeout', options.waitMs, { min: 1_000, max: 50_000 });
  if (host.state === 'joined' && fleet.live(host.id).state !== 'connected') fleet.refresh(host.id);
  for (;;) {
    const now = getHost(db, host.id) ?? host;
    const left = endMs - clock.monotonic();
    if (now.state !== 'joined' || fleet.live(host.id).state === 'connected') {
      const started = clock.monotonic();
      const { status } = await fleet.call(now, statusService, 'GetStatus', {}, { deadlineMs: Math.max(1_000, left), signal: options.signal });
      return { status, roundTripMs: clock.monotonic() - started };
    }
    if (left <= 0 || !(await waitFor(Math.min(lookMs, left), options.signal))) throw reeveError('HOST_UNREACHABLE', { host: now.name, reason: fleet.live(host.id).reason });
  }
}

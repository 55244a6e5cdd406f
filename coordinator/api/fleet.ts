import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import { agentsPort, enrolmentPort, parsePort, parseReachableAddress } from '../../shared/model/host.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { version } from '../../shared/kit/version.js';
import { fieldMissing } from '../../shared/model/field.js';
import { fleetHealth } from '../fleet/health.js';
import { listDrift, listPending } from '../inventory/generation.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import { administersFleet, reads } from './row.js';
import { visibleHosts } from './select.js';

/** Address and ports that agents and operators are told. */
export interface FleetAddress {
  readonly address: string;
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  readonly operatorsPort: number;
}

/** The fleet as a whole, for operators. `init` makes it; it is refused when there is one already. */
export function fleetService(office: () => Office, init: (address: FleetAddress, caller: OperatorCaller) => Promise<Office>): Service<OperatorCaller> {
  return defineService<FleetServiceDefinition, OperatorCaller>('reeve.coordinator.v1.FleetService', {
    InitFleet: {
      ...administersFleet,
      handle: async (request, context) => {
        if (request.address === '') throw fieldMissing('address', 'the host name or IP address that hosts can reach this machine by');
        const made = await init(
          {
            address: parseReachableAddress(request.address),
            agentsPort: parsePort(request.agentsPort === 0 ? agentsPort : request.agentsPort, 'agents port'),
            enrolmentPort: parsePort(request.enrolmentPort === 0 ? enrolmentPort : request.enrolmentPort, 'enrolment port'),
            operatorsPort: parsePort(request.operatorsPort === 0 ? 7423 : request.operatorsPort, 'operators port'),
          },
          context.principal,
        );
        return { fleetId: made.authority.fleetId, pin: made.authority.pin.toString('hex') };
      },
    },
    GetStatus: {
      ...reads,
      handle: (_request, context) => {
        const { db, fleet, authority, startedAtMs } = office();
        const hosts = visibleHosts(db, context.principal);
        const ids = new Set(hosts.map((host) => host.id));
        const counted = (rows: readonly { hostId: string }[]): number => new Set(rows.map((row) => row.hostId).filter((id) => ids.has(id))).size;
        const joined = hosts.filter((host) => host.state === 'joined');
        const connected = joined.filter((host) => fleet.live(host.id).state === 'connected').length;
        return Promise.resolve({
          fleetId: authority.fleetId,
          version,
          startedAt: toTimestamp(startedAtMs),
          hosts: {
            total: hosts.length,
            connected,
            lost: joined.length - connected,
            invited: hosts.filter((host) => host.state === 'invited').length,
            quarantined: hosts.filter((host) => host.state === 'quarantined').length,
            revoked: hosts.filter((host) => host.state === 'revoked').length,
          },
          health: fleetHealth(office(), fleet, hosts).map((item) => ({ ...item, since: toTimestamp(item.since) })),
          pending: counted(listPending(db)),
          drifted: counted(listDrift(db)),
        });
      },
    },
  });
}

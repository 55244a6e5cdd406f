import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import { agentsPort, enrolmentPort, parsePort, parseReachableAddress } from '../../shared/model/host.js';
import { defineService, type Service } from '../../shared/rpc/server.js';
import { toTimestamp } from '../../shared/rpc/time.js';
import { version } from '../../shared/kit/version.js';
import { fieldInvalid, fieldMissing } from '../../shared/model/field.js';
import { reeveError } from '../../shared/errors/error.js';
import type { GetFleetResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetFleetResponse.js';
import { mostAddresses } from '../../shared/model/record.js';
import { formatMovedText } from '../../shared/rpc/signed.js';
import { fleetHealth } from '../fleet/health.js';
import { signedRecords } from '../fleet/record.js';
import { deniedCoordinatorKeys, denyOtherCoordinatorKeys } from '../inventory/coordinator-key.js';
import { getFleet, setAddresses } from '../inventory/fleet.js';
import { listDrift, listPending } from '../inventory/generation.js';
import type { Office } from '../office.js';
import type { OperatorCaller } from './caller.js';
import type { Scoped } from './select.js';
import { audited } from './operator.js';
import { countHosts, fleetOverview } from './overview.js';
import { administersFleet, reads } from './row.js';
import { visibleHosts } from './select.js';

/** Address and ports that agents and operators are told. */
export interface FleetAddress {
  readonly addresses: readonly string[];
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
            addresses: parseAddresses([request.address, ...request.otherAddresses]),
            agentsPort: parsePort(request.agentsPort === 0 ? agentsPort : request.agentsPort, 'agents port'),
            enrolmentPort: parsePort(request.enrolmentPort === 0 ? enrolmentPort : request.enrolmentPort, 'enrolment port'),
            operatorsPort: parsePort(request.operatorsPort === 0 ? 7423 : request.operatorsPort, 'operators port'),
          },
          context.principal,
        );
        return { fleetId: made.authority.fleetId, pin: made.authority.pin.toString('hex') };
      },
    },
    GetFleet: { ...reads, handle: (_request, { principal }) => Promise.resolve(describe(office(), principal)) },
    SetFleet: {
      ...administersFleet,
      handle: (request, { principal }) => {
        const { db, clock } = office();
        const addresses = parseAddresses(request.addresses);
        audited(office(), principal, 'fleet set', JSON.stringify({ addresses }), () => setAddresses(db, addresses, clock.now()));
        const { moved, movedVersion } = signedRecords(office());
        return Promise.resolve({ movedVersion, moved: moved === undefined ? '' : formatMovedText(moved) });
      },
    },
    RekeyFleet: {
      ...administersFleet,
      handle: (_request, { principal }) => {
        const { db, renewCertificate } = office();
        // The new key first: a crash between the two leaves nothing denied that is in use, and the command not answered.
        const inUse = renewCertificate();
        audited(office(), principal, 'fleet rekey', inUse, () => denyOtherCoordinatorKeys(db, inUse));
        return Promise.resolve({ denyListVersion: signedRecords(office()).denyVersion, denied: stillDenied(office()) });
      },
    },
    GetOverview: { ...reads, handle: (request, { principal }) => Promise.resolve(fleetOverview(office(), principal, request)) },
    GetStatus: {
      ...reads,
      handle: (_request, context) => {
        const { db, fleet, authority, startedAtMs } = office();
        const hosts = visibleHosts(db, context.principal);
        const ids = new Set(hosts.map((host) => host.id));
        const counted = (rows: readonly { hostId: string }[]): number => new Set(rows.map((row) => row.hostId).filter((id) => ids.has(id))).size;
        return Promise.resolve({
          fleetId: authority.fleetId,
          version,
          startedAt: toTimestamp(startedAtMs),
          hosts: countHosts(office(), hosts),
          health: fleetHealth(office(), fleet, hosts).map((item) => ({ ...item, since: toTimestamp(item.since) })),
          pending: counted(listPending(db)),
          drifted: counted(listDrift(db)),
        });
      },
    },
  });
}

/** Addresses of the coordinator, in order of preference, each once. Errors: FIELD_MISSING, FIELD_INVALID. */
function parseAddresses(texts: readonly string[]): string[] {
  if (texts.length === 0 || texts[0] === '') throw fieldMissing('address', 'the host name or IP address that hosts can reach this machine by');
  if (texts.length > mostAddresses) throw fieldInvalid('addresses', String(texts.length), `at most ${String(mostAddresses)}`);
  const addresses = texts.map(parseReachableAddress);
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw fieldInvalid('address', twice, 'each address once');
  return addresses;
}

function stillDenied(office: Office): number {
  return deniedCoordinatorKeys(office.db).filter((row) => row.notAfterMs > office.clock.now()).length;
}

function describe(office: Office, caller: Scoped): GetFleetResponseInput {
  const { db, authority, fleet: connections } = office;
  const fleet = getFleet(db);
  if (fleet === undefined) throw reeveError('NOT_INITIALISED', { value: 'this coordinator' });
  const { moved, movedVersion, denyVersion } = signedRecords(office);
  const statuses = visibleHosts(db, caller).map((host) => connections.live(host.id)).filter((live) => live.state === 'connected').map((live) => live.status);
  return {
    fleetId: authority.fleetId,
    addresses: [...fleet.addresses],
    agentsPort: fleet.agentsPort,
    enrolmentPort: fleet.enrolmentPort,
    operatorsPort: fleet.operatorsPort,
    epoch: fleet.epoch,
    pin: authority.pin.toString('hex'),
    movedVersion,
    moved: moved === undefined ? '' : formatMovedText(moved),
    denyListVersion: denyVersion,
    denied: stillDenied(office),
    certificateNotAfter: toTimestamp(authority.coordinatorValidity().toMs),
    connected: statuses.length,
    movedKnown: statuses.filter((status) => (status?.movedVersion ?? 0) >= movedVersion).length,
    denyListKnown: statuses.filter((status) => (status?.denyListVersion ?? 0) >= denyVersion).length,
  };
}

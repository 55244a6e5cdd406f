import { formatEndpoint } from '../../shared/model/host.js';
import { getFleet } from '../inventory/fleet.js';
import type { Office } from '../office.js';

/** Where the coordinator's three network doors are, `ADDRESS:PORT`, in order of preference. */
export interface Reachable {
  readonly agentsApi: string[];
  readonly enrolment: string[];
  readonly operatorsApi: string[];
}

/** Where agents and operators on other machines reach the coordinator. */
export function reachable(office: Pick<Office, 'db'>): Reachable {
  const fleet = getFleet(office.db);
  if (fleet === undefined) return { agentsApi: [], enrolment: [], operatorsApi: [] };
  const at = (port: number): string[] => [formatEndpoint({ address: fleet.address, port })];
  return { agentsApi: at(fleet.agentsPort), enrolment: at(fleet.enrolmentPort), operatorsApi: at(fleet.operatorsPort) };
}

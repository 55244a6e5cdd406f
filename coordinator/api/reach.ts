import { agentsPort, enrolmentPort, formatEndpoint } from '../../shared/model/host.js';
import { getFleet } from '../inventory/fleet.js';
import { getHost, type HostRow } from '../inventory/host.js';
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
  const at = (port: number): string[] => fleet.addresses.map((address) => formatEndpoint({ address, port }));
  return { agentsApi: at(fleet.agentsPort), enrolment: at(fleet.enrolmentPort), operatorsApi: at(fleet.operatorsPort) };
}

/**
 * Where the agent of a host reaches the coordinator: as everybody, and before that through its parent, when that is its link and the parent listens for its children
 * (it does so on the well-known ports).
 */
export function reachableFrom(office: Pick<Office, 'db'>, host: Pick<HostRow, 'link' | 'parentId'> | undefined): Pick<Reachable, 'agentsApi' | 'enrolment'> {
  const { agentsApi, enrolment } = reachable(office);
  const relay = host?.link === 'parent' && host.parentId !== undefined ? getHost(office.db, host.parentId)?.relayAddress : undefined;
  if (relay === undefined) return { agentsApi, enrolment };
  const at = (port: number): string => formatEndpoint({ address: relay, port });
  return { agentsApi: [at(agentsPort), ...agentsApi], enrolment: [at(enrolmentPort), ...enrolment] };
}

import { isIpv4, isIpv6 } from '../../shared/model/host.js';
import type { Live } from '../fleet/live.js';
import type { HostRow } from '../inventory/host.js';

/** Most addresses of a host that are tried. */
const mostAddresses = 8;

/** Addresses that lead nowhere from another machine: of the machine itself, and of one cable. */
function isNear(address: string): boolean {
  return /^(?:127\.|169\.254\.|0\.)/.test(address) || /^(?:::1?$|fe[89ab][0-9a-f]:)/i.test(address);
}

/** Where another host may reach this one, best first: where the coordinator does, then what the host itself knows. */
export function addressesOf({ endpoint, link }: Pick<HostRow, 'endpoint' | 'link'>, { facts }: Pick<Live, 'facts'>): readonly string[] {
  // A name means what the coordinator's own resolver says: another host may know it as something else.
  const told = endpoint !== undefined && link !== 'dial-out' && (isIpv4(endpoint.address) || isIpv6(endpoint.address)) ? [endpoint.address] : [];
  const own = (facts?.facts.addresses ?? []).map(({ address }) => address).filter((address) => !isNear(address));
  return [...new Set([...told, ...own])].slice(0, mostAddresses);
}

import { formatNetwork } from '../../../shared/model/network.js';
import { addressValue, formatAddress, holds, prefixRange } from './address.js';

/** What the kernel knows of a host's interfaces and routes. */
export interface HostNetwork {
  readonly interfaces: readonly {
    readonly name: string;
    readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  }[];
  readonly routes: readonly {
    readonly family: 4 | 6;
    /** Address; with prefix 0 the default route. */
    readonly destination: string;
    readonly prefix: number;
    readonly interface: string;
    /** undefined: the destination is on the link itself. */
    readonly gateway: string | undefined;
  }[];
}

/** Canonical ADDRESS/PREFIX of the smallest network of an interface that holds `address`; undefined: none does. */
export function connectedNetwork(network: HostNetwork, address: string): string | undefined {
  const all = network.interfaces.flatMap(({ addresses }) => addresses).filter((own) => own.prefix > 0 && holds(own.address, own.prefix, address));
  const own = longest(all);
  const range = own === undefined ? undefined : prefixRange(own.address, own.prefix);
  if (own === undefined || range === undefined) return undefined;
  return formatNetwork({ address: formatAddress({ family: range.family, value: range.first }), prefix: own.prefix });
}

/** The interface a packet for `address` leaves through: longest prefix of routes, then of the interfaces' own networks. A local address leaves through `lo`. undefined: no route. */
export function interfaceTo(network: HostNetwork, address: string): string | undefined {
  if (isLocal(network, address)) return 'lo';
  const routes = network.routes.filter(({ destination, prefix }) => holds(destination, prefix, address)).map((route) => ({ prefix: route.prefix, name: route.interface }));
  const links = network.interfaces.flatMap(({ name, addresses }) => addresses.filter((own) => holds(own.address, own.prefix, address)).map(({ prefix }) => ({ prefix, name })));
  return longest([...routes, ...links])?.name;
}

/** Whether an address is one of the host's own, loopback with it. */
export function isLocal(network: HostNetwork, address: string): boolean {
  const wanted = addressValue(address);
  if (wanted === undefined) return false;
  if (holds('127.0.0.0', 8, address) || (wanted.family === 6 && wanted.value === 1n)) return true;
  return network.interfaces.some(({ addresses }) => addresses.some((own) => {
    const value = addressValue(own.address);
    return value?.family === wanted.family && value.value === wanted.value;
  }));
}

function longest<T extends { readonly prefix: number }>(all: readonly T[]): T | undefined {
  return all.reduce<T | undefined>((best, one) => (best === undefined || one.prefix > best.prefix ? one : best), undefined);
}

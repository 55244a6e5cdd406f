import type { NatForward } from '../../../shared/model/nat.js';
import { familyOf } from '../../../shared/model/nat.js';
import { addressValue, formatAddress, prefixRange } from './address.js';
import { interfaceTo, type HostNetwork } from './network.js';
import type { Edges, Range } from './ruleset.js';

/** Most values of one kind that are tried. */
const most = { ports: 32, sources: 24, addresses: 16 } as const;

/** The lowest number of each part that the edges cut `within` into; undefined: too many. */
function pointsOf(within: Range, edges: readonly Range[], limit: number): readonly bigint[] | undefined {
  const points = new Set<bigint>([within.first]);
  for (const { first, last } of edges) {
    for (const point of [first, last + 1n]) if (within.first < point && point <= within.last) points.add(point);
    if (points.size > limit) return undefined;
  }
  return [...points];
}

/** Ports of a forward to try. Where there are too many kinds: the first and the last. */
export function portsToTry({ ports }: NatForward, edges: Edges): readonly number[] {
  const points = pointsOf({ first: BigInt(ports.first), last: BigInt(ports.last) }, edges.ports, most.ports);
  return points?.map(Number) ?? [ports.first, ports.last];
}

/** Sources to try, for packets through `iif` only those that are out there; undefined as an element: any at all, when there are too many kinds. */
export function sourcesToTry(forward: NatForward, edges: Edges, network: HostNetwork, iif: string | undefined): readonly (string | undefined)[] {
  const family = familyOf(forward.to);
  const networks = (forward.sources.length === 0 ? [family === 4 ? '0.0.0.0/0' : '::/0'] : forward.sources).map((text) => {
    const [address = '', prefix] = text.split('/');
    return prefixRange(address, prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix));
  });
  const points = networks.flatMap((range) => (range === undefined ? [] : pointsOf(range, edges.sources, most.sources)));
  const known = points.flatMap((point) => (point === undefined ? [] : [formatAddress({ family, value: point })]));
  if (known.length !== points.length || known.length > most.sources) return [undefined];
  // Without a default route nothing but the neighbours may be out there.
  const neighbours = network.interfaces.filter(({ name }) => name === iif).flatMap(({ addresses }) => addresses).flatMap(({ address, prefix }) => {
    const range = familyOf(address) === family && !address.startsWith('fe80:') ? prefixRange(address, prefix) : undefined;
    return range === undefined || range.last <= range.first ? [] : [formatAddress({ family, value: range.last - 1n })];
  });
  const near = neighbours.filter((one) => networks.some((range) => range !== undefined && holdsPoint(range, one)));
  const outside = [...new Set([...known, ...near])].filter((source) => iif === undefined || interfaceTo(network, source) === iif);
  return outside.length === 0 ? known : outside;
}

function holdsPoint(range: Range, address: string): boolean {
  const value = addressValue(address)?.value;
  return value !== undefined && range.first <= value && value <= range.last;
}

/** Addresses of the host that a packet of a forward may be for. `iif` undefined: those of all interfaces. */
export function addressesToTry({ listen, to }: NatForward, network: HostNetwork, iif: string | undefined): readonly string[] {
  if (listen.kind === 'address') return [listen.address];
  const family = familyOf(to);
  const of = (names: (name: string) => boolean): readonly string[] => network.interfaces.filter(({ name }) => name !== 'lo' && names(name))
    .flatMap(({ addresses }) => addresses.map(({ address }) => address).filter((address) => familyOf(address) === family && !address.startsWith('fe80:')));
  const here = iif === undefined ? [] : of((name) => name === iif);
  return (here.length === 0 ? of(() => true) : here).slice(0, most.addresses);
}

/** Interfaces that those come in through whom a forward is for: the one it names, that of its address, or those with a default route; without one, all but that to the destination. */
export function outsideOf({ listen, to }: NatForward, network: HostNetwork): readonly (string | undefined)[] {
  if (listen.kind === 'interface') return [listen.name];
  const own = network.interfaces.filter(({ addresses }) => listen.kind === 'address' && addresses.some(({ address }) => address === listen.address)).map(({ name }) => name);
  if (own.length > 0) return own;
  const routes = network.routes.filter(({ family, prefix }) => family === familyOf(to) && prefix === 0).map((route) => route.interface);
  if (routes.length > 0) return [...new Set(routes)];
  const inward = interfaceTo(network, to);
  const others = network.interfaces.map(({ name }) => name).filter((name) => name !== 'lo' && name !== inward);
  return others.length > 0 ? others : [undefined];
}

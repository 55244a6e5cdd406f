import type { ErrorItem } from '../../shared/errors/error.js';
import type { ContainerSpec } from '../../shared/model/container.js';
import { addressValue, formatAddress, prefixRange, type AddressValue } from '../nat/foreign/address.js';
import type { HostNetwork } from '../nat/foreign/network.js';

/** An address that is in use, and by whom. */
export interface TakenAddress {
  readonly address: string;
  /** For people: `container "db"`. */
  readonly owner: string;
}

/** Most addresses that are looked at for one that is free. */
const mostTried = 65_536;

/** Why a container cannot have its address on its bridge; undefined: it can. */
export function addressProblem(spec: ContainerSpec, place: { readonly network: HostNetwork; readonly taken: readonly TakenAddress[]; readonly hostName: string }): ErrorItem | undefined {
  const { bridge, address: cidr } = spec;
  if (bridge === '') return undefined;
  const problem = (rule: string, remedy: string): ErrorItem => ({ code: 'CONTAINER_ADDRESS', fields: { host: place.hostName, value: cidr === '' ? 'DHCP' : cidr, rule, remedy } });
  const found = place.network.interfaces.find(({ name }) => name === bridge);
  if (found === undefined) return problem(`it has no interface "${bridge}"`, 'Name another bridge, or make this one on the host.');
  if (cidr === '') return undefined;
  const [address = '', bits = ''] = cidr.split('/');
  const wanted = addressValue(address);
  if (wanted === undefined) return undefined;
  const networks = found.addresses.filter((own) => addressValue(own.address)?.family === wanted.family && !own.address.startsWith('fe80:'));
  // A bridge without an address of its own says nothing of what is on it.
  if (networks.length > 0 && !networks.some((own) => own.prefix === Number(bits) && inside(own, wanted))) {
    return problem(`it is not in a network of "${bridge}", which has ${networks.map(networkOf).join(', ')}`, 'Name an address of that network.');
  }
  const owns = found.addresses.map((own): TakenAddress => ({ address: own.address, owner: `the host itself (on "${bridge}")` }));
  const all = [...owns, ...place.taken];
  const free = (): string => offer(freeAddress(cidr, all));
  if (isEdge(wanted, Number(bits))) return problem('it names the network itself, or all of it', free());
  const owner = all.find((other) => isSame(other.address, wanted))?.owner;
  return owner === undefined ? undefined : problem(`${owner} has it`, free());
}

/** The next address of a network after this one, and then from its beginning, that nobody has, with its prefix; undefined: none. */
export function freeAddress(cidr: string, taken: readonly TakenAddress[]): string | undefined {
  const [address = '', bits = ''] = cidr.split('/');
  const start = addressValue(address);
  const range = prefixRange(address, Number(bits));
  if (start === undefined || range === undefined) return undefined;
  const used = new Set(taken.flatMap((one) => {
    const value = addressValue(one.address.split('/')[0] ?? '');
    return value?.family === range.family ? [value.value] : [];
  }));
  const size = range.last - range.first + 1n;
  for (let step = 1n; step < size && step <= BigInt(mostTried); step += 1n) {
    const value = range.first + ((start.value - range.first + step) % size);
    if (used.has(value) || isEdge({ family: range.family, value }, Number(bits))) continue;
    return `${formatAddress({ family: range.family, value })}/${bits}`;
  }
  return undefined;
}

function offer(free: string | undefined): string {
  return free === undefined ? 'No address of that network is free.' : `${free} is free.`;
}

function inside(own: { readonly address: string; readonly prefix: number }, { value }: AddressValue): boolean {
  const range = prefixRange(own.address, own.prefix);
  return range !== undefined && range.first <= value && value <= range.last;
}

/** First and last address of a network: its own, and that of all (RFC 919). With 31 bits and more there are none (RFC 3021); IPv6 has only the first (RFC 4291 2.6.1). */
function isEdge({ family, value }: AddressValue, bits: number): boolean {
  const range = prefixRange(formatAddress({ family, value }), bits);
  if (range === undefined || bits >= (family === 4 ? 31 : 127)) return false;
  return value === range.first || (family === 4 && value === range.last);
}

function isSame(address: string, { family, value }: AddressValue): boolean {
  const other = addressValue(address.split('/')[0] ?? '');
  return other?.family === family && other.value === value;
}

function networkOf({ address, prefix }: { readonly address: string; readonly prefix: number }): string {
  const range = prefixRange(address, prefix);
  return range === undefined ? `${address}/${String(prefix)}` : `${formatAddress({ family: range.family, value: range.first })}/${String(prefix)}`;
}

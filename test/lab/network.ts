import { executeOk } from './process.js';

/** The lab's own address in its namespace: reeved, curl, ssh and browsers of a test are seen by the hosts as this. */
export const LAB_ADDRESS = '198.18.0.1';
export const PREFIX_LENGTH = 15;

/** Makes the lab's network namespace: loopback and a bridge, no way out. */
export async function createNetwork(netns: string): Promise<void> {
  await executeOk(['ip', 'netns', 'add', netns]);
  const ip = (...args: string[]): Promise<string> => executeOk(['ip', '-n', netns, ...args]);
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
  await ip('address', 'add', `${LAB_ADDRESS}/${String(PREFIX_LENGTH)}`, 'dev', 'br0');
  await ip('link', 'set', 'br0', 'up');
}

/** Makes one more bridge, on which nobody is yet and which leads nowhere. */
export async function createBridge(netns: string, name: string): Promise<void> {
  await executeOk(['ip', '-n', netns, 'link', 'add', name, 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0']);
  await executeOk(['ip', '-n', netns, 'link', 'set', name, 'up']);
}

/** The n-th host's address: 198.18.1.1, 198.18.1.2, ... */
export function addressOfIndex(n: number): string {
  return `198.18.${String(1 + Math.floor(n / 250))}.${String(1 + (n % 250))}`;
}

/** Refuses what is not an address of 198.18.0.0/15, the range reserved for benchmarks (RFC 2544): nothing of a lab may meet a real network. */
export function requireLabAddress(address: string): void {
  const parts = address.split('.').map(Number);
  const [a, b] = parts;
  const valid = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255);
  if (!valid || a !== 198 || (b !== 18 && b !== 19)) throw new Error(`Host address ${JSON.stringify(address)} must lie in 198.18.0.0/15`);
  if (address === LAB_ADDRESS) throw new Error(`Host address ${address} is the lab's own`);
}

/** What a host has besides its own address. */
export interface LabNetwork {
  /** Length of the prefix of its own address; default 15, all of the lab. */
  readonly prefix?: number;
  readonly gateway?: string;
  /** IPv6 address with its prefix. */
  readonly address6?: string;
  readonly gateway6?: string;
}

/** One more interface of a host, for as long as the host is there. */
export interface LabPort {
  readonly bridge: string;
  /** Its name in the host. */
  readonly name: string;
  /** With its prefix. */
  readonly address: string;
  readonly address6?: string;
}

/** The systemd-networkd file that gives a host its address. */
export function renderNetworkFile(address: string, network: LabNetwork = {}): string {
  const addresses = [`${address}/${String(network.prefix ?? PREFIX_LENGTH)}`, ...(network.address6 === undefined ? [] : [network.address6])];
  return renderInterface('host0', addresses, [network.gateway, network.gateway6].filter((gateway) => gateway !== undefined));
}

/** The systemd-networkd file of one more interface. */
export function renderPortFile(port: LabPort): string {
  return renderInterface(port.name, [port.address, ...(port.address6 === undefined ? [] : [port.address6])], []);
}

/** IPv6 addresses serve at once: nobody in a lab has one twice. */
function renderInterface(name: string, addresses: readonly string[], gateways: readonly string[]): string {
  const has6 = addresses.some((address) => address.includes(':'));
  return [
    `[Match]\nName=${name}\n\n[Network]\nLinkLocalAddressing=${has6 ? 'ipv6' : 'no'}\nIPv6AcceptRA=no\n`,
    ...gateways.map((gateway) => `Gateway=${gateway}\n`),
    ...addresses.map((address) => `\n[Address]\nAddress=${address}\n${address.includes(':') ? 'DuplicateAddressDetection=none\n' : ''}`),
  ].join('');
}

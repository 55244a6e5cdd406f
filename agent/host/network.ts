import { constants, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { bootFilePaths, type BootFile } from '../nat/foreign/adopt.js';
import type { HostNetwork } from '../nat/foreign/network.js';
import { readText } from './facts.js';
import { readCapped } from './file.js';

/** Most of a file that may hold rules for the next start, bytes, and most files. */
const boot = { bytes: 256 * 1024, files: 400 };

/** Interfaces with their addresses, and routes, from /proc/net: the agent's sandbox has no netlink. */
export function readNetwork(): HostNetwork {
  return parseNetworkFiles({ dev: readText('/proc/net/dev'), fibTrie: readText('/proc/net/fib_trie'), route: readText('/proc/net/route'), ifInet6: readText('/proc/net/if_inet6'), ipv6Route: readText('/proc/net/ipv6_route') });
}

/** What those files say (proc(5)). An IPv4 address belongs to the interface of the most specific route without a gateway that it is in. */
export function parseNetworkFiles(texts: { dev: string; fibTrie: string; route: string; ifInet6: string; ipv6Route: string }): HostNetwork {
  const names = texts.dev.split('\n').flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
  const routes4 = texts.route.split('\n').slice(1).flatMap(parseRoute4);
  const linked = routes4.filter(({ gateway, prefix }) => gateway === undefined && prefix > 0).sort((a, b) => b.prefix - a.prefix);
  // A /32 of a provider has no route of its own, and which interface it is on no file tells.
  const unrouted = routes4.find(({ prefix }) => prefix === 0)?.interface ?? 'lo';
  const local = [...new Set([...texts.fibTrie.matchAll(/\|-- ([0-9.]+)\n\s+\/32 host LOCAL/g)].map((match) => match[1] ?? ''))].filter((address) => !address.startsWith('127.'));
  const addresses = [
    ...local.map((address) => {
      const route = linked.find(({ destination, prefix }) => network4(address, prefix) === network4(destination, prefix));
      return { name: route?.interface ?? unrouted, address, prefix: route?.prefix ?? 32 };
    }),
    ...texts.ifInet6.split('\n').flatMap((line) => {
      const [digits = '', , prefix = '', , , name = ''] = line.trim().split(/\s+/);
      return /^[0-9a-f]{32}$/.test(digits) && name !== 'lo' ? [{ name, address: address6(digits), prefix: parseInt(prefix, 16) }] : [];
    }),
  ];
  return {
    interfaces: [...new Set([...names, ...addresses.map(({ name }) => name)])].map((name) => ({ name, addresses: addresses.filter((own) => own.name === name).map(({ address, prefix }) => ({ address, prefix })) })),
    routes: [...routes4, ...texts.ipv6Route.split('\n').flatMap(parseRoute6)],
  };
}

type Route = HostNetwork['routes'][number];

function parseRoute4(line: string): Route[] {
  const [name, destination = '', gateway = '', , , , , mask = ''] = line.split('\t').map((part) => part.trim());
  if (name === undefined || name === '' || !/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return [];
  const bits = (parseInt(mask, 16) >>> 0).toString(2).replaceAll('0', '').length;
  return [{ family: 4, destination: address4(destination), prefix: bits, interface: name, gateway: gateway === '00000000' ? undefined : address4(gateway) }];
}

function parseRoute6(line: string): Route[] {
  const [destination = '', prefix = '', , , gateway = '', , , , flags = '', name = ''] = line.trim().split(/\s+/);
  // 0x200: a route that refuses (RTF_REJECT).
  if (!/^[0-9a-f]{32}$/.test(destination) || name === '' || name === 'lo' || (parseInt(flags, 16) & 0x200) !== 0) return [];
  return [{ family: 6, destination: address6(destination), prefix: parseInt(prefix, 16), interface: name, gateway: /^0+$/.test(gateway) ? undefined : address6(gateway) }];
}

/** Eight hexadecimal digits of the kernel's tables: the bytes of an address, last one first. */
function address4(digits: string): string {
  return (digits.match(/../g) ?? []).reverse().map((byte) => String(parseInt(byte, 16))).join('.');
}

function address6(digits: string): string {
  return new URL(`http://[${(digits.match(/.{4}/g) ?? []).join(':')}]`).hostname.slice(1, -1);
}

function network4(address: string, prefix: number): number {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return prefix === 0 ? 0 : Math.floor(value / 2 ** (32 - prefix));
}

/** A default route that came by a router advertisement (RTF_DEFAULT and RTF_ADDRCONF, linux/ipv6_route.h). */
const advertised = 0x00010000 | 0x00040000;

/** Interfaces whose default route came by a router advertisement, and which take none any more once the host forwards (accept_ra 1, ip-sysctl of Linux). */
export function readAdvertised(): readonly string[] {
  return parseAdvertised(readText('/proc/net/ipv6_route')).filter((name) => readText(`/proc/sys/net/ipv6/conf/${name}/accept_ra`).trim() === '1');
}

/** The interfaces of default routes in /proc/net/ipv6_route that came by a router advertisement. */
export function parseAdvertised(ipv6Route: string): readonly string[] {
  const names = ipv6Route.split('\n').flatMap((line) => {
    const [, , , , , , , , flags = '', name = ''] = line.trim().split(/\s+/);
    return /^[a-z0-9][a-zA-Z0-9._-]*$/.test(name) && (parseInt(flags, 16) & advertised) === advertised ? [name] : [];
  });
  return [...new Set(names)];
}

/** The files that may hold rules of a packet filter for the next start, as far as the agent may read them. */
export function readBootFiles(): readonly BootFile[] {
  const files: BootFile[] = [];
  for (const path of bootFilePaths) for (const file of path.endsWith('/') ? filesIn(path) : [path]) if (files.length < boot.files) files.push(...readBoot(file));
  return files;
}

function readBoot(path: string): BootFile[] {
  try {
    const file = readCapped(path, boot.bytes, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (file?.regular === false) return [];
    return file === undefined ? [{ path, text: undefined }] : [{ path, text: file.bytes.toString('utf8') }];
  } catch (error) {
    return isAbsent(error) ? [] : [{ path, text: undefined }];
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name)).sort();
  } catch {
    return [];
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** Opens a TCP connection and closes it again. */
export function checkReach(address: string, port: number, timeoutMs: number): Promise<'' | 'refused' | 'no answer in time' | 'no route'> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const timer = setTimeout(() => done('no answer in time'), timeoutMs);
    const done = (answer: '' | 'refused' | 'no answer in time' | 'no route'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => done(''));
    socket.once('error', (error: Error & { code?: string }) => done(error.code === 'ECONNREFUSED' ? 'refused' : error.code === 'ETIMEDOUT' ? 'no answer in time' : 'no route'));
  });
}

import { readFileSync } from 'node:fs';
import { formatAddress } from '../nat/foreign/address.js';
import type { ListeningSocket } from './host.js';

/** States LISTEN in /proc/net/tcp, and of an unconnected socket in /proc/net/udp (proc(5), include/net/tcp_states.h). */
const listenState = '0A';
const unconnectedState = '07';

/** Uids of the accounts whose programs listen on a TCP port of this host, on any address. */
export function listeningUids(port: number): readonly number[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => {
    try {
      return parseListening(readFileSync(path, 'utf8'), port);
    } catch {
      return [];
    }
  });
}

/** TCP ports on which programs of these accounts listen, on any address. */
export function listeningPorts(uids: readonly number[]): readonly number[] {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => {
    try {
      return parseSockets(readFileSync(path, 'utf8'));
    } catch {
      return [];
    }
  });
  return [...new Set(lines.filter(({ uid }) => uids.includes(uid)).map(({ port }) => port))].sort((a, b) => a - b);
}

/** All sockets that programs of the host listen with. */
export function listeningSockets(): readonly ListeningSocket[] {
  return (['tcp', 'tcp6', 'udp', 'udp6'] as const).flatMap((file) => {
    try {
      return parseListeningSockets(file.startsWith('tcp') ? 'tcp' : 'udp', readFileSync(`/proc/net/${file}`, 'utf8'));
    } catch {
      return [];
    }
  });
}

/** The listening sockets of a file of /proc/net, with their addresses. */
export function parseListeningSockets(protocol: 'tcp' | 'udp', text: string): readonly ListeningSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const [hex = '', portHex = ''] = columns[1]?.split(':') ?? [];
      const port = parseInt(portHex, 16);
      if (columns[3] !== (protocol === 'tcp' ? listenState : unconnectedState) || !(port > 0) || !/^(?:[0-9A-F]{8}|[0-9A-F]{32})$/.test(hex)) return [];
      return [{ protocol, address: parseProcAddress(hex), port }];
    });
}

/** An address of /proc/net: words of 32 bits, each with its bytes backwards. */
function parseProcAddress(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => (word.match(/../g) ?? []).reverse().join(''));
  const value = BigInt(`0x${words.join('')}`);
  return formatAddress({ family: hex.length === 8 ? 4 : 6, value });
}

/** Uids of listening sockets of a port, from the lines of /proc/net/tcp: slot, local address:port, remote, state, queues, timer, retransmits, uid. */
export function parseListening(text: string, port: number): readonly number[] {
  return parseSockets(text).filter((socket) => socket.port === port).map(({ uid }) => uid);
}

/** The listening sockets. */
function parseSockets(text: string): readonly { readonly port: number; readonly uid: number }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const uid = Number(columns[7]);
      const port = parseInt(columns[1]?.split(':')[1] ?? '', 16);
      return columns[3] === listenState && port > 0 && Number.isInteger(uid) ? [{ port, uid }] : [];
    });
}

import { readFileSync } from 'node:fs';

/** State LISTEN in /proc/net/tcp (proc(5), include/net/tcp_states.h). */
const listenState = '0A';

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

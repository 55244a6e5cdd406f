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

/** Uids of listening sockets of a port, from the lines of /proc/net/tcp: slot, local address:port, remote, state, queues, timer, retransmits, uid. */
export function parseListening(text: string, port: number): readonly number[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      const uid = Number(columns[7]);
      return columns[3] === listenState && columns[1]?.split(':')[1] === wanted && Number.isInteger(uid) ? [uid] : [];
    });
}

import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../../shared/kit/log.js';
import { ReeveError } from '../../shared/errors/error.js';
import { agentsPort, enrolmentPort } from '../../shared/model/host.js';
import { parseReachableEndpoint } from '../../shared/model/join-token.js';
import { joinConnections } from '../../shared/rpc/bytes.js';
import { dialFirst } from './dial.js';
import type { Relay } from './relay.js';

/** Longest silence of a connection, ms: the agent's and the coordinator's keepalive is 30 s. */
const idleMs = 180_000;

/** How long until an address that cannot be listened on is tried again, ms: its interface may come up later. */
const againMs = 5_000;

/** What listening for children needs. */
export interface RelayListenOptions {
  readonly address: string;
  readonly relay: Relay;
  /** Where the coordinator's agents' API and enrolment are now, `ADDRESS:PORT` in order of preference. */
  readonly upstream: () => { readonly agentsApi: readonly string[]; readonly enrolment: readonly string[] };
  readonly log: Logger;
}

/** Passes connections of this host's children on to the coordinator, as they are; nobody else is let in. Close it. */
export function listenForChildren(options: RelayListenOptions): { close(): void } {
  const { address, relay, log } = options;
  const problems = new Map<number, string>();
  const sockets = new Set<Socket>();
  const servers = new Map<number, Server>();
  const timers = new Set<NodeJS.Timeout>();
  let closed = false;
  const tell = (): void => relay.listening({ address, problem: [...problems].map(([port, text]) => `port ${String(port)}: ${text}`).join(', ') });

  const accept = (socket: Socket, endpoints: readonly string[]): void => {
    socket.on('error', () => socket.destroy());
    const child = relay.childAt((socket.remoteAddress ?? '').replace(/^::ffff:/, ''));
    if (child === undefined) {
      relay.refused();
      socket.destroy();
      return;
    }
    let release: () => void;
    try {
      release = relay.connections.take(child.hostId);
    } catch {
      relay.refused();
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.setTimeout(idleMs, () => socket.destroy());
    const pass = async (): Promise<void> => {
      const onward = await dialFirst(endpoints.map((text) => parseReachableEndpoint(text)));
      if (socket.destroyed) onward.destroy();
      await joinConnections(socket, onward);
    };
    pass()
      .catch((error: unknown) => log.warn({ child: child.name, code: error instanceof ReeveError ? error.code : 'INTERNAL', err: error }, 'a child cannot be passed on to the coordinator'))
      .finally(() => {
        socket.destroy();
        sockets.delete(socket);
        release();
      });
  };
  const open = (port: number, endpoints: () => readonly string[]): void => {
    if (closed) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) => accept(socket, endpoints()));
    servers.set(port, server);
    server.on('error', (error) => {
      problems.set(port, 'code' in error ? String(error.code) : error.message);
      log.warn({ address, port, err: error }, 'the address for children cannot be listened on; it is tried again');
      tell();
      const timer = setTimeout(() => {
        timers.delete(timer);
        open(port, endpoints);
      }, againMs);
      timers.add(timer);
    });
    server.listen({ host: address, port }, () => {
      problems.delete(port);
      tell();
    });
  };
  tell();
  open(agentsPort, () => options.upstream().agentsApi);
  open(enrolmentPort, () => options.upstream().enrolment);
  return {
    close() {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      for (const server of servers.values()) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

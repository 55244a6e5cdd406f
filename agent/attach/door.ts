import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { joinConnections } from '../../shared/rpc/bytes.js';

/** How long a connection to the door waits to be known as ours, ms. */
const knownMs = 2_000;

/**
 * The way of virtual connections into the agent's own server: each becomes a connection to a listener on loopback, because the server takes real sockets only.
 * Nobody but this process gets in: a connection is known by the port that we dialled from.
 */
export interface Door {
  /** For the listener: resolves when a socket is ours, rejects when it is not. */
  prepare(socket: Socket): Promise<void>;
  /** Leads a virtual connection to the listener. Resolves when it has ended. */
  enter(connection: Duplex, listener: AddressInfo): Promise<void>;
}

/** A new door. */
export function createDoor(): Door {
  const ours = new Set<number>();
  const asking = new Map<number, () => void>();
  return {
    prepare: (socket) =>
      new Promise((resolve, reject) => {
        const port = socket.remotePort ?? 0;
        if (ours.delete(port)) {
          resolve();
          return;
        }
        const timer = setTimeout(() => {
          asking.delete(port);
          reject(new Error('a connection from elsewhere'));
        }, knownMs);
        asking.set(port, () => {
          clearTimeout(timer);
          asking.delete(port);
          resolve();
        });
      }),
    async enter(connection, listener) {
      const socket = connect({ host: listener.address, port: listener.port, allowHalfOpen: true, noDelay: true });
      socket.once('connect', () => {
        const port = socket.localPort ?? 0;
        const known = asking.get(port);
        if (known !== undefined) {
          known();
          return;
        }
        ours.add(port);
        socket.once('close', () => ours.delete(port));
      });
      await joinConnections(connection, socket);
    },
  };
}

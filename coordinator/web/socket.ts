import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Open sockets. */
export interface SocketLimits {
  readonly total: number;
  /** Of one address; undefined: a proxy is in front, and all come from it. */
  readonly perAddress: number | undefined;
}

interface Open {
  readonly socket: Socket;
  readonly address: string;
  /** Requests that were read and are being answered. */
  active: number;
  /** Requests that were answered. */
  done: number;
}

/**
 * Bounds the sockets of a server (R111). When all places are taken, the one that is open longest without having completed a request gives way to the new one, then the one
 * that only waits for another request: who says nothing keeps nobody out.
 */
export function limitSockets(server: Server, limits: SocketLimits): void {
  const sockets = new Map<string, Open>();
  let count = 0;

  const makeRoom = (within: (open: Open) => boolean): boolean => {
    const idle = [...sockets].filter(([, open]) => open.active === 0 && within(open));
    const victim = idle.find(([, open]) => open.done === 0) ?? idle[0];
    if (victim === undefined) return false;
    sockets.delete(victim[0]);
    victim[1].socket.destroy();
    return true;
  };

  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? 'local';
    const ofAddress = (open: Open): boolean => open.address === address;
    const crowded = limits.perAddress !== undefined && [...sockets.values()].filter(ofAddress).length >= limits.perAddress;
    if ((crowded && !makeRoom(ofAddress)) || (sockets.size >= limits.total && !makeRoom(() => true))) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket) ?? `local ${String((count += 1))}`;
    if (keyOf(socket) === undefined) localKeys.set(socket, key);
    const open = { socket, address, active: 0, done: 0 };
    sockets.set(key, open);
    socket.once('close', () => {
      if (sockets.get(key) === open) sockets.delete(key);
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const open = sockets.get(keyOf(request.socket) ?? localKeys.get(request.socket) ?? '');
    if (open === undefined) return;
    open.active += 1;
    response.once('close', () => {
      open.active -= 1;
      open.done += 1;
    });
  });
}

/** Names of sockets that have no address. */
const localKeys = new WeakMap<Socket, string>();

/** Names a connection: the one that TLS makes of a socket has the same addresses. */
function keyOf(socket: Socket): string | undefined {
  return socket.remotePort === undefined ? undefined : `${socket.remoteAddress ?? ''} ${String(socket.remotePort)}`;
}

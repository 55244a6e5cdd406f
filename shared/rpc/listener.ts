import { createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';

/** Bounds of a listener before anybody has said who they are. */
export interface ListenerLimits {
  /** Open sockets in all. */
  readonly maxSockets: number;
  /** Open sockets per remote address. */
  readonly maxPerAddress: number;
  /** Time until the first authenticated call, ms; a socket that has made none by then is closed. */
  readonly firstCallMs: number;
  /** Where callers stay: those that have said who they are no longer count above, but here. Absent: they go on counting above. */
  readonly proven?: { readonly total: number; readonly perName: number };
}

/** The bounds of R100. */
export const defaultListenerLimits: ListenerLimits = { maxSockets: 256, maxPerAddress: 20, firstCallMs: 10_000 };

/** A socket of ours in front of a gRPC server, so that sockets are counted and timed before TLS begins. */
export interface Listener {
  readonly address: AddressInfo | string;
  /** A call of this connection was authenticated: its first-call timer stops. `peer` is what `call.getPeer()` answers, `name` who it is. */
  authenticated(peer: string, name?: string): void;
  /** When this connection was accepted, by the caller's clock; undefined: it is not one of this listener, or has gone. */
  openedAt(peer: string): number | undefined;
  /** Closes the listening socket and, after `graceMs`, what is still open. */
  close(graceMs: number): Promise<void>;
}

/** A socket that was let in; `timer` runs until its first authenticated call. */
interface Accepted {
  readonly socket: Socket;
  readonly address: string;
  timer: NodeJS.Timeout | undefined;
  /** Who it is, where those that have said so are counted apart. */
  name: string | undefined;
  readonly openedAt: number;
}

/** How to listen. */
export interface ListenerOptions {
  readonly server: Server;
  readonly credentials: ServerCredentials;
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly limits?: ListenerLimits;
  /** Called with each accepted socket before it is injected; a rejection closes it. */
  readonly prepare?: (socket: Socket) => Promise<void>;
  /** Called when a connection has gone. */
  readonly onClose?: (peer: string) => void;
  /** Clock of openedAt, unix ms. */
  readonly now?: () => number;
}

/** Listens, and hands what passes the limits to the gRPC server. Rejects when the address cannot be bound. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const limits = options.limits ?? defaultListenerLimits;
  const injector = options.server.createConnectionInjector(options.credentials);
  const sockets = new Map<string, Accepted>();
  const perAddress = new Map<string, number>();
  const perName = new Map<string, number>();
  const proven = { total: 0 };

  /** Whether another socket may come in. When all places are taken, the one that has said nothing yet and comes from the most crowded address gives way. */
  const makeRoom = (): boolean => {
    if (sockets.size - proven.total < limits.maxSockets) return true;
    const crowd = (entry: Accepted): number => perAddress.get(entry.address) ?? 0;
    let victim: { peer: string; entry: Accepted } | undefined;
    for (const [peer, entry] of sockets) {
      if (entry.timer !== undefined && (victim === undefined || crowd(entry) > crowd(victim.entry))) victim = { peer, entry };
    }
    if (victim === undefined) return false;
    clearTimeout(victim.entry.timer);
    sockets.delete(victim.peer);
    victim.entry.socket.destroy();
    return true;
  };

  const accept = (socket: Socket): void => {
    const address = socket.remoteAddress ?? 'local';
    const count = perAddress.get(address) ?? 0;
    if (count >= limits.maxPerAddress || !makeRoom()) {
      socket.destroy();
      return;
    }
    perAddress.set(address, count + 1);
    socket.on('error', () => socket.destroy());
    const openedAt = options.now?.() ?? 0;
    const pending = { open: true };
    let peer: string | undefined;
    socket.once('close', () => {
      pending.open = false;
      const name = peer === undefined ? undefined : sockets.get(peer)?.name;
      if (name === undefined) countDown(perAddress, address);
      else {
        countDown(perName, name);
        proven.total -= 1;
      }
      if (peer === undefined) return;
      clearTimeout(sockets.get(peer)?.timer);
      sockets.delete(peer);
      options.onClose?.(peer);
    });
    const inject = (): void => {
      if (!pending.open) return;
      peer = peerKey(socket);
      const timer = setTimeout(() => socket.destroy(), limits.firstCallMs);
      timer.unref();
      sockets.set(peer, { socket, address, timer, name: undefined, openedAt });
      // A socket that was held back for `prepare` begins to be read in the next tick, when HTTP/2 has it.
      if (options.prepare !== undefined) socket.resume();
      injector.injectConnection(socket);
    };
    if (options.prepare === undefined) inject();
    else options.prepare(socket).then(inject, () => socket.destroy());
  };

  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, pauseOnConnect: options.prepare !== undefined }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.listen, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    address: server.address() ?? '',
    authenticated(peer, name) {
      const entry = sockets.get(peer);
      if (entry?.timer === undefined) return;
      clearTimeout(entry.timer);
      entry.timer = undefined;
      if (limits.proven === undefined || name === undefined) return;
      const count = perName.get(name) ?? 0;
      if (proven.total >= limits.proven.total || count >= limits.proven.perName) {
        entry.socket.destroy();
        return;
      }
      entry.name = name;
      countDown(perAddress, entry.address);
      perName.set(name, count + 1);
      proven.total += 1;
    },
    openedAt: (peer) => sockets.get(peer)?.openedAt,
    close: (graceMs) => closeAll(server, injector, sockets, graceMs),
  };
}

function countDown(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

/** What `call.getPeer()` answers for calls of this socket. */
function peerKey(socket: Socket): string {
  return socket.remotePort === undefined ? (socket.remoteAddress ?? 'unknown') : `${socket.remoteAddress ?? ''}:${String(socket.remotePort)}`;
}

async function closeAll(
  server: NetServer,
  injector: { drain: (graceMs: number) => void; destroy: () => void },
  sockets: ReadonlyMap<string, { socket: Socket }>,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  injector.drain(graceMs);
  const timer = setTimeout(() => {
    for (const { socket } of sockets.values()) socket.destroy();
  }, graceMs);
  await closed;
  clearTimeout(timer);
  injector.destroy();
}

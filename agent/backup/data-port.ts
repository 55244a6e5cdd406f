import { constants, timingSafeEqual, X509Certificate } from 'node:crypto';
import { createServer as createTcpServer, connect, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { formatIdentity } from '../../shared/model/identity.js';
import { certificateProblem, keyFingerprint } from '../../shared/rpc/tls.js';
import type { CarrySettings } from '../host/carry.js';
import type { AgentIdentity } from '../identity/identity.js';
import type { GrantSide } from '../../shared/model/backup-grant.js';

/** How long a handshake may take, ms. */
const handshakeMs = 10_000;

/** How long an address is tried, ms. */
const dialMs = 4_000;

/** After so much silence of the other side its kernel is asked whether it is still there, ms: one that has gone without a word is noticed within half a minute. */
const keepAlive = { keepAlive: true, keepAliveInitialDelay: 15_000 } as const;

/** Most connections that have not proved who they are. */
const mostUnknown = 16;

/** The first bytes of a connection inside TLS: the run that it is for, and a line end. */
const helloBytes = 37;

/** The first bytes of a connection that a program is to carry: the mark of its grant in hex, and a line end. The other side says one byte then. */
const markBytes = 65;

/** What a TLS connection begins with (RFC 8446 5.1: handshake); no mark does. */
const tlsRecord = 22;

/** One end of the connection between two agents. */
export interface Peer {
  readonly run: string;
  readonly peer: GrantSide;
  /** What is shown before TLS by somebody who has the grant (agent/backup/grant.ts). */
  readonly mark: string;
}

/** A connection to the other side: both are proved, or both have shown the mark, and it is to be proved by whoever carries its bytes. */
export type Found = { readonly kind: 'proved'; readonly connection: TLSSocket } | { readonly kind: 'marked'; readonly connection: Socket };

/**
 * The port on which another agent brings or fetches a backup. It listens while somebody waits here for a granted run, and no longer. Trusts the root of agents, and
 * of those only the one that a grant names, by its key.
 */
export interface DataPort {
  /** Waits for the other side. Resolves with the port, and later with the connection. Close it when it is not wanted any more. Errors: of listen(2). */
  await(wanted: Peer, until: AbortSignal): Promise<{ readonly port: number; readonly connection: Promise<Found>; close(): void }>;
  /** Connects to the other side; `mark`: shows the mark and leaves the proof to others. Errors: why not, as text. */
  dial(wanted: Peer, to: { readonly addresses: readonly string[]; readonly port: number; readonly mark: boolean }, signal: AbortSignal): Promise<Found>;
  /** What whoever carries the bytes of a marked connection needs to prove both sides. */
  settings(wanted: Peer, role: CarrySettings['role']): CarrySettings;
  /** Proves both sides over a stream that is there already. */
  over(wanted: Peer, stream: Duplex, role: 'client' | 'server', signal: AbortSignal): Promise<TLSSocket>;
  close(): void;
}

/** What a data port needs. */
export interface DataPortOptions {
  readonly identity: () => AgentIdentity;
  /** Unix ms. */
  readonly now: () => number;
  /** Where it listens; port 0: any. */
  readonly listen: { readonly host: string; readonly port: number };
}

/** A data port that does not listen yet. */
export function createDataPort(options: DataPortOptions): DataPort {
  const waiting = new Map<string, { readonly wanted: Peer; readonly take: (found: Found) => void }>();
  let listening: { readonly tcp: TcpServer; readonly tls: TlsServer; readonly opened: Promise<number>; /** By address and port, until they have said which run they are for. */ readonly unknown: Map<string, () => void> } | undefined;

  const problemOf = (certificate: Buffer | undefined, peer: GrantSide, usage: 'client' | 'server'): string | undefined => {
    if (certificate === undefined) return 'it shows no certificate';
    const shown = new X509Certificate(certificate);
    const uri = formatIdentity({ kind: 'host', fleetId: options.identity().fleetId, hostId: peer.host });
    return certificateProblem(shown, { uri, usage, now: options.now() }) ?? (keyFingerprint(shown.publicKey) === peer.key ? undefined : 'it has another key than the one of the grant');
  };
  const context = (): SecureContextOptions => {
    const { key, certificate, agentsRoot } = options.identity();
    return { key, cert: certificate, ca: agentsRoot, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET };
  };
  /** The other side has proved that it is an agent: the run that it names has to be its own. */
  const greet = (connection: TLSSocket): void => {
    const known = (hello: Buffer): void => {
      const run = hello.toString('latin1', 0, helloBytes - 1);
      const entry = waiting.get(run);
      if (hello[helloBytes - 1] !== 10 || entry === undefined || problemOf(connection.getPeerCertificate().raw, entry.wanted.peer, 'client') !== undefined) {
        connection.destroy();
        return;
      }
      waiting.delete(run);
      listening?.unknown.delete(nameOf(connection));
      entry.take({ kind: 'proved', connection });
    };
    readHello(connection).then(known, () => connection.destroy());
  };
  /** A connection that begins with a mark: it is shown by somebody who has the grant, and who that is is proved later. */
  const greetMarked = (socket: Socket, shown: Buffer): void => {
    const entry = shown.length === markBytes ? [...waiting.values()].find(({ wanted: { mark } }) => timingSafeEqual(Buffer.from(`${mark}\n`), shown)) : undefined;
    if (entry === undefined) {
      socket.destroy();
      return;
    }
    waiting.delete(entry.wanted.run);
    listening?.unknown.delete(nameOf(socket));
    // Nothing comes before this has gone, so that whoever carries the bytes finds all of them in the kernel.
    socket.write('+', () => entry.take({ kind: 'marked', connection: socket }));
  };
  const tlsServer = (): TlsServer => {
    const server = createTlsServer({ ...context(), requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeMs });
    server.on('secureConnection', greet);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  };
  const open = (): NonNullable<typeof listening> => {
    const tls = tlsServer();
    const unknown = new Map<string, () => void>();
    const tcp = createTcpServer({ allowHalfOpen: true, noDelay: true, ...keepAlive }, (socket) => {
      socket.on('error', () => socket.destroy());
      if (unknown.size >= mostUnknown) {
        socket.destroy();
        return;
      }
      const name = nameOf(socket);
      const timer = setTimeout(() => unknown.get(name)?.(), handshakeMs);
      unknown.set(name, () => socket.destroy());
      socket.once('close', () => {
        clearTimeout(timer);
        unknown.delete(name);
      });
      readBeginning(socket).then((bytes) => {
        if (bytes[0] !== tlsRecord) {
          greetMarked(socket, bytes);
          return;
        }
        socket.unshift(bytes);
        tls.emit('connection', socket);
      }, () => socket.destroy());
    });
    const opened = new Promise<number>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(options.listen.port, options.listen.host, () => resolve((tcp.address() as AddressInfo).port));
    });
    opened.catch(() => undefined);
    return { tcp, tls, opened, unknown };
  };
  const closeIdle = (): void => {
    if (waiting.size > 0 || listening === undefined) return;
    listening.tcp.close();
    for (const end of listening.unknown.values()) end();
    listening = undefined;
  };

  const client = async (wanted: Peer, socket: Duplex, signal: AbortSignal): Promise<TLSSocket> => {
    const connection = connectTls({
      ...context(), socket, rejectUnauthorized: true, servername: '',
      checkServerIdentity: (_name, { raw }) => {
        const problem = problemOf(raw, wanted.peer, 'server');
        return problem === undefined ? undefined : new Error(problem);
      },
    });
    await eventOf(connection, 'secureConnect', signal, handshakeMs);
    connection.write(`${wanted.run}\n`);
    return connection;
  };

  return {
    async await(wanted, until) {
      let settle: (found: Found) => void = () => undefined;
      let fail: (error: Error) => void = () => undefined;
      const connection = new Promise<Found>((resolve, reject) => {
        settle = resolve;
        fail = reject;
      });
      connection.catch(() => undefined);
      const stop = (): void => {
        if (waiting.get(wanted.run)?.take === take) waiting.delete(wanted.run);
        until.removeEventListener('abort', stop);
        closeIdle();
        fail(new Error('nobody came in time'));
      };
      const take = (found: Found): void => {
        until.removeEventListener('abort', stop);
        settle(found);
        closeIdle();
      };
      waiting.set(wanted.run, { wanted, take });
      until.addEventListener('abort', stop, { once: true });
      listening ??= open();
      try {
        return { port: await listening.opened, connection, close: stop };
      } catch (error) {
        listening = undefined;
        stop();
        throw error;
      }
    },
    async dial(wanted, { addresses, port, mark }, signal) {
      let reason = 'no address is known';
      for (const address of addresses) {
        try {
          const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true, ...keepAlive });
          await eventOf(socket, 'connect', signal, dialMs);
          if (!mark) return { kind: 'proved', connection: await client(wanted, socket, signal) };
          socket.write(`${wanted.mark}\n`);
          await eventOf(socket, 'readable', signal, handshakeMs);
          if ((socket.read() as Buffer | null)?.toString('latin1') === '+') return { kind: 'marked', connection: socket };
          socket.destroy();
          throw new Error('it does not know this grant');
        } catch (error) {
          reason = `${address}: ${error instanceof Error ? error.message : String(error)}`;
          if (signal.aborted) break;
        }
      }
      throw new Error(reason);
    },
    async over(wanted, stream, role, signal) {
      if (role === 'client') return client(wanted, stream, signal);
      const found = new Promise<TLSSocket>((resolve) => waiting.set(wanted.run, { wanted, take: (found) => found.kind === 'proved' && resolve(found.connection) }));
      try {
        tlsServer().emit('connection', stream);
        return await within(found, signal, handshakeMs);
      } finally {
        waiting.delete(wanted.run);
      }
    },
    settings({ peer }, role) {
      const { fleetId, key, certificate, agentsRoot } = options.identity();
      return { role, uri: formatIdentity({ kind: 'host', fleetId, hostId: peer.host }), key: peer.key, now: options.now(), proof: { key, certificate, root: agentsRoot } };
    },
    close() {
      waiting.clear();
      closeIdle();
    },
  };
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''}:${String(remotePort ?? 0)}`;
}

/** What comes first on a connection, at least one byte: all of a mark, or what is none. */
async function readBeginning(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const gone = (): void => reject(new Error('it has gone'));
    const look = (): void => {
      have = Buffer.concat([have, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
      if (have.length === 0 || (have[0] !== tlsRecord && have.length < markBytes)) return;
      socket.off('readable', look);
      socket.off('close', gone);
      socket.off('end', gone);
      socket.pause();
      resolve(have);
    };
    socket.once('close', gone);
    socket.once('end', gone);
    socket.on('readable', look);
  });
}

/** The first bytes inside TLS, and no more of it. */
async function readHello(connection: TLSSocket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it says nothing')), handshakeMs);
    const look = (): void => {
      const hello = connection.read(helloBytes) as Buffer | null;
      if (hello === null) return;
      clearTimeout(timer);
      connection.off('readable', look);
      connection.off('close', gone);
      resolve(hello);
    };
    const gone = (): void => {
      clearTimeout(timer);
      reject(new Error('it has gone'));
    };
    connection.on('error', () => connection.destroy());
    connection.once('close', gone);
    connection.on('readable', look);
    look();
  });
}

/** Resolves with an event of a connection; destroys the connection when that does not come. */
async function eventOf(connection: Socket, name: string, signal: AbortSignal, ms: number): Promise<void> {
  try {
    await within(new Promise<void>((resolve, reject) => {
      connection.once(name, () => resolve());
      connection.once('error', reject);
      connection.once('close', () => reject(new Error('the connection was closed')));
    }), signal, ms);
  } catch (error) {
    connection.on('error', () => undefined);
    connection.destroy();
    throw error;
  }
}

async function within<T>(work: Promise<T>, signal: AbortSignal, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error('no answer in time')), ms);
        stop = (): void => reject(new Error('it was ended'));
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
      }),
    ]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

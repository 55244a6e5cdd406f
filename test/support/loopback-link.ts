import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A relay in the middle of one direction of traffic: it keeps what it saw, and may alter it. */
export interface Wiretap {
  readonly port: number;
  /** Everything that passed, both ways, in the order it came. */
  seen(): Buffer;
  /** Flips one bit of the next bytes towards the listener behind, or from it; undefined: passes everything as it is. */
  flip(direction: 'to' | 'from' | undefined): void;
  /** Connections that are open. */
  readonly open: number;
  close(): Promise<void>;
}

/** Listens on an address and passes everything on to a port there. */
export async function startWiretap(address: string, behind: () => number): Promise<Wiretap> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  let flipping: 'to' | 'from' | undefined;
  const pass = (from: Socket, into: Socket, direction: 'to' | 'from'): void => {
    from.on('data', (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      if (flipping === direction) {
        const middle = Math.floor(chunk.length / 2);
        chunk[middle] = (chunk[middle] ?? 0) ^ 1;
        flipping = undefined;
      }
      into.write(chunk);
    });
    from.on('error', () => into.destroy());
    from.on('close', () => {
      sockets.delete(from);
      into.destroy();
    });
  };
  const server: Server = createServer((socket) => {
    const onward = connect(behind(), address);
    sockets.add(socket).add(onward);
    pass(socket, onward, 'to');
    pass(onward, socket, 'from');
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen: () => Buffer.concat(chunks),
    flip: (direction) => void (flipping = direction),
    get open() {
      return sockets.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

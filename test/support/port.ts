import { createServer } from 'node:net';

/** First port of the first worker's slice; below the range that the kernel gives to outgoing connections (32768 on). */
const firstPort = 12_000;
const slicePorts = 1_000;
const slices = 20;

/** Workers that run at once have different numbers, so that no two of them are given one port. */
const worker = Number(process.env['VITEST_POOL_ID'] ?? process.pid) % slices;
let next = Math.floor(Math.random() * slicePorts);

/** A TCP port of an address, loopback by default, that nobody listens on, nor is given by this function for a long time. Errors: the slice of this worker is all in use. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let tried = 0; tried < slicePorts; tried += 1) {
    next = (next + 1) % slicePorts;
    const port = firstPort + worker * slicePorts + next;
    if (await isFree(address, port)) return port;
  }
  throw new Error(`no port is free on ${address}`);
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

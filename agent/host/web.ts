import { createServer, type AddressInfo, type Server } from 'node:net';

/** A request to a site of this host. */
export interface SiteAsk {
  /** IPv4 or IPv6 address of this host. */
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
  /** Asked for by SNI and by the Host header. */
  readonly name: string;
  readonly path: string;
  /** Until the whole answer is there, ms. */
  readonly timeoutMs: number;
  /** How much of the body is read at most, bytes; 0: its beginning is not waited for. */
  readonly bodyBytes: number;
}

/** What became of it. */
export type SiteAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Headers; empty: not sent. */
      readonly location: string;
      readonly contentType: string;
      /** As far as it was read. */
      readonly body: string;
      /** The body goes on. */
      readonly cut: boolean;
    }
  /** `unavailable`: this host has no such address. */
  | { readonly kind: 'none'; readonly reason: string; readonly unavailable: boolean };

/** Errors of connect(2) and bind(2) on a host that does not speak this protocol, or has not this address. */
const unavailableCodes: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH'];

/**
 * GET of a site of this host, from its own loopback address: that is how a site knows that it is asked by the host itself. A certificate is not checked: who else
 * would answer here. Never rejects.
 */
export async function askSite(ask: SiteAsk): Promise<SiteAnswer> {
  // A host without sites never loads them.
  const { request } = ask.tls ? await import('node:https') : await import('node:http');
  const usual = ask.tls ? 443 : 80;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ask.timeoutMs);
  try {
    return await new Promise<SiteAnswer>((resolve) => {
      const none = (error: Error & { code?: string }): void => {
        const timedOut = controller.signal.aborted;
        resolve({ kind: 'none', reason: timedOut ? `no answer in ${String(ask.timeoutMs)} ms` : (error.code ?? error.message).slice(0, 200), unavailable: !timedOut && unavailableCodes.includes(error.code ?? '') });
      };
      const asking = request(
        {
          host: ask.address, port: ask.port, path: ask.path, agent: false, signal: controller.signal,
          localAddress: ask.address.includes(':') ? '::1' : '127.0.0.1',
          headers: { host: ask.port === usual ? ask.name : `${ask.name}:${String(ask.port)}`, connection: 'close' },
          ...(ask.tls ? { servername: ask.name, rejectUnauthorized: false } : {}),
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          const done = (cut: boolean): void => {
            const { location = '', 'content-type': contentType = '' } = response.headers;
            resolve({ kind: 'answer', status: response.statusCode ?? 0, location, contentType, body: Buffer.concat(chunks).subarray(0, ask.bodyBytes).toString('latin1'), cut });
            asking.destroy();
          };
          if (ask.bodyBytes === 0) {
            done(true);
            return;
          }
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            bytes += chunk.length;
            if (bytes > ask.bodyBytes) done(true);
          });
          response.once('end', () => done(false));
          response.once('error', none);
        },
      );
      asking.once('error', none);
      asking.on('error', () => undefined);
      asking.end();
    });
  } finally {
    clearTimeout(timer);
  }
}

/** TCP ports of 127.0.0.1 on which nobody listens now, in no order. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  try {
    const ports: number[] = [];
    for (let n = 0; n < count; n += 1) {
      const server = createServer();
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      ports.push((server.address() as AddressInfo).port);
    }
    return ports;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

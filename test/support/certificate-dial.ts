import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { openChannel, type Channel } from '../../shared/rpc/client.js';
import { wrongCertificates, type Shown } from './wrong-certificate.js';

/** A channel that shows a certificate and takes whatever the server shows: the server alone decides. */
export function dial(port: number, shown: Shown): Channel {
  const context = createSecureContext({ ...(shown === undefined ? {} : { key: shown.key, cert: shown.certificate }), minVersion: 'TLSv1.3' });
  return openChannel({
    target: `ipv4:127.0.0.1:${String(port)}`,
    credentials: credentials.createFromSecureContext(context, { rejectUnauthorized: false, checkServerIdentity: () => undefined }),
    unreachable: (reason) => reeveError('HOST_UNREACHABLE', { host: 'peer', reason }),
  });
}

/** How a call was refused: by TLS, or by name. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ReeveError)) return String(error);
    if (error.code === 'HOST_UNREACHABLE' || error.code === 'COORDINATOR_UNREACHABLE') return 'TLS';
    return error.code;
  }
}

/** What came out of TLS at a server: requests, and their bytes. */
export interface Heard { readonly server: Http2SecureServer; readonly port: number; readonly requests: () => number; readonly bytes: () => Buffer }
/** Listens with a certificate, refuses every call, and tells what was heard. */
export const hear = async (shown: NonNullable<Shown>): Promise<Heard> => {
  let requests = 0;
  const chunks: Buffer[] = [];
  const server = createSecureServer({ key: shown.key, cert: shown.certificate, minVersion: 'TLSv1.3' });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream) => {
    requests += 1;
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '7' }, { endStream: true });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port, requests: () => requests, bytes: () => Buffer.concat(chunks) };
};
/** Nothing was held back from the right server, which then refused. */
export const tokenSent = { refused: 'TLS', requests: 1, tokenSeen: true };
/** Nothing was sent but TLS. */
export const noByte = { refused: expect.stringMatching(/^(?:TLS|IDENTITY_REFUSED)$/) as string, requests: 0, tokenSeen: false };
/** The certificates that a pin tells from the right one. A pin is of one fleet's root, and that root signs for no other fleet: which fleet it is, is learned there. */
export const pinned = wrongCertificates.filter((wrong) => wrong.name !== 'no certificate' && wrong.name !== 'another fleet');

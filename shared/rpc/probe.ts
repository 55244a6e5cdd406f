import { X509Certificate } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '../model/host.js';

/** Longest wait for a connection, ms. */
const connectMs = 5_000;

/** Longest wait for a handshake, ms. */
const handshakeMs = 5_000;

/** What became of a connection over TCP. */
export type TcpResult = { readonly kind: 'open'; readonly socket: Socket } | { readonly kind: 'refused' | 'no-route' | 'timeout' | 'broken'; readonly reason: string };

/** Connects to an address, and tells apart why it cannot. */
export function probeTcp(endpoint: Endpoint, signal: AbortSignal): Promise<TcpResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: endpoint.address, port: endpoint.port, signal });
    const timer = setTimeout(() => end({ kind: 'timeout', reason: 'no answer' }), connectMs);
    const end = (result: TcpResult): void => {
      clearTimeout(timer);
      if (result.kind !== 'open') socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end({ kind: 'open', socket }));
    socket.on('error', (error: NodeJS.ErrnoException) => end({ kind: kindOf(error.code), reason: error.code ?? error.message }));
  });
}

/** Ports that many hosts have open, and that others refuse: either says that the host is there. */
const commonPorts = [22, 80, 443];

/** A common port of a host that takes or refuses connections; undefined: none says anything. */
export async function probeOthers(address: string, signal: AbortSignal): Promise<number | undefined> {
  const results = await Promise.all(commonPorts.map(async (port) => ({ port, result: await probeTcp({ address, port }, signal) })));
  for (const { result } of results) if (result.kind === 'open') result.socket.destroy();
  return results.find(({ result }) => result.kind === 'open' || result.kind === 'refused')?.port;
}

function kindOf(code: string | undefined): 'refused' | 'no-route' | 'timeout' | 'broken' {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
      return 'no-route';
    case 'ETIMEDOUT':
      return 'timeout';
    default:
      return 'broken';
  }
}

/** What became of a handshake. */
export type TlsResult =
  | { readonly kind: 'certificate'; readonly certificate: X509Certificate }
  | { readonly kind: 'not-tls' | 'old-tls' | 'silent' | 'closed'; readonly reason: string };

/**
 * Makes a TLS 1.3 handshake over a connection and takes whatever certificate is shown: who it is for is judged afterwards. Shows none itself and sends
 * nothing. Closes the connection.
 */
export function probeTls(socket: Socket): Promise<TlsResult> {
  return new Promise((resolve) => {
    // Nothing is trusted or sent here; the certificate is only looked at.
    const tls = connectTls({ socket, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'], rejectUnauthorized: false });
    const timer = setTimeout(() => end({ kind: 'silent', reason: 'no handshake in time' }), handshakeMs);
    const end = (result: TlsResult): void => {
      clearTimeout(timer);
      tls.destroy();
      socket.destroy();
      resolve(result);
    };
    tls.once('secureConnect', () => {
      const raw: unknown = tls.getPeerCertificate().raw;
      end(Buffer.isBuffer(raw) ? { kind: 'certificate', certificate: new X509Certificate(raw) } : { kind: 'not-tls', reason: 'no certificate' });
    });
    tls.on('error', (error: NodeJS.ErrnoException) => end({ kind: handshakeKind(error), reason: error.code ?? error.message }));
    tls.once('close', () => end({ kind: 'closed', reason: 'closed' }));
  });
}

function handshakeKind(error: NodeJS.ErrnoException): 'not-tls' | 'old-tls' | 'closed' {
  if (/protocol.version|unsupported.protocol/i.test(`${error.code ?? ''} ${error.message}`)) return 'old-tls';
  return error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'closed' : 'not-tls';
}

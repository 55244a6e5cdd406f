import { connect, type ClientHttp2Session } from 'node:http2';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { TlsIdentity } from '../../shared/rpc/tls.js';

/** One connection to a bare server. */
export interface BareChannel {
  /** An empty call; answers when the answer is there. */
  noOp(): Promise<void>;
  /** Has a file kept, durably. */
  keepFile(content: Buffer): Promise<void>;
  close(): void;
}

const same = (bytes: Buffer): Buffer => bytes;
const empty = Buffer.alloc(0);

/** grpc-js as its manual shows it: mutual TLS, no options, no deadline, nothing to encode. */
export function openBareGrpc(port: number, tls: TlsIdentity): BareChannel {
  const secure = credentials.createSsl(Buffer.from(tls.trust), Buffer.from(tls.key), Buffer.from(tls.certificate), { checkServerIdentity: () => undefined });
  const client = new Client(`ipv4:127.0.0.1:${String(port)}`, secure);
  const metadata = new Metadata();
  const call = (path: string, content: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, same, same, content, metadata, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  return { noOp: () => call('/bench.Bench/NoOp', empty), keepFile: (content) => call('/bench.Bench/KeepFile', content), close: () => client.close() };
}

/** The frames of a gRPC call on node:http2, without gRPC. */
export function openBareHttp2(port: number, tls: TlsIdentity): BareChannel {
  const session: ClientHttp2Session = connect(`https://127.0.0.1:${String(port)}`, { key: tls.key, cert: tls.certificate, ca: tls.trust, servername: 'bench', checkServerIdentity: () => undefined });
  const frame = Buffer.alloc(5);
  return {
    noOp: () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': '/bench.Bench/NoOp', 'content-type': 'application/grpc', te: 'trailers' });
        stream.on('error', reject);
        stream.on('trailers', () => resolve());
        stream.resume();
        stream.end(frame);
      }),
    keepFile: () => Promise.reject(new Error('only an empty call is offered over node:http2')),
    close: () => session.destroy(),
  };
}

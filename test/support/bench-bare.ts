/** A process of bare servers, nothing of Reeve in them: grpc-js or node:http2, each with mutual TLS. Takes keys and certificates, answers the ports. */
import { mkdirSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { TlsIdentity } from '../../shared/rpc/tls.js';
import { answerParent } from './bench-process.js';

const [kind = 'grpc', stateDir = ''] = process.argv.slice(2);
const same = (bytes: Buffer): Buffer => bytes;
const method = { requestStream: false, responseStream: false, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } as const;
const empty = Buffer.alloc(0);

/** Writes a file unless it is like that already, the way any daemon would that must not lose it. */
async function keepFile(path: string, content: Buffer): Promise<void> {
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(content) === true) return;
  const file = await open(`${path}.new`, 'w');
  await file.writeFile(content);
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
}

function startGrpc(tls: TlsIdentity, file: string): Promise<number> {
  const server = new Server();
  server.addService(
    { noOp: { ...method, path: '/bench.Bench/NoOp' }, keepFile: { ...method, path: '/bench.Bench/KeepFile' } },
    {
      noOp: (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => callback(null, empty),
      keepFile: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        keepFile(file, call.request).then(() => callback(null, empty), (error: unknown) => callback(error as Error));
      },
    },
  );
  const credentials = ServerCredentials.createSsl(Buffer.from(tls.trust), [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }], true);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function startHttp2(tls: TlsIdentity): Promise<number> {
  const server: Http2SecureServer = createSecureServer({ key: tls.key, cert: tls.certificate, ca: tls.trust, requestCert: true, rejectUnauthorized: true });
  const frame = Buffer.alloc(5);
  server.on('stream', (stream) => {
    stream.resume();
    stream.on('end', () => {
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.end(frame);
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

answerParent<readonly TlsIdentity[]>((identities) => {
  mkdirSync(stateDir, { recursive: true });
  return Promise.all(identities.map((tls, index) => (kind === 'grpc' ? startGrpc(tls, join(stateDir, String(index))) : startHttp2(tls))));
});

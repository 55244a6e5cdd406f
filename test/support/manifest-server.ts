import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { GetManifestResponseInput } from '../../shared/gen/proto/reeve/coordinator/v1/GetManifestResponse.js';
import type { ManifestServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/ManifestService.js';
import { systemClock } from '../../shared/kit/clock.js';
import { listen } from '../../shared/rpc/listener.js';
import { createRpcServer, defineService, type Caller } from '../../shared/rpc/server.js';
import { ReeveServerCredentials, type TlsIdentity } from '../../shared/rpc/tls.js';

/** What a coordinator that only gives manifests answers, and was asked. */
export interface ManifestServer {
  readonly port: number;
  /** Versions that agents said they have, oldest first. */
  readonly asked: number[];
  answer: () => GetManifestResponseInput;
  close(): Promise<void>;
}

interface Agent extends Caller {
  readonly role: 'agent';
}

/** The answer that has these bytes, told with the digest of `whole`. */
export function manifestAnswer(bytes: Buffer, whole = bytes, epoch = 1): GetManifestResponseInput {
  return { manifest: bytes, sha256: createHash('sha256').update(whole).digest(), epoch };
}

/** The agents' side of a coordinator as far as key manifests go; everything below (TLS, framing) is the real thing. */
export async function createManifestServer(identity: TlsIdentity, log: Logger): Promise<ManifestServer> {
  const asked: number[] = [];
  const state: { answer: () => GetManifestResponseInput } = { answer: () => ({ manifest: Buffer.alloc(0), sha256: Buffer.alloc(0), epoch: 1 }) };
  const server = createRpcServer<Agent>({
    services: [
      defineService<ManifestServiceDefinition, Agent>('reeve.coordinator.v1.ManifestService', {
        GetManifest: {
          roles: ['agent'], risk: 'read', rate: { perSecond: 1000, burst: 1000 }, maxBytes: 1024, deadlineMs: 10_000,
          handle: (request) => {
            asked.push(request.version);
            return Promise.resolve(state.answer());
          },
        },
      }),
    ],
    log, clock: systemClock,
    authenticate: () => ({ name: 'agent', role: 'agent' }),
    onRefused: () => undefined,
  });
  const listener = await listen({ server, credentials: new ReeveServerCredentials(identity, { requireClient: true }), listen: { host: '127.0.0.1', port: 0 }, onClose: () => undefined });
  return {
    port: (listener.address as AddressInfo).port,
    asked,
    get answer() { return state.answer; },
    set answer(next) { state.answer = next; },
    async close() {
      await listener.close(100);
      server.forceShutdown();
    },
  };
}

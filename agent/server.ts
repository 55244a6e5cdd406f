import { randomUUID, X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../shared/kit/log.js';
import { listen, type ListenerLimits } from '../shared/rpc/listener.js';
import { createRpcServer } from '../shared/rpc/server.js';
import { ReeveServerCredentials } from '../shared/rpc/tls.js';
import { createAccess, type Coordinator, type DenyList } from './access.js';
import { createAgentCore } from './core.js';
import { openAppendFile } from './host/append.js';
import type { Host } from './host/host.js';
import type { AgentIdentity } from './identity/identity.js';
import { openReleaseState } from './release/state.js';

/** What an agent is made of. Simulated agents differ in `host` only. */
export interface AgentServerOptions {
  readonly host: Host;
  readonly identity: AgentIdentity;
  /** Folder of the journal. */
  readonly stateDir: string;
  /** Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly log: Logger;
  /** What became of the last upgrade; empty or absent: nothing is to be said. */
  readonly upgrade?: string;
  /** Random name of this process; absent: one is made. */
  readonly instanceId?: string;
  readonly limits?: ListenerLimits;
  readonly denied?: () => DenyList;
  /** A new connection of the coordinator made its first good call. */
  readonly onCoordinator?: () => void;
  /** The host was released while this agent ran. */
  readonly onReleased?: () => void;
  /** A bug: the program should end. */
  readonly onBug?: (error: unknown) => void;
}

/** A running agent. */
export interface AgentServer {
  readonly address: AddressInfo;
  /** Resolves when what a crash left open is settled. */
  readonly recovered: Promise<void>;
  /** Whether the host was released: there is nothing left to renew a certificate for. */
  released(): boolean;
  /** Uses another certificate for new connections. */
  updateIdentity(identity: AgentIdentity): void;
  /** Stops accepting, lets running operations end for at most `graceMs`, and closes. */
  close(graceMs: number): Promise<void>;
}

/** Starts an agent: journal, recovery, services, TLS listener. Rejects when the address cannot be bound or the journal cannot be opened. */
export async function createAgentServer(options: AgentServerOptions): Promise<AgentServer> {
  const { host, identity, log } = options;
  const file = await openAppendFile(join(options.stateDir, 'journal', 'operations'));
  const release = openReleaseState(options.stateDir, identity);
  const core = await createAgentCore({
    host, log, file, hostName: identity.hostName, certificateNotAfter: notAfterOf(identity), release, upgrade: options.upgrade ?? '', instanceId: options.instanceId ?? randomUUID(),
    ...(options.onReleased === undefined ? {} : { onReleased: options.onReleased }),
  });
  const access = createAccess({
    fleetId: identity.fleetId,
    clock: host.clock,
    denied: options.denied ?? (() => ({ version: 0, keys: new Set() })),
    onFirstCall: (peer) => {
      listener.authenticated(peer);
      options.onCoordinator?.();
    },
  });
  const server = createRpcServer<Coordinator>({
    services: core.services,
    log,
    clock: host.clock,
    authenticate: (call) => access.authenticate(call),
    onRefused: (method, caller, error) => log.warn({ rpc: method, caller, code: error.code }, 'a call was refused'),
    ...(options.onBug === undefined ? {} : { onBug: options.onBug }),
  });
  const credentials = new ReeveServerCredentials(tlsOf(identity), { requireClient: true });
  const listener = await listen({
    server,
    credentials,
    listen: options.listen,
    onClose: (peer) => access.forget(peer),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const recovered = core.recover();
  return {
    address: listener.address as AddressInfo,
    recovered,
    released: () => release.released() !== undefined,
    updateIdentity(next) {
      credentials.update(tlsOf(next));
      core.hub.certificate(notAfterOf(next));
    },
    async close(graceMs) {
      const timer = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
      await Promise.race([core.drain(), timer]);
      await listener.close(Math.min(graceMs, 500));
      server.forceShutdown();
      await file.close();
    },
  };
}

function tlsOf(identity: AgentIdentity): { key: string; certificate: string; trust: string } {
  return { key: identity.key, certificate: identity.certificate, trust: identity.controlRoot };
}

function notAfterOf(identity: AgentIdentity): number {
  return Date.parse(new X509Certificate(identity.certificate).validTo);
}

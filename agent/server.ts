import { randomUUID, X509Certificate } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../shared/kit/log.js';
import { listen, type Listener, type ListenerLimits } from '../shared/rpc/listener.js';
import { dataPort } from '../shared/model/host.js';
import { createRpcServer } from '../shared/rpc/server.js';
import { ReeveServerCredentials } from '../shared/rpc/tls.js';
import { keepAttached, type Attachment } from './attach/attach.js';
import { createDoor } from './attach/door.js';
import { createAccess, type Coordinator, type DenyList } from './access.js';
import { createAgentCore } from './core.js';
import { openAppendFile } from './host/append.js';
import type { Host } from './host/host.js';
import type { AgentIdentity } from './identity/identity.js';
import { openTrustState, placed, type TrustState } from './identity/trust.js';
import { startKeyPull, type KeyPull } from './key/pull.js';
import { openManifestStore } from './key/store.js';
import { openRelayList } from './relay/list.js';
import { listenForChildren } from './relay/listen.js';
import type { RelayLimits } from './relay/relay.js';
import { openReleaseState } from './release/state.js';
import type { RenewalState } from './identity/renewal-file.js';
import type { LocalUndo } from './undo/undo.js';
import { openVhostStore } from './vhost/store.js';

/** What an agent is made of. Simulated agents differ in `host` only. */
export interface AgentServerOptions {
  readonly host: Host;
  readonly identity: AgentIdentity;
  /** Folder of the journal. */
  readonly stateDir: string;
  /** Port 0: any. Undefined: nowhere, for an agent that may only dial out. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** Whether it keeps a connection to the coordinator, through which that dials it; absent: what the identity says. */
  readonly dialOut?: boolean;
  /** Address on which children reach the coordinator; absent: none. */
  readonly relayListen?: string;
  readonly relayLimits?: RelayLimits;
  /** Where other agents bring and fetch backups; absent: port 7424 of all addresses. Port 0: any. */
  readonly dataListen?: { readonly host: string; readonly port: number };
  /** When it asks for its keys, five fields of crontab(5); absent: every hour. */
  readonly keySync?: string;
  readonly log: Logger;
  /** What became of the last upgrade; empty or absent: nothing is to be said. */
  readonly upgrade?: string;
  /** Random name of this process; absent: one is made. */
  readonly instanceId?: string;
  /** sha256 of the machine-id; absent: not told to the coordinator when dialling in. */
  readonly machineHint?: Buffer;
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
  /** Port 0: it does not listen. */
  readonly address: AddressInfo;
  /** Resolves when what a crash left open is settled. */
  readonly recovered: Promise<void>;
  /** Whether the host was released: there is nothing left to renew a certificate for. */
  released(): boolean;
  /** What the control root has told this host. */
  readonly trust: TrustState;
  /** For root of the host only. */
  readonly undo: LocalUndo;
  /** Uses another certificate for new connections. */
  updateIdentity(identity: AgentIdentity): void;
  /** Tells what became of the last try to renew the certificate. */
  updateRenewal(state: RenewalState | undefined): void;
  /** Asks the coordinator for this host's keys now. Errors: COORDINATOR_UNREACHABLE, KEY_MANIFEST and those of SyncAuthorizedKeys. */
  pullKeys(): Promise<void>;
  /** Stops accepting, lets running operations end for at most `graceMs`, and closes. */
  close(graceMs: number): Promise<void>;
}

/** Starts an agent: journal, recovery, services, TLS listener. Rejects when the address cannot be bound or the journal cannot be opened. */
export async function createAgentServer(options: AgentServerOptions): Promise<AgentServer> {
  const { host, identity, log } = options;
  const file = await openAppendFile(join(options.stateDir, 'journal', 'operations'));
  const release = openReleaseState(options.stateDir, identity);
  const instanceId = options.instanceId ?? randomUUID();
  const trust = openTrustState(options.stateDir, identity, () => host.clock.now());
  const manifests = openManifestStore(options.stateDir, identity.hostId, log);
  let keyPull: KeyPull | undefined = undefined as KeyPull | undefined;
  let current = identity;
  const core = await createAgentCore({
    trust,
    host, log, file, hostName: identity.hostName, hostId: identity.hostId, manifests, vhosts: openVhostStore(options.stateDir, log), onKeys: () => keyPull?.look(), certificateNotAfter: notAfterOf(identity), release, upgrade: options.upgrade ?? '', instanceId,
    relayList: openRelayList(options.stateDir),
    copies: { identity: () => placed(current, trust), stateDir: options.stateDir, listen: options.dataListen ?? { host: host.hasIpv6() ? '::' : '0.0.0.0', port: dataPort } },
    openedAt: (peer) => listeners.map((listener) => listener.openedAt(peer)).find((at) => at !== undefined),
    ...(options.relayLimits === undefined ? {} : { relayLimits: options.relayLimits }),
    ...(options.onReleased === undefined ? {} : { onReleased: options.onReleased }),
  });
  const access = createAccess({
    fleetId: identity.fleetId,
    clock: host.clock,
    denied: options.denied ?? (() => trust.denied()),
    onFirstCall: (peer) => {
      for (const listener of listeners) listener.authenticated(peer);
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
  const listeners: Listener[] = [];
  const open = async (where: { host: string; port: number }, prepare?: (socket: Socket) => Promise<void>): Promise<AddressInfo> => {
    const listener = await listen({
      server, credentials, listen: where, now: () => host.clock.now(), onClose: (peer) => access.forget(peer),
      ...(prepare === undefined ? {} : { prepare }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    listeners.push(listener);
    return listener.address as AddressInfo;
  };
  const address = options.listen === undefined ? nowhere : await open(options.listen);
  const dialsOut = (): boolean => options.dialOut ?? current.link === 'dial-out';
  const door = createDoor();
  let inner: Promise<AddressInfo> | undefined;
  const attach = (): Attachment => keepAttached({
    identity: () => placed(current, trust),
    now: () => host.clock.now(),
    log,
    speaker: { instanceId, machineHint: options.machineHint ?? Buffer.alloc(0) },
    accept: (connection) => {
      inner ??= open({ host: '127.0.0.1', port: 0 }, (socket) => door.prepare(socket));
      inner.then((listener) => door.enter(connection, listener)).catch((error: unknown) => options.onBug?.(error));
    },
  });
  let attachment = dialsOut() ? attach() : undefined;
  const children = options.relayListen === undefined ? undefined : listenForChildren({ address: options.relayListen, relay: core.relay, upstream: () => placed(current, trust), log });
  const recovered = core.recover();
  const pulling = startKeyPull({
    identity: () => placed(current, trust), trust, host, hostName: identity.hostName, store: manifests, engine: core.engine, work: core.keys,
    released: () => release.released() !== undefined, schedule: options.keySync, log,
  });
  keyPull = pulling;
  return {
    address,
    recovered,
    released: () => release.released() !== undefined,
    trust,
    undo: core.undo,
    updateIdentity(next) {
      current = next;
      credentials.update(tlsOf(next));
      if (!dialsOut()) {
        attachment?.close();
        attachment = undefined;
      } else if (attachment === undefined) attachment = attach();
      else attachment.restart();
      core.hub.certificate(notAfterOf(next));
    },
    updateRenewal(state) {
      core.hub.renewal(state === undefined || state.code === '' ? '' : `${state.code}: ${state.message}`);
    },
    pullKeys: () => pulling.pull(),
    async close(graceMs) {
      pulling.close();
      const timer = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
      await Promise.race([core.drain(), timer]);
      attachment?.close();
      children?.close();
      await Promise.all(listeners.map((listener) => listener.close(Math.min(graceMs, 500))));
      server.forceShutdown();
      await file.close();
    },
  };
}

/** The address of an agent that does not listen. */
const nowhere: AddressInfo = { address: '', family: '', port: 0 };

function tlsOf(identity: AgentIdentity): { key: string; certificate: string; trust: string } {
  return { key: identity.key, certificate: identity.certificate, trust: identity.controlRoot };
}

function notAfterOf(identity: AgentIdentity): number {
  return Date.parse(new X509Certificate(identity.certificate).validTo);
}

import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { ServerCredentials, type Server } from '@grpc/grpc-js';
import { reeveError } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import type { Logger } from '../../shared/kit/log.js';
import { listen, type Listener, type ListenerLimits } from '../../shared/rpc/listener.js';
import { createRpcServer, maxAnswerBytes, networkConnections, type AuthenticatedCall, type Service } from '../../shared/rpc/server.js';
import type { Office } from '../office.js';
import { accessService } from './access.js';
import { alertService } from './alert.js';
import { auditService } from './audit.js';
import { backupService } from './backup.js';
import { operatorOf, type OperatorCaller } from './caller.js';
import { certService } from './cert.js';
import { containerService } from './container.js';
import { doctorService } from './doctor.js';
import { fleetService, type FleetAddress } from './fleet.js';
import { grantService } from './grant.js';
import { groupService } from './group.js';
import { hostService } from './host.js';
import { keyService } from './key.js';
import { loginService } from './login.js';
import { metricService } from './metric.js';
import { natService } from './nat.js';
import { operationService } from './operation.js';
import { operatorService } from './operator.js';
import { packageService } from './package.js';
import { localPeer, type LocalPeer } from './peer.js';
import { personService } from './person.js';
import { planService } from './plan.js';
import { policyService } from './policy.js';
import { createRefusals, type Refusals } from './refusal.js';
import { unitService } from './unit.js';
import { userService } from './user.js';
import { vhostService } from './vhost.js';
import { webService } from './web.js';
import { refuseSession, webAccount, webCallerOf } from './web-session.js';

/** What the operators' API is made of. */
export interface ApiOptions {
  /** Folder of database and keys, for messages. */
  readonly stateDir: string;
  /** Folder of the agent's packages. */
  readonly packageDir: string;
  /** Path of the unix socket; every local account may connect, the kernel says who it is. */
  readonly socketPath: string;
  /** The program of native/peercred. */
  readonly peercred: string;
  /** Account of the process of the status page; absent: reeve-web. */
  readonly webAccount?: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** The running coordinator; undefined before `reeve init`. */
  readonly office: () => Office | undefined;
  readonly init: (address: FleetAddress, caller: OperatorCaller) => Promise<Office>;
  readonly onBug: (error: unknown) => void;
}

/** Local sockets: root may hold many (scripts), nobody may starve the others. All share the address "local". */
const limits: ListenerLimits = { maxSockets: 256, maxPerAddress: 256, firstCallMs: 10_000 };

/** The services of the operators' API. */
export function operatorServices(options: Pick<ApiOptions, 'stateDir' | 'packageDir' | 'office' | 'init'>): Service<OperatorCaller>[] {
  const office = (): Office => {
    const running = options.office();
    if (running === undefined) throw reeveError('NOT_INITIALISED', { value: options.stateDir });
    return running;
  };
  return [
    accessService(office),
    alertService(office),
    auditService(office),
    backupService(office),
    certService(office),
    containerService(office),
    doctorService(office),
    fleetService(office, options.init),
    grantService(office),
    groupService(office),
    hostService(office),
    keyService(office),
    loginService(office),
    metricService(office),
    natService(office),
    operationService(office),
    operatorService(office),
    packageService(options.packageDir),
    personService(office),
    planService(office),
    policyService(office),
    unitService(office),
    userService(office),
    vhostService(office),
    webService(office),
  ];
}

/** What a server of the operators' API is made of, whatever door it is behind. */
export type OperatorServerOptions = Pick<ApiOptions, 'stateDir' | 'packageDir' | 'log' | 'clock' | 'office' | 'init' | 'onBug'>;

/** One server of the operators' API, with its counter of refusals to be closed after it: the same services and rows behind every door, which differ in how they know who calls. */
export function createOperatorServer(options: OperatorServerOptions, door: { overNetwork: boolean; authenticate: (call: AuthenticatedCall) => OperatorCaller }): { server: Server; refusals: Refusals } {
  const refusals = createRefusals({ db: () => options.office()?.db, clock: options.clock, log: options.log });
  const server = createRpcServer<OperatorCaller>({
    services: operatorServices(options),
    log: options.log,
    clock: options.clock,
    onBug: options.onBug,
    maxAnswerBytes,
    ...(door.overNetwork ? { connections: networkConnections } : {}),
    authenticate: door.authenticate,
    onRefused: refusals.note,
  });
  return { server, refusals };
}

/** Who calls at the local socket. Whatever else is said of the account of the status page, it is that. */
function localCaller(options: ApiOptions, peer: LocalPeer, { metadata }: AuthenticatedCall): OperatorCaller {
  if (peer.user === (options.webAccount ?? webAccount)) return webCallerOf(options.office(), metadata);
  refuseSession(metadata);
  return operatorOf(options.office()?.db, peer);
}

/** Serves the operators' API on a unix socket. */
export async function serveApi(options: ApiOptions): Promise<Listener> {
  const peers = new Map<string, LocalPeer>();
  let count = 0;
  const open: { listener?: Listener } = {};
  const { server, refusals } = createOperatorServer(options, {
    overNetwork: false,
    authenticate: (call) => {
      const peer = peers.get(call.getPeer());
      if (peer === undefined) throw reeveError('IDENTITY_REFUSED', { reason: 'the account is not known' });
      const caller = localCaller(options, peer, call);
      open.listener?.authenticated(call.getPeer());
      return caller;
    },
  });
  if (existsSync(options.socketPath)) unlinkSync(options.socketPath);
  const listener = await listen({
    server,
    credentials: ServerCredentials.createInsecure(),
    listen: { path: options.socketPath },
    limits,
    prepare: async (socket) => {
      const peer = await localPeer(options.peercred, socket);
      count += 1;
      const name = `local-${String(count)}`;
      // gRPC only knows the remote address of a connection: a unix socket has none, so it gets a name by which its identity is found.
      Object.defineProperty(socket, 'remoteAddress', { value: name });
      peers.set(name, peer);
    },
    onClose: (name) => peers.delete(name),
  });
  open.listener = listener;
  chmodSync(options.socketPath, 0o666);
  return {
    ...listener,
    async close(graceMs) {
      await listener.close(graceMs);
      refusals.close();
    },
  };
}

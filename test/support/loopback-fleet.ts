import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { pino, type Logger } from 'pino';
import type { EnrolOptions } from '../../agent/identity/enrol.js';
import { joinFleet } from '../../agent/identity/enrol.js';
import type { AgentIdentity } from '../../agent/identity/identity.js';
import { openIdentityStore } from '../../agent/identity/store.js';
import type { RelayLimits } from '../../agent/relay/relay.js';
import { createAgentServer, type AgentServer } from '../../agent/server.js';
import type { EnrolLimits } from '../../coordinator/api/enrol.js';
import { startCoordinator, type Coordinator } from '../../coordinator/coordinator.js';
import type { NotifyConfig } from '../../coordinator/notify/config.js';
import type { MetricListen } from '../../coordinator/metric/config.js';
import type { Office } from '../../coordinator/office.js';
import { reeveError } from '../../shared/errors/error.js';
import type { FleetServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/FleetService.js';
import type { HostServiceDefinition } from '../../shared/gen/proto/reeve/coordinator/v1/HostService.js';
import { systemClock, type Clock } from '../../shared/kit/clock.js';
import { formatLink, type LinkKind } from '../../shared/model/link.js';
import { parseJoinToken } from '../../shared/model/join-token.js';
import { openChannel, serviceName, type Channel } from '../../shared/rpc/client.js';
import { freePort } from './port.js';
import { createSimulatedHost, type SimulatedHost } from './simulated-host.js';
import { until } from './until.js';

/** A clock that can be turned. */
export interface TurnedClock extends Clock {
  /** Shifts the wall clock from now on; 0: the true time. */
  turn(ms: number): void;
  /** Lets monotonic time pass at once, so that rate limits are full again. */
  pass(ms: number): void;
}

/** A clock that shows the true time until it is turned. */
export function createTurnedClock(): TurnedClock {
  let offset = 0;
  let passed = 0;
  return {
    now: () => systemClock.now() + offset,
    monotonic: () => systemClock.monotonic() + passed,
    turn: (ms) => void (offset = ms),
    pass: (ms) => void (passed += ms),
  };
}

/** A new folder in memory where there is one: what is tested here is not what survives a power cut, and 200 agents share one disk. */
export function scratchFolder(name: string): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `reeve-${name}-`));
}

const fleetService = serviceName<FleetServiceDefinition>('reeve.coordinator.v1.FleetService');
const hostService = serviceName<HostServiceDefinition>('reeve.coordinator.v1.HostService');
const answer = { deadlineMs: 20_000 };

/** The program that tells local callers apart, as `make` puts it. */
export const peercred = join(import.meta.dirname, '..', '..', 'build', 'peercred', 'reeve-peercred');

/** The account whose processes are taken for the status page: one that every Debian has. */
export const webAccount = 'proxy';

/** How a fleet on loopback is to be. */
export interface LoopbackOptions {
  readonly clock?: Clock;
  readonly enrolLimits?: EnrolLimits;
  /** Addresses of the machine of the coordinator; absent: none, so that agents on loopback stand for other machines. */
  readonly ownAddresses?: () => readonly string[];
  /** Whether it listens for operators on other machines; absent: yes. */
  readonly operators?: boolean;
  /** Where metrics are read; absent: nowhere. */
  readonly metrics?: MetricListen;
  /** Undefined: a new folder, removed at the end. */
  readonly stateDir?: string;
  /** How alerts are told; absent: by hooks only. */
  readonly notify?: NotifyConfig;
  /** What coordinator and agents log to; absent: nothing. */
  readonly log?: Logger;
}

/** A real coordinator in this process, with real agents, all on loopback. */
export interface LoopbackFleet {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly agentsPort: number;
  readonly enrolmentPort: number;
  readonly operatorsPort: number;
  /** Errors that are not in the catalogue, of all parts. A test that meets one has found a bug. */
  readonly bugs: unknown[];
  /** The operators' API as the account that runs the tests. */
  readonly api: Channel;
  office(): Office;
  /** Ends the coordinator and starts it on the same state. */
  restart(): Promise<void>;
  /** A join token's text. */
  invite(name: string, options?: Pick<AgentOptions, 'link' | 'parent'> & { address?: string; rejoin?: boolean }): Promise<{ hostId: string; token: string }>;
  /** Invites a host, joins it, and starts its agent; resolves when the coordinator is connected to it. */
  addAgent(name: string, options?: AgentOptions): Promise<LoopbackAgent>;
  /** Resolves when a host is connected, or is lost. */
  waitState(hostId: string, state: 'connected' | 'lost', timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** How a simulated agent is to be. */
export interface AgentOptions {
  readonly host?: SimulatedHost;
  /** Address to listen on, default 127.0.0.1. */
  readonly address?: string;
  /** How the coordinator reaches it, default direct. */
  readonly link?: LinkKind;
  /** Name of the host that it lives behind. */
  readonly parent?: string;
  /** The port that the coordinator is told; default: the agent's own. */
  readonly toldPort?: (port: number) => number | Promise<number>;
  /** Where its own children reach the coordinator. */
  readonly relayListen?: string;
  readonly relayLimits?: RelayLimits;
}

/** A real agent server over a host in memory. */
export interface LoopbackAgent {
  readonly name: string;
  readonly hostId: string;
  readonly host: SimulatedHost;
  readonly port: number;
  readonly enrol: EnrolOptions;
  /** Folder of identity and journal. */
  readonly stateDir: string;
  /** Joined with. */
  readonly identity: AgentIdentity;
  readonly server: AgentServer;
  /** Calls of the coordinator that were the first good ones of their connections. */
  readonly firstCalls: () => number;
  close(): Promise<void>;
}

/** The operators' API behind a unix socket. */
export function openApi(socketPath: string): Channel {
  return openChannel({
    target: `unix:${socketPath}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: socketPath, reason }),
  });
}

/** Starts a coordinator and makes its fleet. Close it. */
export async function startLoopbackFleet(options: LoopbackOptions = {}): Promise<LoopbackFleet> {
  const stateDir = options.stateDir ?? scratchFolder('fleet');
  const socketPath = join(stateDir, 'api.sock');
  const bugs: unknown[] = [];
  const agents: LoopbackAgent[] = [];
  const log = options.log ?? pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' });
  const start = (): Promise<Coordinator> =>
    startCoordinator({
      stateDir, socketPath, peercred, webAccount, bind: '127.0.0.1', operatorsBind: options.operators === false ? undefined : '127.0.0.1', clock: options.clock ?? systemClock, log, ownAddresses: options.ownAddresses ?? (() => []),
      ...(options.notify === undefined ? {} : { notify: options.notify }),
      onBug: (error) => bugs.push(error),
      metrics: options.metrics,
      enrolLimits: options.enrolLimits ?? { perAddress: 10_000, total: 10_000 },
    });
  let coordinator = await start();
  const api = openApi(socketPath);
  const [agentsPort, enrolmentPort, operatorsPort] = [await freePort(), await freePort(), await freePort()];
  await api.unary(fleetService, 'InitFleet', { address: '127.0.0.1', agentsPort, enrolmentPort, operatorsPort }, answer);

  const office = (): Office => {
    const running = coordinator.office();
    if (running === undefined) throw new Error('the coordinator has no fleet');
    return running;
  };
  const invite: LoopbackFleet['invite'] = (name, with_ = {}) =>
    api.unary(hostService, 'InviteHost', { name, address: with_.address ?? '', rejoin: with_.rejoin ?? false, policy: 'full', parent: with_.parent ?? '', ...(with_.link === undefined ? {} : { link: formatLink(with_.link) }) }, answer);
  const waitState: LoopbackFleet['waitState'] = async (hostId, state, timeoutMs = 20_000) => {
    await until(() => office().fleet.live(hostId).state === state, { timeoutMs, everyMs: 20, what: `host ${hostId} to be ${state}` });
  };
  return {
    stateDir, socketPath, agentsPort, enrolmentPort, operatorsPort, bugs, api, office, invite, waitState,
    async restart() {
      await coordinator.close(200);
      coordinator = await start();
    },
    async addAgent(name, with_ = {}) {
      const address = with_.address ?? '127.0.0.1';
      const port = await freePort(address);
      const told = await (with_.toldPort?.(port) ?? port);
      const where = with_.link === 'dial-out' ? {} : { address: `${address}:${String(told)}` };
      const { token } = await invite(name, { ...where, ...(with_.link === undefined ? {} : { link: with_.link }), ...(with_.parent === undefined ? {} : { parent: with_.parent }) });
      const agent = await joinAgent(name, token, { ...with_, address, port, bugs, log });
      agents.push(agent);
      await waitState(agent.hostId, 'connected');
      return agent;
    },
    async close() {
      api.close();
      await coordinator.close(100);
      await Promise.all(agents.map((agent) => agent.close()));
      if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** Joins with a token and serves. */
export async function joinAgent(name: string, token: string, options: AgentOptions & { port: number; bugs: unknown[]; log?: Logger }): Promise<LoopbackAgent> {
  const host = options.host ?? createSimulatedHost({ hostname: name });
  const folder = scratchFolder('agent');
  const enrol: EnrolOptions = { store: openIdentityStore(folder), machineHint: Buffer.alloc(32, 0xab), now: () => host.clock.now(), instanceId: randomUUID() };
  const identity = await joinFleet(enrol, parseJoinToken(token));
  let firstCalls = 0;
  const server = await createAgentServer({
    host, identity, stateDir: folder, instanceId: enrol.instanceId ?? '', listen: identity.link === 'dial-out' ? undefined : { host: options.address ?? '127.0.0.1', port: options.port },
    ...(options.relayListen === undefined ? {} : { relayListen: options.relayListen }),
    ...(options.relayLimits === undefined ? {} : { relayLimits: options.relayLimits }),
    log: options.log ?? pino({ level: process.env['REEVE_TEST_LOG'] ?? 'silent' }),
    onCoordinator: () => void (firstCalls += 1),
    onBug: (error) => options.bugs.push(error),
  });
  let closed = false;
  return {
    name, hostId: identity.hostId, host, port: options.port, enrol, stateDir: folder, identity, server,
    firstCalls: () => firstCalls,
    async close() {
      if (closed) return;
      closed = true;
      await server.close(100);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

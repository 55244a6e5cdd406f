import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { systemClock } from '../../../shared/kit/clock.js';
import { createRpcServer, type Caller, type Service } from '../../../shared/rpc/server.js';
import { serviceDefinition } from '../../../shared/rpc/load.js';
import {
  accessService, alertService, auditService, backupService, certService, containerService, doctorService, fleetService, grantService, groupService, hostService, keyService, loginService, metricService, natService, operationService, operatorService,
  packageService, personService, planService, policyService, unitService, userService, vhostService, webService,
} from '../service.js';

/** Answers of a method: gets the request, gives the response or the events of a stream, or throws. */
export type Handler = (request: never) => unknown;

/** Handlers by `Service.Method`, e.g. `UserService.AddUser`. */
export type Handlers = Readonly<Record<string, Handler>>;

/** A coordinator that gives canned answers. */
export interface CannedCoordinator {
  readonly socket: string;
  /** What it was asked, in order. */
  readonly requests: { readonly method: string; readonly request: unknown }[];
  /** What it answers from now on. */
  answers: Handlers;
  close(): Promise<void>;
}

const services = [
  accessService, alertService, auditService, backupService, certService, containerService, doctorService, fleetService, grantService, groupService, hostService, keyService, loginService, metricService, natService, operationService, operatorService,
  packageService, personService, planService, policyService, unitService, userService, vhostService, webService,
];

/** Starts one on a socket in a temporary folder, behind the real RPC server. */
export async function startCoordinator(): Promise<CannedCoordinator> {
  const folder = mkdtempSync(join(tmpdir(), 'reeve-cli-'));
  const socket = join(folder, 'api.sock');
  const coordinator: CannedCoordinator = {
    socket,
    requests: [],
    answers: {},
    close: async () => {
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      rmSync(folder, { recursive: true });
    },
  };
  const server = createRpcServer<Caller>({
    services: services.map((name) => cannedService(name, coordinator)),
    log: pino({ level: 'silent' }),
    clock: systemClock,
    authenticate: () => ({ name: 'uid:ada', role: 'admin' }),
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
  });
  return coordinator;
}

function cannedService(name: string, coordinator: CannedCoordinator): Service<Caller> {
  const short = name.split('.').at(-1) ?? '';
  const rows = Object.entries(serviceDefinition(name)).map(([method, { requestStream, responseStream }]) => {
    const handle = (request: unknown, _context: unknown, rest: AsyncIterable<unknown>): unknown => {
      const key = `${short}.${method}`;
      coordinator.requests.push({ method: key, request });
      const handler = coordinator.answers[key];
      const answer = (): unknown => {
        if (handler === undefined) throw new Error(`no canned answer for ${key}`);
        return handler(request as never);
      };
      if (requestStream) return streamOf(answer, key, coordinator, rest);
      return responseStream ? streamOf(answer) : Promise.resolve().then(answer);
    };
    return [method, { roles: ['admin'], risk: 'read', rate: { perSecond: 1000, burst: 1000 }, maxBytes: 1_000_000, deadlineMs: 30_000, handle }] as const;
  });
  return { name, rows: Object.fromEntries(rows) as unknown as Service<Caller>['rows'] };
}

/** The events of a stream, after all that the caller says. */
async function* streamOf(answer: () => unknown, method = '', coordinator?: CannedCoordinator, rest?: AsyncIterable<unknown>): AsyncGenerator {
  if (rest !== undefined) for await (const request of rest) coordinator?.requests.push({ method, request });
  yield* answer() as Iterable<unknown> | AsyncIterable<unknown>;
}

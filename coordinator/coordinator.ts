import { randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { reeveError } from '../shared/errors/error.js';
import type { Clock } from '../shared/kit/clock.js';
import { waitFor } from '../shared/kit/deadline.js';
import { random } from '../shared/kit/random.js';
import type { Logger } from '../shared/kit/log.js';
import { createKeyedQueue } from '../shared/kit/queue.js';
import { machineAddresses } from './address.js';
import { listenForAgents } from './agents.js';
import type { OperatorCaller } from './api/caller.js';
import type { EnrolLimits } from './api/enrol.js';
import type { FleetAddress } from './api/fleet.js';
import { serveApi } from './api/server.js';
import { createFleet } from './fleet/fleet.js';
import { addAudit } from './inventory/audit.js';
import { checkDatabase } from './inventory/check.js';
import { openDatabase, type Database, type OpenOptions } from './inventory/database.js';
import { addFleet, getFleet, type Fleet as FleetPorts } from './inventory/fleet.js';
import { noteFormat } from './inventory/format.js';
import { noteCoordinatorKey, tidyCoordinatorKeys } from './inventory/coordinator-key.js';
import { tidyKeys } from './inventory/key.js';
import { openHistory } from './inventory/history.js';
import { orphanOperations, tidyOperations } from './inventory/operation.js';
import { tidySpans } from './inventory/access-span.js';
import { tidyTokens } from './inventory/token.js';
import { isUnwritable, noting, refuseWrites, writing } from './inventory/write.js';
import { tidyLoginTokens } from './inventory/login-token.js';
import { tidyOperatorKeys } from './inventory/operator-key.js';
import { tidyWebSessions } from './inventory/web-login.js';
import { sessionLife } from '../shared/model/web-login.js';
import { noNotify, type NotifyConfig } from './notify/config.js';
import { createSend } from './notify/send.js';
import { formatMetricListen, type MetricListen } from './metric/config.js';
import { listenForMetrics } from './metric/listen.js';
import type { Office } from './office.js';
import { listenForOperators } from './operators.js';
import { defaultPackageDir } from '../shared/kit/package-folder.js';
import { certificateLife, createAuthority, openAuthority } from './pki/authority.js';
import { keepAlerts, tidyAlertRows } from './reconcile/alert.js';
import { keepBackups } from './reconcile/backup-due.js';
import { createBackupEngine } from './reconcile/backup-engine.js';
import { keepCerts } from './reconcile/cert-due.js';
import { createChangeEngine } from './reconcile/change.js';
import { keepExpiries } from './reconcile/expiry.js';
import { keepHistory } from './reconcile/history.js';
import { keepHolds } from './reconcile/hold.js';
import { settleHost } from './reconcile/settle.js';
import { createWaits } from './reconcile/wait.js';
import { keyFingerprint } from '../shared/rpc/tls.js';
import { refuseTakenPorts, type WantedPort } from './port.js';
import type { World } from './world.js';

/** What a coordinator runs on. */
export interface CoordinatorOptions {
  /** Folder of database and keys, mode 0700. */
  readonly stateDir: string;
  /** Unix socket of the operators' API. */
  readonly socketPath: string;
  /** The program of native/peercred. */
  readonly peercred: string;
  /** Account of the process of the status page; absent: reeve-web. */
  readonly webAccount?: string;
  /** Address to bind the agents' ports to. */
  readonly bind: string;
  /** Address to bind the port of operators on other machines to; undefined: it is not opened. */
  readonly operatorsBind: string | undefined;
  /** Folder of the agent's packages; absent: where the Debian package puts them. */
  readonly packageDir?: string;
  /** Where metrics are read; absent: nowhere. */
  readonly metrics?: MetricListen | undefined;
  readonly nativeBinding?: string;
  /** The program's own entry file, for the thread that checks the database; absent: the check holds up everything else. */
  readonly entry?: string;
  readonly enrolLimits?: EnrolLimits;
  /** Addresses of this machine; absent: those of its network interfaces. */
  readonly ownAddresses?: () => readonly string[];
  /** How alerts are told; absent: by hooks only. */
  readonly notify?: NotifyConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** A bug was met: the process should end and be started anew. */
  readonly onBug: (error: unknown) => void;
}

/** A running coordinator. */
export interface Coordinator {
  /** Undefined before `reeve init`. */
  office(): Office | undefined;
  /** Ends: no new calls, running commands finish (at most `graceMs`), everything is written. */
  close(graceMs: number): Promise<void>;
}

/** How often the whole database is checked on a copy, ms. */
const checkMs = 86_400_000;

/** How often old rows are forgotten and the certificate is looked at, ms. */
const housekeepingMs = 3_600_000;

/** Until work that the database did not take is tried again, ms. */
const unwritableWaitMs = 10_000;

/** What listens on the network. */
interface Ports {
  /** The coordinator has another certificate: new connections get it. */
  updateCertificate(): void;
  close(graceMs: number): Promise<void>;
}

/** The parts that exist once the fleet was made. */
interface Running {
  readonly office: Office;
  readonly ports: Ports;
  readonly stop: AbortController;
  readonly timers: readonly NodeJS.Timeout[];
  /** Work that is under way and that no operator waits for: it ends soon after `stop`. */
  readonly settling: ReadonlySet<Promise<void>>;
}

/** Starts a coordinator: at once when its fleet was made, else with only the API that makes it. */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const file = join(options.stateDir, 'reeve.db');
  let running: Running | undefined;
  let making = false;
  if (existsSync(file)) {
    const db = openInventory(options);
    if (getFleet(db) !== undefined) running = await run(options, db);
    else db.close();
  }
  const api = await serveApi({
    stateDir: options.stateDir,
    packageDir: options.packageDir ?? defaultPackageDir,
    socketPath: options.socketPath,
    peercred: options.peercred,
    ...(options.webAccount === undefined ? {} : { webAccount: options.webAccount }),
    log: options.log,
    clock: options.clock,
    office: () => running?.office,
    onBug: options.onBug,
    init: async (address, caller) => {
      if (running !== undefined || making) throw reeveError('ALREADY_INITIALISED', { value: options.stateDir });
      making = true;
      try {
        await refuseTakenPorts(wantedPorts(options, address));
        running = await run(options, initialise(options, address, caller));
        return running.office;
      } finally {
        making = false;
      }
    },
  });
  return {
    office: () => running?.office,
    async close(graceMs) {
      await api.close(graceMs);
      if (running === undefined) return;
      const { office, ports, stop, timers, settling } = running;
      for (const timer of timers) clearInterval(timer);
      stop.abort();
      office.holds.close();
      office.expiries.close();
      office.histories.close();
      office.certs.close();
      await office.backups.keeper.close();
      await office.alerts.close();
      await ports.close(graceMs);
      await office.changes.idle();
      office.fleet.close();
      // Its calls have failed with the connections; what it still writes must find the database open.
      while (settling.size > 0) await Promise.all(settling);
      office.db.close();
      office.history.close();
    },
  };
}

function openInventory(options: CoordinatorOptions): Database {
  const db = openDatabase(join(options.stateDir, 'reeve.db'), openOptions(options));
  noteFormat(options.stateDir);
  return db;
}

function openOptions(options: CoordinatorOptions): OpenOptions {
  return options.nativeBinding === undefined ? {} : { nativeBinding: options.nativeBinding };
}

function wantedPorts({ bind, operatorsBind, metrics }: CoordinatorOptions, ports: FleetAddress): WantedPort[] {
  return [
    { field: 'agents port', host: bind, port: ports.agentsPort },
    { field: 'enrolment port', host: bind, port: ports.enrolmentPort },
    ...(operatorsBind === undefined ? [] : [{ field: 'operators port', host: operatorsBind, port: ports.operatorsPort }]),
    ...(metrics?.at.kind === 'port' ? [{ field: 'metrics-bind', host: metrics.at.address, port: metrics.at.port }] : []),
  ];
}

/** Makes database, roots and certificate. The fleet's row comes last: a crash before it leaves a coordinator that can be initialised again. */
function initialise(options: CoordinatorOptions, address: FleetAddress, caller: OperatorCaller): Database {
  const now = options.clock.now();
  const id = randomUUID();
  const db = openInventory(options);
  createAuthority(join(options.stateDir, 'pki'), id, now);
  writing(db, () => {
    addFleet(db, { id, ...address, epoch: 1, createdAtMs: now });
    addAudit(db, { timeMs: now, principal: caller.name, action: 'init', arguments: JSON.stringify(address), phase: 'ok', operationId: '', code: '' });
  });
  return db;
}

async function run(options: CoordinatorOptions, db: Database): Promise<Running> {
  const { clock, log } = options;
  const row = getFleet(db);
  if (row === undefined) throw reeveError('NOT_INITIALISED', { value: options.stateDir });
  const authority = openAuthority(join(options.stateDir, 'pki'), row.id, clock.now());
  const orphans = orphanOperations(db, clock.now());
  if (orphans > 0) log.warn({ parts: orphans }, 'operations were under way when the coordinator ended; their hosts are asked what became of them');
  const linkDir = join(options.stateDir, 'link');
  // Sockets of a coordinator that was killed.
  rmSync(linkDir, { recursive: true, force: true });
  mkdirSync(linkDir, { mode: 0o700 });
  const history = openHistory(join(options.stateDir, 'metrics.db'), { ...openOptions(options), log });
  const world: World = { db, history, authority, clock, log, linkDir, epoch: row.epoch, ownAddresses: options.ownAddresses ?? machineAddresses, waits: createWaits() };
  const fleet = createFleet(world);
  const perHost = createKeyedQueue();
  const changes = createChangeEngine(world, fleet, perHost);
  const stop = new AbortController();
  const settling = new Set<Promise<void>>();
  const settle = (hostId: string): void => {
    if (stop.signal.aborted) return;
    const work = settleHost(world, fleet, perHost, hostId, stop.signal)
      .catch(async (error: unknown) => {
        if (!isUnwritable(error)) {
          options.onBug(error);
          return;
        }
        log.error({ err: error, host: hostId }, 'what a host is owed waits until the database can be written');
        if (await waitFor(unwritableWaitMs, stop.signal)) settle(hostId);
      })
      .finally(() => settling.delete(work));
    settling.add(work);
  };
  const holds = keepHolds(world, settle);
  const converge = (hostId: string): void => {
    if (fleet.live(hostId).state === 'connected') settle(hostId);
  };
  const histories = keepHistory(world, fleet);
  const expiries = keepExpiries(world, converge);
  const certs = keepCerts(world, converge);
  const engine = createBackupEngine(world, fleet, options.onBug);
  const keeper = keepBackups(world, fleet, engine);
  const notify = options.notify ?? noNotify;
  const alerts = keepAlerts(world, fleet, { send: createSend(notify), link: notify.alertUrl, onBug: options.onBug });
  const open: { ports?: Ports } = {};
  const renewCertificate = (): string => {
    authority.renewCoordinator(clock.now());
    open.ports?.updateCertificate();
    return noteKey(office);
  };
  const office: Office = { ...world, fleet, changes, holds, expiries, histories, certs, backups: { engine, keeper }, alerts, notify, converge, operatorsOpen: options.operatorsBind !== undefined, metricsAt: options.metrics === undefined ? '' : formatMetricListen(options.metrics), renewCertificate, startedAtMs: clock.now() };
  noteKey(office);
  const ports = await listenOnNetwork(options, office, row);
  open.ports = ports;
  fleet.start((hostId) => {
    settle(hostId);
    void keeper.settle(hostId);
  });
  const timers = [setInterval(() => keepHouse(office), housekeepingMs), setInterval(() => void check(options, office), checkMs)];
  keepHouse(office);
  return { office, ports, stop, timers, settling };
}

/** Notes the key of the coordinator's certificate, so that it can be denied one day. Answers its fingerprint. */
function noteKey({ db, authority }: World): string {
  const fingerprint = keyFingerprint(new X509Certificate(authority.coordinator().certificate).publicKey);
  noteCoordinatorKey(db, fingerprint, authority.coordinatorValidity().toMs);
  return fingerprint;
}

async function listenOnNetwork(options: CoordinatorOptions, office: Office, row: FleetPorts): Promise<Ports> {
  const { stateDir, log, clock, onBug } = options;
  const { agentsPort, enrolmentPort } = row;
  const agents = await listenForAgents(office, { host: options.bind, agentsPort, enrolmentPort, onBug, ...(options.enrolLimits === undefined ? {} : { enrolLimits: options.enrolLimits }) });
  const opened: { close(graceMs: number): Promise<void> }[] = [agents];
  try {
    const init = (): Promise<Office> => Promise.reject(reeveError('ALREADY_INITIALISED', { value: stateDir }));
    const operators = options.operatorsBind === undefined ? undefined : await listenForOperators(office, { stateDir, packageDir: options.packageDir ?? defaultPackageDir, log, clock, onBug, init, office: () => office, host: options.operatorsBind, port: row.operatorsPort });
    if (operators !== undefined) opened.push(operators);
    if (options.metrics !== undefined) opened.push(await listenForMetrics(office, options.metrics, onBug));
    return {
      updateCertificate() {
        agents.updateCertificate();
        operators?.updateCertificate();
      },
      async close(graceMs) {
        await Promise.all(opened.map((port) => port.close(graceMs)));
      },
    };
  } catch (error) {
    await Promise.all(opened.map((port) => port.close(0)));
    throw error;
  }
}

/** Checks the database; a damaged one is not written any more, and health says so. */
async function check(options: CoordinatorOptions, office: Office): Promise<void> {
  const order = { copy: join(options.stateDir, 'check.db'), options: openOptions(options), ...(options.entry === undefined ? {} : { entry: options.entry }) };
  try {
    const damage = await checkDatabase(office.db, order);
    if (damage === undefined) return;
    refuseWrites(office.db, damage);
    office.log.error({ damage }, 'the database is damaged; nothing is written to it any more');
  } catch (error) {
    office.log.error({ err: error }, 'the database could not be checked');
  }
}

/** Renews the coordinator's certificate at half its life, with jitter, and forgets what is too old to matter. */
function keepHouse(office: Office): void {
  const { db, log } = office;
  const now = office.clock.now();
  for (const tidy of [tidyKeys, tidyOperatorKeys, tidyTokens, tidyCoordinatorKeys, tidyLoginTokens, tidyOperations, tidySpans]) noting(db, log, () => tidy(db, now));
  noting(db, log, () => tidyWebSessions(db, now, sessionLife.idleMs));
  tidyAlertRows(office, now);
  const { fromMs, toMs } = office.authority.coordinatorValidity();
  // One that begins in the future was made while this clock was far ahead: nobody takes it now.
  if (fromMs <= now && toMs - now > certificateLife.coordinatorMs * (0.45 + 0.1 * random())) return;
  try {
    office.renewCertificate();
    log.info('the coordinator has a new certificate');
  } catch (error) {
    log.error({ err: error }, 'the certificate of the coordinator could not be renewed; it is tried again');
  }
}

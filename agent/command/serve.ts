import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ReeveError, reeveError } from '../../shared/errors/error.js';
import { createLog, type Logger } from '../../shared/kit/log.js';
import { notifyReady } from '../../shared/kit/notify.js';
import { version } from '../../shared/kit/version.js';
import { agentPort } from '../../shared/model/host.js';
import { parseAgentConfig, type AgentConfig } from '../config.js';
import { takeGuard, type Guard } from '../host/guard.js';
import { readMachineHint } from '../host/facts.js';
import { createSystemHost } from '../host/system.js';
import { readUpgradeNote } from '../host/upgrade.js';
import { writeRenewal } from '../identity/renewal-file.js';
import { startRenewer } from '../identity/renew.js';
import { openIdentityStore } from '../identity/store.js';
import { claimState } from '../journal/format.js';
import { controlSocket } from '../local/client.js';
import { answerLocal } from '../local/service.js';
import { createAgentServer, type AgentServer, type AgentServerOptions } from '../server.js';
import { holdPath } from '../paths.js';
import type { AgentOptions } from './options.js';

/** Longest wait for a running operation when the agent is told to stop, ms. */
const stopMs = 20_000;

/** How long the agent waits for a command of root that works in its place, ms; then systemd starts it again. */
const guardMs = 30_000;

/** `reeve-agent serve`: the daemon. Resolves when it is told to stop. */
export async function runServe(options: AgentOptions): Promise<void> {
  const config = readConfig(options.paths.config);
  const log = createLog('reeve-agent', config.logLevel);
  endOnBug(log);
  const store = openIdentityStore(options.paths.state);
  const identity = store.load();
  if (identity === undefined) throw reeveError('FIELD_MISSING', { field: 'identity', rule: 'this host has not joined; an operator runs "reeve host invite"' });
  claimOwnState(options.paths.state, log);
  const stop = createStop();
  const host = createSystemHost({
    policyPath: options.paths.policy,
    holdPath: holdPath(options.paths),
    helperSocket: options.paths.helper,
    statePath: options.paths.state,
    carrier: join(dirname(process.argv[1] ?? ''), 'reeve-carry'),
    policyOwners: options.custom ? [0, process.geteuid?.() ?? 0] : [0],
    log,
  });
  const machineHint = readMachineHint();
  if (identity.machineHint !== undefined && identity.machineHint !== machineHint.toString('hex')) {
    log.warn({ joined: identity.machineHint.slice(0, 16), now: machineHint.toString('hex').slice(0, 16) }, 'this is not the machine that joined; if it is a copy of one, run "reeve-agent reset" here');
  }
  const instanceId = randomUUID();
  const dialOut = config.dialOut ?? identity.link === 'dial-out';
  const guard = await guardState(options.paths.state, log);
  const server = await listenAnywhere({
    host, identity, log, instanceId, machineHint,
    ...(config.dialOut === undefined ? {} : { dialOut: config.dialOut }),
    ...(config.relayListen === undefined ? {} : { relayListen: config.relayListen }),
    ...(config.keySync === undefined ? {} : { keySync: config.keySync }),
    stateDir: options.paths.state,
    upgrade: readUpgradeNote(),
    onCoordinator: () => renewer?.used(),
    onReleased: () => renewer?.close(),
    onBug: (error) => {
      log.fatal({ err: error }, 'a bug; the agent ends and starts anew');
      process.exit(70);
    },
  }, options.listen ?? config.listen, dialOut);
  guard?.serve(answerLocal(server.undo, log));
  const renewer = server.released() ? undefined : startRenewer({
    store, log, now: Date.now, machineHint, instanceId, trust: server.trust,
    onRenewed: (next) => {
      server.updateIdentity(next);
      // Whether it listens is decided at the start.
      if ((config.dialOut ?? next.link === 'dial-out') !== dialOut) stop.now('the link to the coordinator is another; the agent starts anew');
    },
    onTried: (state) => {
      server.updateRenewal(state);
      writeRenewal(options.paths.state, state);
    },
  }, identity);
  if (renewer === undefined) log.warn('this host was released: it takes no changes any more, until it joins again or "reeve-agent reset" is run');
  const where = server.address.port === 0 ? { dialOut } : { address: server.address.address, port: server.address.port, dialOut };
  log.info({ ...where, host: identity.hostName, hostId: identity.hostId }, server.address.port === 0 ? 'not listening: the coordinator dials through our connection to it' : 'listening');
  await notifyReady().catch((error: unknown) => log.warn({ err: error }, 'the service manager could not be told'));
  log.info({ reason: await stop.asked }, 'stopping');
  renewer?.close();
  await server.close(stopMs);
  await guard?.close();
  host.close();
}

/** A full disk has no room for a socket, for nobody: the agent goes on without it, as what removes access is still done then. */
async function guardState(stateDir: string, log: Logger): Promise<Guard | undefined> {
  try {
    return await takeGuard(controlSocket(stateDir), guardMs);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && /^(?:ENOSPC|EDQUOT|EROFS)$/.test(String(error.code)))) throw error;
    log.error({ err: error }, 'there is no room for the socket of local commands; reeve-agent undo does not work until the agent is started again');
    return undefined;
  }
}

/** A newer agent's state ends the start. A full disk does not: what changes something is refused later, by the journal. */
export function claimOwnState(stateDir: string, log: Logger): void {
  try {
    claimState(stateDir, version);
  } catch (error) {
    if (error instanceof ReeveError) throw error;
    log.error({ err: error }, 'the format of the state could not be noted');
  }
}

/** On the address that is configured; else nowhere when the agent dials out, and on all addresses otherwise, IPv6 and IPv4 by one socket where the kernel has IPv6. */
async function listenAnywhere(options: Omit<AgentServerOptions, 'listen'>, wanted: AgentConfig['listen'], dialOut: boolean): Promise<AgentServer> {
  if (wanted === undefined && dialOut) return createAgentServer({ ...options, listen: undefined });
  if (wanted !== undefined) return createAgentServer({ ...options, listen: { host: wanted.address, port: wanted.port } });
  const host = existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0';
  return createAgentServer({ ...options, listen: { host, port: agentPort } });
}

function readConfig(path: string): AgentConfig {
  return parseAgentConfig(existsSync(path) ? readFileSync(path, 'utf8') : '');
}

/** No limp mode: what nobody caught ends the process, and the journal recovers (R105). */
function endOnBug(log: Logger): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'a bug; the agent ends and starts anew');
    process.exit(70);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

/** Resolves with the reason when the program is told to stop, or tells itself. */
function createStop(): { asked: Promise<string>; now: (reason: string) => void } {
  let now: (reason: string) => void = () => undefined;
  const asked = new Promise<string>((resolve) => {
    // Timers of the agent do not keep it alive, its listener does; this one line is for the time in which there is none.
    const keep = setInterval(() => undefined, 3600_000);
    now = (reason) => {
      clearInterval(keep);
      resolve(reason);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => now(signal));
  });
  return { asked, now: (reason) => now(reason) };
}

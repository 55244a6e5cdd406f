import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatMessage, formatRemedy, ReeveError, reeveError } from '../shared/errors/error.js';
import { catalogue } from '../shared/errors/catalogue.js';
import { systemClock } from '../shared/kit/clock.js';
import { createLog, type Logger } from '../shared/kit/log.js';
import { notifyReady } from '../shared/kit/notify.js';
import { version } from '../shared/kit/version.js';
import { vis } from '../shared/model/vis.js';
import { backupDatabase, restoreDatabase } from './backup.js';
import { readConfig } from './config.js';
import { startCoordinator } from './coordinator.js';
import { checkDatabase, runCheckThread } from './inventory/check.js';
import { openDatabase } from './inventory/database.js';

const help = `reeved - the coordinator of a Reeve fleet

Usage:
  reeved serve               run the coordinator (systemd does this)
  reeved backup FILE         write a consistent copy of the database while it runs
  reeved restore FILE        put a copy back, while the coordinator is stopped
  reeved check               check the whole database, on a copy; the coordinator does this daily
  reeved --version

Options:
  --state DIR      database and keys            [/var/lib/reeved]
  --socket PATH    the operators' API           [/run/reeved/api.sock]
  --config FILE    bind ADDRESS, operators-bind ADDRESS|off, log-level WORD,
                   package-dir DIR, and how alerts are told and
                   metrics are read: see reeved(8)  [/etc/reeve/reeved.conf]

Examples:
  reeved backup /var/backups/reeve.db
  systemctl stop reeved && reeved restore /var/backups/reeve.db && systemctl start reeved

Exit codes: 0 ok, 1 failed, 2 a mistake in the command, 70 a mistake of Reeve.
`;

/** Longest time a stop may take, ms. */
const graceMs = 20_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      state: { type: 'string', default: '/var/lib/reeved' },
      socket: { type: 'string', default: '/run/reeved/api.sock' },
      config: { type: 'string', default: '/etc/reeve/reeved.conf' },
      peercred: { type: 'string' },
      version: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const [verb, file] = positionals;
  if (values.version === true) return say(`reeved ${version}\n`);
  if (values.help === true || verb === undefined) return say(help);
  if (verb === 'backup' && file !== undefined) {
    await backupDatabase(join(values.state, 'reeve.db'), file, native());
    return 0;
  }
  if (verb === 'restore' && file !== undefined) {
    restoreDatabase(values.state, file, native());
    return say('Restored. The epoch was raised: no other copy of this coordinator is obeyed any more.\nIf this machine has another address: reeve fleet set --address ADDRESS\n');
  }
  if (verb === 'check') return check(values.state);
  if (verb !== 'serve') {
    process.stderr.write(`reeved: "${vis(verb)}" is not a command; see reeved --help\n`);
    return 2;
  }
  await serve({ stateDir: values.state, socketPath: values.socket, config: values.config, peercred: values.peercred });
  return 0;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function serve(paths: { stateDir: string; socketPath: string; config: string; peercred: string | undefined }): Promise<void> {
  process.umask(0o077);
  const config = readConfig(paths.config);
  const log = createLog('reeved', config.logLevel);
  dieOnBugs(log);
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const coordinator = await startCoordinator({
    stateDir: paths.stateDir,
    socketPath: paths.socketPath,
    peercred: paths.peercred ?? beside('peercred', '../build/peercred/reeve-peercred'),
    bind: config.bind,
    operatorsBind: config.operatorsBind,
    packageDir: config.packageDir,
    metrics: config.metrics,
    notify: config.notify,
    ...native(),
    ...threadEntry(),
    clock: systemClock,
    log,
    onBug: (error) => end(log, error),
  });
  log.info({ version, initialised: coordinator.office() !== undefined }, 'the coordinator is ready');
  await notifyReady();
  const signal = await stopped;
  log.info({ signal }, 'the coordinator is stopping');
  await coordinator.close(graceMs);
}

/** No limp mode: what nobody expected ends the process; systemd starts it anew and the journal tells what was under way. */
function dieOnBugs(log: Logger): void {
  process.on('uncaughtException', (error) => end(log, error));
  process.on('unhandledRejection', (error) => end(log, error));
}

function end(log: Logger, error: unknown): never {
  log.fatal({ err: error }, 'the coordinator met a bug and ends');
  process.exit(70);
}

/** Checks the database thoroughly; 1 when it is damaged. */
async function check(stateDir: string): Promise<number> {
  const source = join(stateDir, 'reeve.db');
  if (!existsSync(source)) throw reeveError('NOT_INITIALISED', { value: stateDir });
  const db = openDatabase(source, native());
  try {
    const damage = await checkDatabase(db, { copy: join(stateDir, `check-${String(process.pid)}.db`), options: native(), ...threadEntry() });
    say(damage === undefined ? 'The database is whole.\n' : `The database is damaged: ${vis(damage)}\nRestore the newest backup: systemctl stop reeved && reeved restore FILE && systemctl start reeved\n`);
    return damage === undefined ? 0 : 1;
  } finally {
    db.close();
  }
}

/** This program's file for threads of its own; a development tree has none that a thread can load. */
function threadEntry(): { entry?: string } {
  const file = fileURLToPath(import.meta.url);
  return file.endsWith('.js') ? { entry: file } : {};
}

/** The compiled SQLite binding beside the bundle of a package; in development the one of node_modules is found by itself. */
function native(): { nativeBinding?: string } {
  const file = join(dirname(fileURLToPath(import.meta.url)), 'better_sqlite3.node');
  return existsSync(file) ? { nativeBinding: file } : {};
}

/** A program beside the bundle, or in the development tree. */
function beside(name: string, development: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const packaged = join(here, name);
  return existsSync(packaged) ? packaged : join(here, development);
}

if (!runCheckThread()) main().then((code) => process.exit(code), fail);

function fail(error: unknown): never {
  if (error instanceof ReeveError) {
    for (const item of error.items) process.stderr.write(`reeved: ${vis(formatMessage(item))}\n${formatRemedy(item) === '' ? '' : `  ${vis(formatRemedy(item))}\n`}`);
    process.exit(catalogue[error.code].exit);
  }
  const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`reeved: ${error instanceof Error ? vis(usage ? error.message : (error.stack ?? error.message)) : 'unknown error'}\n`);
  process.exit(usage ? 2 : 70);
}

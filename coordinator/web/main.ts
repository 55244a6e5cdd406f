import { credentials } from '@grpc/grpc-js';
import { parseArgs } from 'node:util';
import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy, ReeveError, reeveError } from '../../shared/errors/error.js';
import { systemClock } from '../../shared/kit/clock.js';
import { createLog, type Logger } from '../../shared/kit/log.js';
import { notifyReady } from '../../shared/kit/notify.js';
import { version } from '../../shared/kit/version.js';
import { vis } from '../../shared/model/vis.js';
import { openChannel } from '../../shared/rpc/client.js';
import { maxAnswerBytes } from '../../shared/rpc/server.js';
import { readWebConfig } from './config.js';
import { serveWeb } from './server.js';
import { pages } from './view/pages.js';

const help = `reeve-web - the status page of a Reeve fleet

Usage:
  reeve-web serve            serve the page (systemd does this)
  reeve-web check            say whether the configuration can be used
  reeve-web --version

Options:
  --config FILE    listen, unix, name, base, proxy, certificate, key, log-level
                                                [/etc/reeve/web.conf]
  --socket PATH    the coordinator's API        [/run/reeved/api.sock]

Who may log in: reeve web login set NAME
Exit codes: 0 ok, 1 failed, 2 a mistake in the command, 70 a mistake of Reeve.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string', default: '/etc/reeve/web.conf' },
      socket: { type: 'string', default: '/run/reeved/api.sock' },
      version: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const [verb] = positionals;
  if (values.version === true) return say(`reeve-web ${version}\n`);
  if (values.help === true || verb === undefined) return say(help);
  if (verb === 'check') {
    readWebConfig(values.config);
    return say('The configuration can be used.\n');
  }
  if (verb !== 'serve') {
    process.stderr.write(`reeve-web: "${vis(verb)}" is not a command; see reeve-web --help\n`);
    return 2;
  }
  await serve(values.config, values.socket);
  return 0;
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function serve(configPath: string, socketPath: string): Promise<void> {
  process.umask(0o007);
  const config = readWebConfig(configPath);
  const log = createLog('reeve-web', config.logLevel);
  process.on('uncaughtException', (error) => end(log, error));
  process.on('unhandledRejection', (error) => end(log, error));
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const api = openChannel({
    target: `unix:${socketPath}`,
    credentials: credentials.createInsecure(),
    unreachable: (reason) => reeveError('COORDINATOR_UNREACHABLE', { value: socketPath, reason }),
    options: { 'grpc.max_receive_message_length': maxAnswerBytes, 'grpc.max_reconnect_backoff_ms': 2_000 },
  });
  const web = await serveWeb({ config, api, pages, log, now: () => systemClock.now(), monotonic: () => systemClock.monotonic() });
  log.info({ version, port: web.port }, 'the status page is ready');
  await notifyReady();
  const signal = await stopped;
  log.info({ signal }, 'the status page is stopping');
  await web.close();
  api.close();
}

/** No limp mode: what nobody expected ends the process, and systemd starts it anew. */
function end(log: Logger, error: unknown): never {
  log.fatal({ err: error }, 'the status page met a bug and ends');
  process.exit(70);
}

main().then((code) => process.exit(code), fail);

function fail(error: unknown): never {
  if (error instanceof ReeveError) {
    for (const item of error.items) process.stderr.write(`reeve-web: ${vis(formatMessage(item))}\n${formatRemedy(item) === '' ? '' : `  ${vis(formatRemedy(item))}\n`}`);
    process.exit(catalogue[error.code].exit);
  }
  const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  const system = error instanceof Error && 'syscall' in error;
  process.stderr.write(`reeve-web: ${error instanceof Error ? vis(usage || system ? error.message : (error.stack ?? error.message)) : 'unknown error'}\n`);
  process.exit(usage ? 2 : system ? 1 : 70);
}

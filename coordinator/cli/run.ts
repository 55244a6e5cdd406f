import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { catalogue } from '../../shared/errors/catalogue.js';
import { formatMessage, formatRemedy, ReeveError, reeveError } from '../../shared/errors/error.js';
import type { Clock } from '../../shared/kit/clock.js';
import { vis } from '../../shared/model/vis.js';
import type { Api } from './connect.js';
import { exitOfError } from './exit.js';
import { failureJson, formatJson } from './json.js';
import { parseLine } from './parse.js';
import { openProfileStore, type ProfileStore } from './profile.js';
import type { Terminal } from './terminal.js';
import { nouns } from './tree.js';

/** What the command line works in. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Environment variables; REEVE_SOCKET, XDG_CONFIG_HOME and HOME are read, and SSH_AUTH_SOCK by `reeve host add`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

/** Where a coordinator on this machine listens. */
const defaultSocket = '/run/reeved/api.sock';

/** Runs one command line and gives its exit code. Never throws. */
export async function runLine(surroundings: Surroundings, line: readonly string[]): Promise<number> {
  const { terminal, clock, signal, environment } = surroundings;
  let opened: Api | undefined;
  try {
    const parsed = parseLine(nouns, surroundings.version, line);
    if (parsed.kind === 'text') {
      terminal.out(parsed.text);
      return 0;
    }
    const logins = openProfileStore(environment);
    const named = parsed.socket ?? (environment['REEVE_SOCKET'] || undefined);
    const api = async (): Promise<Api> => (opened ??= await open({ named, logins, signal, now: () => clock.now() }));
    const exit = await parsed.command.run({ terminal, clock, signal, json: parsed.json, environment, api, logins }, parsed.args as never);
    await opened?.settle?.();
    return exit;
  } catch (error) {
    return showFailure(terminal, error, line.slice(0, line.includes('--') ? line.indexOf('--') : undefined).includes('--json'));
  } finally {
    opened?.close();
  }
}

/** The socket that is named, else the coordinator of this machine, else the one that this account is logged in to. Errors: LOGIN_MISSING. */
async function open(by: { named: string | undefined; logins: ProfileStore; signal: AbortSignal; now: () => number }): Promise<Api> {
  const socket = by.named ?? (existsSync(defaultSocket) ? defaultSocket : undefined);
  if (socket !== undefined) return (await import('./connect.js')).connect(socket, by.signal);
  const profile = by.logins.load();
  if (profile === undefined) throw reeveError('LOGIN_MISSING', { value: defaultSocket });
  return (await import('./remote.js')).connectRemote(profile, { store: by.logins, signal: by.signal, now: by.now });
}

/** Shows why a command failed and gives the exit code. What is not in the catalogue is a bug of the command line: its log is standard error. */
function showFailure(terminal: Terminal, thrown: unknown, json: boolean): number {
  const correlation = randomBytes(8).toString('hex');
  const error = thrown instanceof ReeveError ? thrown : new ReeveError([{ code: 'INTERNAL', fields: { correlation } }], { cause: thrown });
  if (json) terminal.out(formatJson(failureJson(error)));
  else terminal.err(failureText(error));
  if (thrown !== error) {
    const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    terminal.err(stack.split('\n').map((text) => `${correlation}: ${vis(text)}\n`).join(''));
  }
  return exitOfError(error);
}

/** A failed command's errors for people: message and remedy of each; the correlation of what is ours. */
function failureText(error: ReeveError): string {
  const lines = error.items.flatMap((item) => {
    const remedy = vis(formatRemedy(item));
    return [`reeve: ${vis(formatMessage(item))}`, ...(remedy === '' ? [] : [`  ${remedy}`])];
  });
  const { correlation } = error;
  const named = correlation !== undefined && error.fields['correlation'] !== correlation && catalogue[error.code].exit === 70;
  return [...lines, ...(named ? [`  Details are in the coordinator's log under ${vis(correlation)}.`] : [])].map((text) => `${text}\n`).join('');
}

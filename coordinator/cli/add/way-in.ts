import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import { reeveError } from '../../../shared/errors/error.js';
import { createKeyedQueue } from '../../../shared/kit/queue.js';
import { vis } from '../../../shared/model/vis.js';
import type { Context } from '../context.js';
import { readIdentity, type Credentials } from '../ssh/credential.js';
import { findKnownKeys, type KnownKeys } from '../ssh/known-hosts.js';
import type { Login } from '../ssh/login.js';
import { becomeRoot, type Root } from '../ssh/root.js';
import { openSession, type Session } from '../ssh/session.js';
import type { Target } from './target.js';

/** What the command line says about logging in, for all targets alike. */
export interface WayInOptions {
  /** Socket of ssh-agent(1); undefined: none is used. */
  readonly agent: string | undefined;
  readonly password: string | undefined;
}

/** Logs in to targets as root. */
export type WayIn = (target: Target) => Promise<{ readonly root: Root; close(): void }>;

/** Ways in by SSH. Keys are read, and people asked, once for all targets. */
export function createWayIn(context: Context, options: WayInOptions): WayIn {
  const identities = new Map<string, Promise<ParsedKey>>();
  const known = readKnownHosts(context.environment['HOME'] ?? homedir());
  const questions = createKeyedQueue();

  const identityOf = (path: string): Promise<ParsedKey> => {
    const reading = identities.get(path) ?? readIdentity(path, () => askPassphrase(context, path));
    identities.set(path, reading);
    return reading;
  };
  const open = (login: Login, over: { credentials: Credentials; expected: string | undefined; through?: Awaited<ReturnType<Session['forward']>> }): Promise<Session> =>
    openSession({
      login,
      credentials: over.credentials,
      hostKey: { expected: over.expected, known: known(login) },
      // One question at a time, however many hosts are taken in at once.
      confirm: (question) => questions.run('key', () => confirmKey(context, question)),
      ...(over.through === undefined ? {} : { through: over.through }),
      signal: context.signal,
    });

  return async (target) => {
    const keys: Credentials = {
      ...(target.identity === undefined ? {} : { identity: await identityOf(target.identity) }),
      ...(options.agent === undefined ? {} : { agent: options.agent }),
    };
    // The password is the host's: the machine in between never gets it.
    const jump = target.jump === undefined ? undefined : await open(target.jump, { credentials: keys, expected: target.jumpHostKey });
    try {
      const through = await jump?.forward(target.login);
      const credentials = { ...keys, ...(options.password === undefined ? {} : { password: options.password }) };
      const session = await open(target.login, { credentials, expected: target.hostKey, ...(through === undefined ? {} : { through }) });
      const close = (): void => {
        session.close();
        jump?.close();
      };
      try {
        return { root: await becomeRoot(session, { host: target.name, login: target.login, sudo: target.sudo, password: options.password }), close };
      } catch (error) {
        session.close();
        throw error;
      }
    } catch (error) {
      jump?.close();
      throw error;
    }
  };
}

/** Only a person who types the whole word lets an unknown key in; `--yes` does not, as nothing but the fingerprint can be compared. */
async function confirmKey(context: Context, { host, fingerprint, type }: { host: string; fingerprint: string; type: string }): Promise<boolean> {
  if (context.json || !context.terminal.interactive) return false;
  context.terminal.err(`The SSH host key of ${vis(host)} is not known. Its ${type} fingerprint is\n  ${fingerprint}\nOn the host itself, "ssh-keygen -lf /etc/ssh/ssh_host_${type}_key.pub" shows the right one.\n`);
  return (await context.terminal.ask('Is it this one? Type yes to go on: ', context.signal)) === 'yes';
}

async function askPassphrase(context: Context, path: string): Promise<string> {
  if (context.json || !context.terminal.interactive) {
    throw reeveError('SSH_KEY_UNUSABLE', { value: path, rule: 'it has a passphrase, and nobody can be asked here; put the key into ssh-agent(1) and use --agent' });
  }
  return context.terminal.askSecret(`Passphrase of ${vis(path)}: `, context.signal);
}

function readKnownHosts(home: string): (login: Login) => KnownKeys {
  const text = [join(home, '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts'].map(readOrEmpty).join('\n');
  return (login) => findKnownKeys(text, login);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

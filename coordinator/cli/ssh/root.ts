import { reeveError } from '../../../shared/errors/error.js';
import { elevated, looking, sudoPrompt, type Elevation } from './command.js';
import type { Login } from './login.js';
import type { Answer, Session } from './session.js';

/** A login that does things as root. */
export interface Root {
  /** Runs a command of the table as root; `input` becomes its standard input. Errors: those of the session, SUDO_REFUSED. */
  run(command: string, options?: { readonly input?: string | Uint8Array; readonly deadlineMs?: number }): Promise<Answer>;
}

/** How a login becomes root. */
export interface RootOptions {
  readonly host: string;
  readonly login: Login;
  /** Whether sudo may be used. */
  readonly sudo: boolean;
  readonly password: string | undefined;
}

/** Longest time of a command that only looks, ms. */
const usualMs = 60_000;

/** Longest wait for sudo's question, ms. */
const askMs = 20_000;

/** Finds out how this login is root: it is, or sudo makes it so without or with the password. Errors: SUDO_REFUSED and those of the session. */
export async function becomeRoot(session: Session, options: RootOptions): Promise<Root> {
  const refused = (reason: string): Error => reeveError('SUDO_REFUSED', { host: options.host, value: options.login.user, reason });
  const uid = await runAs(session, looking.uid, 'none', options);
  if (uid.stdout.trim() === '0') return rootBy(session, 'none', options);
  if (!options.sudo) throw refused('it is not root');
  const plain = await runAs(session, looking.uid, 'sudo', options);
  if (plain.stdout.trim() === '0') return rootBy(session, 'sudo', options);
  if (options.password === undefined) throw refused(plain.code === 127 ? 'there is no sudo' : 'sudo wants a password; give it with --password-stdin');
  const asked = await runAs(session, looking.uid, 'sudo with password', options);
  if (asked.stdout.trim() !== '0') throw refused('sudo says no');
  return rootBy(session, 'sudo with password', options);
}

function rootBy(session: Session, elevation: Elevation, options: RootOptions): Root {
  return { run: (command, { input, deadlineMs } = {}) => runAs(session, command, elevation, options, { ...(input === undefined ? {} : { input }), ...(deadlineMs === undefined ? {} : { deadlineMs }) }) };
}

async function runAs(session: Session, command: string, elevation: Elevation, options: RootOptions, { input = '', deadlineMs = usualMs }: { input?: string | Uint8Array; deadlineMs?: number } = {}): Promise<Answer> {
  const running = await session.start(elevated(command, elevation), deadlineMs);
  if (elevation !== 'sudo with password') {
    running.input.end(input);
    return running.answer;
  }
  // The password goes to sudo's question and to nothing else: where sudo does not ask, the command would read it.
  let asked = 0;
  await new Promise<void>((resolve, reject) => {
    const refuse = (reason: string): void => {
      running.input.close();
      reject(reeveError('SUDO_REFUSED', { host: options.host, value: options.login.user, reason }));
    };
    const timer = setTimeout(() => refuse('sudo did not ask for the password in the usual way'), askMs);
    running.onStderr((soFar) => {
      const questions = soFar.split(sudoPrompt).length - 1;
      if (questions === asked) return;
      asked = questions;
      clearTimeout(timer);
      if (asked > 1) {
        running.input.close();
        return;
      }
      running.input.write(`${options.password ?? ''}\n`);
      resolve();
    });
    running.answer.then(
      () => {
        clearTimeout(timer);
        resolve();
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error('the session broke'));
      },
    );
  });
  running.input.end(input);
  const answer = await running.answer;
  if (asked > 1) throw reeveError('SUDO_REFUSED', { host: options.host, value: options.login.user, reason: 'sudo does not accept this password' });
  return { ...answer, stderr: answer.stderr.replaceAll(sudoPrompt, '') };
}

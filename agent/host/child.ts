import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { reeveError } from '../../shared/errors/error.js';

/** Another process of this program. */
export interface OwnChild {
  /** Ends it by closing its standard input, and waits for that. */
  close(): Promise<void>;
}

/** Runs this program with other arguments beside this process, and waits for its first line. Errors: what it shows goes to standard error; BUSY when it ends before that. */
export async function startOwn(args: readonly string[]): Promise<OwnChild> {
  const [, script = ''] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, script, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: {} });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ready = new Promise<boolean>((resolve) => {
    createInterface(child.stdout).once('line', () => resolve(true));
    void ended.then(() => resolve(false));
    child.once('error', () => resolve(false));
  });
  if (!(await ready)) throw reeveError('BUSY', { rule: 'the agent could not be started for this command' });
  return {
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

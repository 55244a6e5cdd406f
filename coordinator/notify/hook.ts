import { spawn } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { parseHookName } from '../../shared/model/alert.js';
import { clean, renderJson, type Message, type Sent } from './message.js';

/*
 * The one place of the coordinator that starts a program of the operator. Child processes are for agent/host; this is the coordinator's own, because an alert leaves from here, and has
 * to leave also when no host can be reached. What it starts is chosen by name from a folder that only root writes; nothing of a message is an argument or a variable.
 */

/** Longest time that a program may run, ms. */
const deadlineMs = 30_000;

/** Most of what it prints that is kept, bytes. */
const mostOutputBytes = 4096;

/** All that a program finds in its environment. */
const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' } as const;

/** Why a program of the folder is not run; undefined: it may be. Folder and file have to be root's, and nobody else may alter them; a link is not followed. */
export function hookProblem(hookDir: string, name: string): string | undefined {
  const path = join(hookDir, name);
  for (const [what, kind] of [[hookDir, 'folder'], [path, 'file']] as const) {
    const stat = lstatSync(what, { throwIfNoEntry: false });
    if (stat === undefined) return `there is no ${what}`;
    if (kind === 'folder' ? !stat.isDirectory() : !stat.isFile()) return `${what} is not a ${kind}`;
    if (stat.uid !== 0) return `${what} does not belong to root`;
    if ((stat.mode & 0o022) !== 0) return `others than root may alter ${what}`;
    if (kind === 'file' && (stat.mode & 0o111) === 0) return `${what} is not executable`;
  }
  return undefined;
}

/** Runs a program of the folder with the message as JSON on stdin. Exit code 0 is well; its output is what it answered. It is killed with all it started after 30 s. */
export async function runHook(hookDir: string, name: string, message: Message, timeoutMs = deadlineMs): Promise<Sent> {
  const problem = hookProblem(hookDir, parseHookName(name));
  if (problem !== undefined) return { ok: false, problem, permanent: false };
  const child = spawn(join(hookDir, name), [], { cwd: '/', env: environment, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    if (bytes < mostOutputBytes) parts.push(part.subarray(0, mostOutputBytes - bytes));
    bytes += part.length;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // A program that does not read what it is given ends the pipe; its exit code says what that means.
  child.stdin.on('error', () => undefined);
  child.stdin.end(renderJson(message));
  const ended = await new Promise<{ code: number | null; error?: Error; late?: boolean }>((resolve) => {
    const timer = setTimeout(() => {
      killGroup(child.pid);
      resolve({ code: null, late: true });
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: null, error });
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      // What it left behind must not outlive it, nor hold its output open.
      killGroup(child.pid);
      child.stdout.once('close', () => resolve({ code }));
      if (child.stdout.closed) resolve({ code });
    });
  });
  const output = clean(Buffer.concat(parts).toString('utf8'));
  if (ended.code === 0) return { ok: true, answer: output };
  return { ok: false, problem: ended.late === true ? `it did not end within ${String(timeoutMs / 1000)} s` : endText(ended, output), permanent: false };
}

function endText({ code, error }: { code: number | null; error?: Error }, output: string): string {
  if (error !== undefined) {
    const refused = 'code' in error && error.code === 'EACCES';
    return refused ? 'it may not be started: the sandbox of reeved lets it run programs of hooks.d and /usr/lib only; for an interpreter see reeved(8), HOOKS' : clean(error.message);
  }
  return `it ended with ${code === null ? 'a signal' : `exit code ${String(code)}`}${output === '' ? '' : `: ${output}`}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended already.
  }
}

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a finished program answered. `code` is 128 + the signal's number when a signal ended it. */
export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  /** Written to standard input, which is otherwise empty. */
  readonly input?: string | Uint8Array;
  /** Milliseconds until the program is killed, default 60 000. */
  readonly timeoutMs?: number;
  /** Added to a plain PATH, HOME and LC_ALL; nothing of the test's own environment passes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder to run in, default the caller's (in the lab) or / (in a host). */
  readonly cwd?: string;
}

const SIGNAL_BASE = 128;
const SIGKILL = 9;
/** How long a program has to end by itself once its children are killed. */
const GROUP_KILL_AFTER_MS = 300;
const OUTPUT_CAP_BYTES = 64 * 1024 * 1024;
const BASE_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C.UTF-8' };

/** The environment of everything the lab starts. */
export function labEnv(extra?: Readonly<Record<string, string>>): Record<string, string> {
  return { ...BASE_ENV, ...extra };
}

/** Runs a program to its end, whatever its exit code; throws when it cannot be started or passes its deadline. */
export function execute(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error('Cannot run an empty argument list');
  const timeoutMs = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: labEnv(options.env), cwd: options.cwd, stdio: 'pipe', detached: true });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let expired = false;
    let groupKill: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      expired = true;
      groupKill = killProcessGroup(child.pid);
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined); // a program may end before it has read its input
    child.stdin.end(options.input ?? '');
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      clearTimeout(groupKill);
      const result = { code: code ?? SIGNAL_BASE + SIGKILL, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
      if (expired) reject(new Error(`${describeCommand(argv)} was still running after ${String(timeoutMs)} ms`, { cause: result }));
      else resolve(result);
    });
  });
}

/**
 * Ends a program started with `detached`, and all in its process group, also in the namespaces of a host. The program's own children first: nsenter
 * then collects the one it brought into the host, which would otherwise stay a zombie there and hold up the host's next shutdown.
 */
export function killProcessGroup(pid: number | undefined): NodeJS.Timeout | undefined {
  if (pid === undefined) return undefined;
  for (const child of childrenOf(pid)) kill(child);
  return setTimeout(() => {
    kill(-pid);
  }, GROUP_KILL_AFTER_MS);
}

function kill(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // ended meanwhile
  }
}

/** The children of a process's first thread. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').split(' ').filter((word) => word !== '').map(Number);
  } catch {
    return [];
  }
}

/** Like `execute`, for programs that must succeed: gives standard output, throws with all the output otherwise. */
export async function executeOk(argv: readonly string[], options: ExecOptions = {}): Promise<string> {
  return requireOk(argv, await execute(argv, options));
}

/** Gives standard output of a result with exit code 0, throws with all the output otherwise. */
export function requireOk(argv: readonly string[], result: ExecResult): string {
  if (result.code === 0) return result.stdout;
  throw new Error(`${describeCommand(argv)} ended with exit code ${String(result.code)}\n${result.stderr}${result.stdout}`);
}

/** The blocking form, for clean-up in exit handlers, where nothing asynchronous runs any more. */
export function executeSync(argv: readonly string[], timeoutMs = 30_000): ExecResult {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error('Cannot run an empty argument list');
  const done = spawnSync(file, args, { env: labEnv(), encoding: 'utf8', timeout: timeoutMs, maxBuffer: OUTPUT_CAP_BYTES });
  if (done.error !== undefined) throw done.error;
  return { code: done.status ?? SIGNAL_BASE + SIGKILL, stdout: done.stdout, stderr: done.stderr };
}

/** When a process started, in clock ticks since boot; undefined when there is no such process. With the pid it names a process for good. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The name in parentheses may hold anything; after it come state (field 3) and on, start time is field 22 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** For messages: the beginning of a command. */
export function describeCommand(argv: readonly string[]): string {
  return JSON.stringify(argv.join(' ').slice(0, 300));
}

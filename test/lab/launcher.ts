import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { cacheDir } from './base.js';
import { describeCommand, executeOk, killProcessGroup, labEnv, type ExecOptions, type ExecResult } from './process.js';

const SOURCE = join(import.meta.dirname, 'launcher.c');
const kinds = { started: 0, output: 1, errors: 2, ended: 3 } as const;

/** Where a program runs. */
export interface Place {
  /** The first process of the host, as this machine numbers it. */
  readonly leader: number;
  /** Whether the host has a user namespace of its own. */
  readonly ownUsers: boolean;
  readonly cgroupDir: string;
}

interface Job {
  readonly argv: readonly string[];
  readonly stdout: Buffer[];
  readonly stderr: Buffer[];
  readonly resolve: (result: ExecResult) => void;
  readonly reject: (error: Error) => void;
  readonly timeoutMs: number;
  pid: number | undefined;
  timer: NodeJS.Timeout | undefined;
  groupKill: NodeJS.Timeout | undefined;
  expired: boolean;
}

/** Runs a program in a host to its end, whatever its exit code; throws when it passes its deadline. */
export async function executeInHost(place: Place, argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  shared ??= startLauncher();
  return (await shared).run(place, argv, options);
}

/** One for this process. */
let shared: Promise<Launcher> | undefined;

async function startLauncher(): Promise<Launcher> {
  const key = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16);
  const program = join(cacheDir(), `launcher-${key}`);
  if (!existsSync(program)) {
    mkdirSync(cacheDir(), { recursive: true });
    const building = `${program}.${String(process.pid)}`;
    await executeOk(['gcc', '-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o', building, SOURCE]);
    renameSync(building, program);
  }
  return new Launcher(program);
}

/** Starts programs for this process: a process of Node's size is slow to fork. See launcher.c. */
class Launcher {
  readonly #child: ChildProcess;
  readonly #jobs = new Map<number, Job>();
  #numbers = 0;
  #unread: Buffer = Buffer.alloc(0);

  constructor(program: string) {
    this.#child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'], env: labEnv(), cwd: '/' });
    this.#child.stdin?.on('error', () => undefined); // told by its end
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
    const gone = (why: unknown): void => {
      shared = undefined;
      for (const [number, job] of this.#jobs) this.#finish(number, job, () => job.reject(new Error(`the launcher of the lab has ended: ${String(why)}`)));
    };
    this.#child.on('error', gone);
    this.#child.on('close', (code, signal) => gone(signal ?? code));
    this.#hold(false);
  }

  run(place: Place, argv: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const env = Object.entries(labEnv(options.env)).map(([name, value]) => `${name}=${value}`);
    const number = ++this.#numbers;
    const numbers = (...values: number[]): Buffer => {
      const bytes = Buffer.alloc(4 * values.length);
      values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
      return bytes;
    };
    const texts = (list: readonly string[]): Buffer => {
      if (list.some((item) => item.includes('\0'))) throw new Error(`a zero byte in ${describeCommand(argv)}`);
      return Buffer.from(list.map((item) => `${item}\0`).join(''));
    };
    const body = Buffer.concat([
      numbers(number, place.leader, place.ownUsers ? 1 : 0), texts([place.cgroupDir, options.cwd ?? '/']),
      numbers(argv.length), texts(argv), numbers(env.length), texts(env), Buffer.from(options.input ?? ''),
    ]);
    return new Promise((resolve, reject) => {
      const job: Job = { argv, stdout: [], stderr: [], resolve, reject, timeoutMs: options.timeoutMs ?? 60_000, pid: undefined, timer: undefined, groupKill: undefined, expired: false };
      this.#jobs.set(number, job);
      if (this.#jobs.size === 1) this.#hold(true);
      job.timer = setTimeout(() => {
        job.expired = true;
        job.groupKill = killProcessGroup(job.pid);
      }, job.timeoutMs);
      this.#child.stdin?.write(Buffer.concat([numbers(body.length), body]));
    });
  }

  #read(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    while (this.#unread.length >= 4) {
      const length = this.#unread.readUInt32LE();
      if (this.#unread.length < 4 + length) return;
      this.#event(this.#unread.readUInt32LE(4), this.#unread.readUInt32LE(8), Buffer.from(this.#unread.subarray(12, 4 + length)));
      this.#unread = this.#unread.subarray(4 + length);
    }
  }

  #event(number: number, kind: number, data: Buffer): void {
    const job = this.#jobs.get(number);
    if (job === undefined) return;
    if (kind === kinds.started) job.pid = data.readUInt32LE();
    else if (kind === kinds.output) job.stdout.push(data);
    else if (kind === kinds.errors) job.stderr.push(data);
    else {
      const result = { code: data.readUInt32LE(), stdout: Buffer.concat(job.stdout).toString(), stderr: Buffer.concat(job.stderr).toString() };
      this.#finish(number, job, () => {
        if (job.expired) job.reject(new Error(`${describeCommand(job.argv)} was still running after ${String(job.timeoutMs)} ms`, { cause: result }));
        else job.resolve(result);
      });
    }
  }

  #finish(number: number, job: Job, settle: () => void): void {
    clearTimeout(job.timer);
    clearTimeout(job.groupKill);
    this.#jobs.delete(number);
    if (this.#jobs.size === 0) this.#hold(false);
    settle();
  }

  /** Whether it keeps this process alive: while something runs. */
  #hold(isNeeded: boolean): void {
    for (const held of [this.#child, this.#child.stdin as Socket | null, this.#child.stdout as Socket | null]) {
      if (isNeeded) held?.ref();
      else held?.unref();
    }
  }
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The programs a bench is made of, by the first file of each. */
export const programs = ['test/bench/simulated.ts', 'test/support/bench-agents.ts', 'test/support/bench-alert.ts', 'test/support/bench-bare.ts', 'test/support/bench-join.ts', 'test/support/bench-key.ts', 'test/support/bench-metric.ts', 'test/support/bench-web.ts', 'test/support/bench-web-page.ts'] as const;

/** The runtime's file name beside the bundles. */
export const runtimeFile = 'node';

/** The bundle's file name of a program. */
export function programFile(entry: (typeof programs)[number]): string {
  return entry.replace(/^.*\//, '').replace(/\.ts$/, '.js');
}

/** A program of the bench in a process of its own, spoken to by messages. */
export interface BenchProcess {
  /** Sends a message and gives the next one that comes back. */
  ask<Answer>(message: unknown): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts a bundled program that answers each message with one message. */
export function startProgram(folder: string, entry: (typeof programs)[number], args: readonly string[] = []): BenchProcess {
  const child: ChildProcess = fork(join(folder, programFile(entry)), args, {
    execPath: join(folder, runtimeFile),
    execArgv: profiling(),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  return {
    async ask<Answer>(message: unknown) {
      const answer = new Promise<unknown>((resolve, reject) => {
        const ended = (code: number | null): void => reject(new Error(`${entry} ended with ${String(code)}`));
        child.once('exit', ended);
        child.once('message', (value) => {
          child.off('exit', ended);
          resolve(value);
        });
      });
      child.send(message as object);
      return (await answer) as Answer;
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // It ends by itself then, and so leaves a profile behind when it was asked for one (BENCH_CPU_PROF).
      const gone = once(child, 'exit');
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** With BENCH_CPU_PROF=FOLDER each process writes a CPU profile there. */
function profiling(): string[] {
  const folder = process.env['BENCH_CPU_PROF'];
  return folder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', folder];
}

/** The other side of `startProgram`: answers each message with what `handle` gives. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names what the parent sends
export function answerParent<Message>(handle: (message: Message) => Promise<unknown>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    handle(message as Message).then(
      (answer) => process.send?.(answer),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
        process.exit(70);
      },
    );
  });
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A program of test/support in a process of its own that answers requests, and that a test may stop and kill. */
export interface AnsweringProcess {
  readonly child: ChildProcess;
  /** Sends a request and resolves with its answer; rejects when the process ends first. */
  ask<Answer>(request: object): Promise<Answer>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

interface Envelope {
  readonly id: number;
  readonly body: unknown;
  readonly error?: string;
}

/** Starts a program; its arguments are seen in `process.argv`. */
export function startProcess(file: string, args: readonly string[] = []): AnsweringProcess {
  const child = fork(join(import.meta.dirname, file), [...args], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, { resolve: (body: never) => void; reject: (error: Error) => void }>();
  let count = 0;
  child.on('message', (message) => {
    const { id, body, error } = message as Envelope;
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(body as never);
    else asked?.reject(new Error(error));
  });
  const gone = once(child, 'exit').then(() => {
    for (const asked of waiting.values()) asked.reject(new Error(`${file} ended`));
  });
  return {
    child,
    ask: (request) =>
      new Promise((resolve, reject) => {
        count += 1;
        waiting.set(count, { resolve, reject });
        child.send({ id: count, body: request } satisfies Envelope);
      }),
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The other side: answers every request of the parent; ends with it. */
export function answerRequests(answer: (request: never) => Promise<unknown>): void {
  process.on('message', (message) => {
    const { id, body } = message as Envelope;
    answer(body as never).then(
      (result) => process.send?.({ id, body: result ?? null } satisfies Envelope),
      (error: unknown) => process.send?.({ id, body: null, error: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Envelope),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

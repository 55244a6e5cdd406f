import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../packaging/bundle.js';
import { parseBuildOptions } from '../../packaging/options.js';
import type { Lab, LabHost } from '../lab/lab.js';
import type { WebAnswer, WebAsk, WebPoll, WebPolled, WebReply, WebTask } from './web-message.js';
import { until } from './until.js';

/** A client of web sites in the lab's network. */
export interface WebClient {
  /** One request over a connection of its own. */
  ask(ask: WebAsk): Promise<WebAnswer>;
  /** Asks sites again and again; stop() tells what it saw. */
  poll(poll: WebPoll): { stop(): Promise<WebPolled> };
  close(): void;
}

/** Starts one. */
export function startWebClient(lab: Lab): WebClient {
  const child = lab.spawn([process.execPath, '--import', 'tsx', join(import.meta.dirname, 'web-caller.ts')]);
  const waiting = new Map<number, (reply: WebReply) => void>();
  let last = 0;
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  createInterface({ input: pipesOf(child).stdout }).on('line', (line) => {
    const reply = JSON.parse(line) as WebReply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  const send = (order: WebTask): Promise<WebReply> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, resolve);
      child.once('exit', () => reject(new Error(`the web client ended: ${said}`)));
      pipesOf(child).stdin.write(`${JSON.stringify({ ...order, id })}\n`);
    });
  child.setMaxListeners(0);
  return {
    async ask(ask) {
      const { answer } = await send({ ask });
      if (answer === undefined) throw new Error('no answer');
      return answer;
    },
    poll(poll) {
      const polled = send({ poll });
      // A test that failed before does not ask.
      polled.catch(() => undefined);
      return {
        async stop() {
          pipesOf(child).stdin.write(`${JSON.stringify({ id: 0, stop: true })}\n`);
          const reply = await polled;
          if (reply.polled === undefined) throw new Error('no answer');
          return reply.polled;
        },
      };
    },
    close: () => pipesOf(child).stdin.end(),
  };
}

function pipesOf(child: ChildProcess): { stdin: NonNullable<ChildProcess['stdin']>; stdout: NonNullable<ChildProcess['stdout']> } {
  if (child.stdin === null || child.stdout === null) throw new Error('a process without pipes');
  return { stdin: child.stdin, stdout: child.stdout };
}

/** Starts a program behind a web front that tells what it was asked; places are ports, paths of sockets, or PLACE:tls=CERT,KEY. */
export async function startBackend(host: LabHost, name: string, places: readonly string[]): Promise<ChildProcess> {
  const program = '/usr/local/lib/web-backend.mjs';
  if ((await host.exec(['test', '-e', program])).code !== 0) {
    const { code } = await bundle({ root: join(import.meta.dirname, '../..'), entry: 'test/support/web-backend.ts', version: parseBuildOptions([], {}).version, testBuild: false });
    await host.write(program, code);
  }
  const child = host.spawn(['/usr/lib/reeve/node', program, name, ...places]);
  let said = '';
  child.stdout?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await until(() => said.includes('ready'), { timeoutMs: 20_000, everyMs: 20, what: `the program behind to start: ${said}` });
  return child;
}

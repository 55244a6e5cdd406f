import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../packaging/bundle.js';
import type { ExecResult, LabHost } from '../lab/lab.js';

/** Beside the command line, whose description of the API it uses. */
const program = '/usr/lib/reeve-cli/resident-line.mjs';

/** Longest that one command may take, ms. */
const COMMAND_MS = 180_000;

/** Runs commands of `reeve` as root on a host, without starting a program for each: that takes longer than most of them. */
export function residentLine(hub: LabHost): (args: readonly string[]) => Promise<ExecResult> {
  const waiting = new Map<number, (result: ExecResult | Error) => void>();
  let running: Promise<ChildProcess> | undefined;
  let last = 0;
  const end = (why: string): void => {
    running = undefined;
    for (const resolve of waiting.values()) resolve(new Error(why));
    waiting.clear();
  };
  const start = async (): Promise<ChildProcess> => {
    if (!existsSync(hub.outside(program))) {
      // The installed one's version is in the name of the folder that describes the API.
      const version = await hub.run(['dpkg-query', '--show', '--showformat=${Version}', 'reeve-cli']);
      const { code } = await bundle({ root: join(import.meta.dirname, '../..'), entry: 'test/support/resident-line.ts', version, testBuild: false });
      await hub.write(program, code);
    }
    const child = hub.spawn(['/usr/lib/reeve/node', program]);
    if (child.stdout === null) throw new Error('a process without pipes');
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
    child.once('exit', () => end(`the resident command line ended: ${said}`));
    createInterface({ input: child.stdout }).on('line', (text) => {
      const { id, ...result } = JSON.parse(text) as ExecResult & { id: number };
      waiting.get(id)?.(result);
      waiting.delete(id);
    });
    return child;
  };
  return async (args) => {
    const child = await (running ??= start());
    const id = (last += 1);
    let timer: NodeJS.Timeout | undefined;
    const result = await new Promise<ExecResult | Error>((resolve) => {
      waiting.set(id, resolve);
      timer = setTimeout(() => resolve(new Error(`reeve ${args.join(' ')} took longer than ${String(COMMAND_MS)} ms`)), COMMAND_MS);
      child.stdin?.write(`${JSON.stringify({ id, args })}\n`);
    });
    clearTimeout(timer);
    waiting.delete(id);
    if (result instanceof Error) throw result;
    return result;
  };
}

/**
 * The command line without its start, for tests that are about what stands behind it and give hundreds of commands: one on each line of standard input as JSON, its exit code
 * and what it printed on each line of output. Commands run side by side; each opens its own connection. Bundled into the coordinator's host.
 */
import { createInterface } from 'node:readline';
import { runLine } from '../../coordinator/cli/run.js';
import { systemClock } from '../../shared/kit/clock.js';
import { version } from '../../shared/kit/version.js';

interface Order {
  readonly id: number;
  readonly args: readonly string[];
}

async function run({ id, args }: Order): Promise<void> {
  let [stdout, stderr] = ['', ''];
  const nobody = (): Promise<string> => Promise.resolve('');
  const terminal = {
    out: (text: string) => void (stdout += text),
    err: (text: string) => void (stderr += text),
    interactive: false,
    color: false,
    progress: false,
    columns: 80,
    input: nobody,
    inputParts: () => undefined,
    ask: nobody,
    askSecret: nobody,
  };
  const code = await runLine({ terminal, clock: systemClock, signal: new AbortController().signal, environment: process.env, version }, args);
  process.stdout.write(`${JSON.stringify({ id, code, stdout, stderr })}\n`);
}

for await (const text of createInterface({ input: process.stdin })) void run(JSON.parse(text) as Order);

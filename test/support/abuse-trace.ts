import type { LabHost } from '../lab/lab.js';
import { until } from './until.js';

/** One execve(2) or execveat(2), successful or not. */
export interface Execution {
  readonly file: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** A trace that runs. */
export interface Trace {
  /** Ends it and gives everything that was started, in no order. */
  stop(): Promise<readonly Execution[]>;
}

const strings = (list: string): string[] => [...list.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => JSON.parse(`"${(match[1] ?? '').replace(/\\([0-7]{1,3})/g, '\\u00$1').replace(/\\[vx'?a]/g, '?')}"`) as string);

/** The calls in strace's output (strace -f -v -s 4096 -e trace=execve,execveat). */
export function parseExecutions(text: string): readonly Execution[] {
  const found: Execution[] = [];
  for (const line of text.split('\n')) {
    const match = /\b(?:execve\(|execveat\([^,]+, )"((?:[^"\\]|\\.)*)", \[((?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?(?:, )?)*)\], (?:\[((?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?(?:, )?)*)\]|NULL)/.exec(line);
    if (match !== null) found.push({ file: match[1] ?? '', argv: strings(match[2] ?? ''), envp: strings(match[3] ?? '') });
    else if (/\bexecve(?:at)?\((?!.*resumed)/.test(line)) throw new Error(`a line of strace that is not understood: ${line}`);
  }
  return found;
}

/** strace's arguments before what is traced. */
export function straceArgv(output: string, calls = 'execve,execveat'): string[] {
  return ['strace', '-f', '-qq', '-v', '-s', '4096', '-e', `trace=${calls}`, '-e', 'signal=none', '-o', output];
}

/** Follows a running process and all it starts from now on; answers how to end that, which gives what strace wrote. */
async function follow(host: LabHost, pid: number, name: string, calls?: string): Promise<() => Promise<string>> {
  const output = `/var/tmp/trace-${name}`;
  const tracer = host.spawn([...straceArgv(output, calls), '-p', String(pid)]);
  const ended = new Promise((resolve) => tracer.once('close', resolve));
  const tracerPid = await until(async () => /^TracerPid:\t([1-9]\d*)$/m.exec(await host.read(`/proc/${String(pid)}/status`))?.[1], { timeoutMs: 20_000, what: `process ${String(pid)} to be traced` });
  return async () => {
    await host.run(['kill', '-INT', tracerPid]);
    await ended;
    return host.read(output);
  };
}

/** Follows what a running process and all it starts execute from now on. */
export async function traceProcess(host: LabHost, pid: number, name: string): Promise<Trace> {
  const stop = await follow(host, pid, name);
  return { stop: async () => parseExecutions(await stop()) };
}

/** Follows to what a running process connects from now on: `AF_UNIX PATH`, or what strace says of an address. */
export async function traceConnections(host: LabHost, pid: number, name: string): Promise<{ stop(): Promise<readonly string[]> }> {
  const stop = await follow(host, pid, name, 'connect');
  return {
    async stop() {
      const lines = (await stop()).split('\n').filter((line) => line.includes('connect('));
      return lines.map((line) => {
        const [, family = line, path = ''] = /sa_family=(AF_\w+)(?:, sun_path="([^"]*)")?/.exec(line) ?? [];
        return family === 'AF_UNIX' ? `${family} ${path}` : line;
      });
    },
  };
}

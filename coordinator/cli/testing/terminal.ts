import { runLine } from '../run.js';
import type { Terminal } from '../terminal.js';

/** What a command line did. */
export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly exit: number;
  /** The questions that were put. */
  readonly asked: readonly string[];
}

/** How a command line is run in a test. */
export interface RunOptions {
  /** The answer of a person at a terminal; undefined: nobody is there. */
  readonly answer?: string;
  /** What comes on standard input; undefined: a person would have to type it. */
  readonly input?: string;
  /** Environment variables instead of a socket that is named. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Another time than that of these tests, unix ms. */
  readonly now?: () => number;
  readonly color?: boolean;
  readonly progress?: boolean;
  /** Columns of the terminal (default: 120). */
  readonly columns?: number;
  /** A monotonic clock instead of one that goes a second further each time it is read. */
  readonly monotonic?: () => number;
  readonly signal?: AbortSignal;
  /** What a person types where nothing is shown. */
  readonly secret?: string;
  /** What a question waits for; used to interrupt one. */
  readonly onAsk?: () => void;
}

/** The time it is in these tests: 2026-03-01 12:00:00 UTC. */
export const nowMs = Date.UTC(2026, 2, 1, 12, 0, 0);

/** Runs a command line against a socket and captures all it writes. */
export async function runCaptured(socket: string, line: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const asked: string[] = [];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    interactive: options.answer !== undefined,
    color: options.color ?? false,
    progress: options.progress ?? false,
    columns: options.columns ?? 120,
    input: () => Promise.resolve(options.input),
    inputParts: () => (options.input === undefined ? undefined : partsOf(options.input)),
    ask: (question, signal) => {
      asked.push(question);
      options.onAsk?.();
      return signal.aborted ? Promise.reject(new Error('aborted')) : Promise.resolve(options.answer ?? '');
    },
    askSecret: (question) => {
      asked.push(question);
      return Promise.resolve(options.secret ?? '');
    },
  };
  let tick = 0;
  const clock = { now: options.now ?? (() => nowMs), monotonic: options.monotonic ?? (() => (tick += 1000)) };
  const signal = options.signal ?? new AbortController().signal;
  const exit = await runLine({ terminal, clock, signal, environment: options.environment ?? { REEVE_SOCKET: socket, HOME: '/nonexistent' }, version: '1.2.3' }, line);
  return { out, err, exit, asked };
}

async function* partsOf(text: string): AsyncGenerator<Buffer> {
  for (let at = 0; at < text.length; at += 1000) yield await Promise.resolve(Buffer.from(text.slice(at, at + 1000)));
}

/** What a command line did as one text, for golden files. */
export function transcript(line: readonly string[], ran: Ran): string {
  const words = line.map((word) => (/^[A-Za-z0-9_./:=,@-]+$/.test(word) ? word : `'${word}'`));
  const part = (name: string, text: string): string => (text === '' ? '' : `--- ${name}\n${text}`);
  return `$ reeve ${words.join(' ')}\n${ran.asked.map((question) => `--- question\n${question}\n`).join('')}${part('stdout', ran.out)}${part('stderr', ran.err)}--- exit ${String(ran.exit)}\n`;
}

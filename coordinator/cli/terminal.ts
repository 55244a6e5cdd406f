import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { reeveError } from '../../shared/errors/error.js';

/** Where a command writes, and whom it can ask. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether a person sits on both ends: standard input and standard output are terminals. */
  readonly interactive: boolean;
  /** Whether standard output is a terminal that shows colours. */
  readonly color: boolean;
  /** Whether a line that updates itself can be shown on standard error. */
  readonly progress: boolean;
  /** How many columns that line has. */
  readonly columns: number;
  /** All that comes on standard input; undefined when a person would have to type it. Errors: LIMIT_EXCEEDED. */
  input(mostBytes: number): Promise<string | undefined>;
  /** What comes on standard input, part by part; undefined when a person would have to type it. */
  inputParts(): AsyncIterable<Buffer> | undefined;
  /** Puts a question and gives the answer, without white space around it; empty when the input ends. Rejects when the signal ends it. */
  ask(question: string, signal: AbortSignal): Promise<string>;
  /** The same for a secret: what is typed is not shown, and nothing is cut off it. */
  askSecret(question: string, signal: AbortSignal): Promise<string>;
}

/** The terminal of this process. */
export function systemTerminal(environment: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdin, stdout, stderr } = process;
  const plain = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    interactive: stdin.isTTY && stdout.isTTY,
    color: stdout.isTTY && !plain,
    progress: stderr.isTTY && environment['TERM'] !== 'dumb',
    get columns() {
      // It is undefined where standard error is no terminal, and 0 on some that do not tell their size.
      return (stderr.columns as number | undefined) || 80;
    },
    input: async (mostBytes) => {
      if (stdin.isTTY) return undefined;
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of stdin as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > mostBytes) throw reeveError('LIMIT_EXCEEDED', { field: 'standard input', rule: `at most ${String(mostBytes)} bytes` });
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
    inputParts: () => (stdin.isTTY ? undefined : (stdin as AsyncIterable<Buffer>)),
    ask: async (question, signal) => (await askLine(question, signal, stdout)).trim(),
    askSecret: async (question, signal) => {
      stdout.write(question);
      try {
        // Node echoes to the output it is given; this one shows nothing.
        return await askLine('', signal, new Writable({ write: (_chunk, _encoding, done) => done() }));
      } finally {
        stdout.write('\n');
      }
    },
  };
}

async function askLine(question: string, signal: AbortSignal, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY });
  let answered = false;
  const ended = new Promise<string>((resolve) => {
    lines.once('close', () => {
      if (!answered) output.write('\n');
      resolve('');
    });
  });
  const interrupted = new Promise<never>((_resolve, reject) => lines.once('SIGINT', () => reject(new Error('interrupted'))));
  try {
    const answer = await Promise.race([lines.question(question, { signal }), ended, interrupted]);
    answered = true;
    return answer;
  } finally {
    lines.close();
  }
}

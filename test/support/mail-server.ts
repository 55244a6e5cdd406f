import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { scratchFolder } from './loopback-fleet.js';
import { until } from './until.js';

/** How the server is to be. */
export interface MailServerOptions {
  readonly tls: 'plain' | 'starttls' | 'tls';
  /** Its certificate and key, PEM. */
  readonly pair?: { readonly cert: string; readonly key: string };
  /** Nobody sends without this login. */
  readonly login?: { readonly user: string; readonly password: string };
}

/** A mail as it arrived. */
export interface ReceivedMail {
  /** Names in lower case; folded lines are joined. */
  readonly headers: ReadonlyMap<string, string>;
  /** Without quoted-printable. */
  readonly text: string;
}

/** A real mail server (Debian's python3-aiosmtpd) on loopback. */
export interface MailServer {
  readonly port: number;
  /** All mails so far, the oldest first. */
  mails(): ReceivedMail[];
  /** Resolves when so many have arrived. */
  wait(count: number): Promise<ReceivedMail[]>;
  /** A line for each mail: TLS, login, receivers. */
  dialogue(): string[];
  /** What every mail is answered with from now on, e.g. `451 later`; empty: it is taken. */
  refuse(answer: string): void;
  close(): Promise<void>;
}

/** Starts a mail server. */
export async function startMailServer(options: MailServerOptions): Promise<MailServer> {
  const dir = scratchFolder('mail');
  const certificate = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  if (options.pair !== undefined) for (const name of ['cert', 'key'] as const) writeFileSync(certificate[name], options.pair[name]);
  const folder = join(dir, 'box');
  for (const part of ['', 'new', 'cur', 'tmp']) mkdirSync(join(folder, part));
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'mail-server.py'), JSON.stringify({ dir: folder, tls: options.tls, ...certificate, ...options.login })], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  const names = (): string[] => readdirSync(join(folder, 'new')).sort((a, b) => order(a) - order(b));
  const mails = (): ReceivedMail[] => names().map((name) => parseMail(readFileSync(join(folder, 'new', name), 'utf8')));
  return {
    port, mails,
    async wait(count) {
      await until(() => names().length >= count, { timeoutMs: 20_000, everyMs: 20, what: `${String(count)} mails` });
      return mails();
    },
    dialogue: () => (existsSync(join(folder, 'dialogue')) ? readFileSync(join(folder, 'dialogue'), 'utf8').trim().split('\n') : []),
    refuse(answer) {
      if (answer === '') rmSync(join(folder, 'refuse'), { force: true });
      else writeFileSync(join(folder, 'refuse'), answer);
    },
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Names of a Maildir have time, then M, microseconds, and Q, a counter. */
function order(name: string): number {
  const [, seconds = '0', micros = '0'] = /^([0-9]+)\.M([0-9]+)/.exec(name) ?? [];
  return Number(seconds) * 1e6 + Number(micros);
}

function parseMail(raw: string): ReceivedMail {
  const [head = '', ...rest] = raw.replaceAll('\r\n', '\n').split('\n\n');
  const headers = new Map(
    head.replace(/\n[ \t]+/g, ' ').split('\n').map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
    }),
  );
  const body = rest.join('\n\n');
  const encoding = headers.get('content-transfer-encoding');
  if (encoding === 'base64') return { headers, text: Buffer.from(body, 'base64').toString('utf8') };
  return { headers, text: encoding === 'quoted-printable' ? unquote(body) : body };
}

function unquote(text: string): string {
  const bytes = text.replace(/=\n/g, '').replace(/=([0-9A-F]{2})/g, (_match, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

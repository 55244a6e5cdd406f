import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'vitest';
import type { LabHost } from '../lab/lab.js';
import { until } from './until.js';

const NEEDLES = '/usr/local/lib/abuse/needles';
const FOLDERS = ['/etc', '/home', '/root', '/srv', '/usr/local', '/var', '/opt', '/run', '/tmp', '/dev/shm'];

/** Processes of a host that are watched. */
export interface ProcessWatch {
  /** What was found so far: a line each. */
  found(): string;
  /** Ends it and gives its lines. */
  end(): Promise<string[]>;
}

/** Everything that would give a private key away: its PEM lines, its number raw, in hex and in both kinds of base 64. */
export function keyForms(pem: string): Buffer[] {
  const key = createPrivateKey(pem);
  const number = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
  const body = pem.split('\n').filter((line) => line.length > 8 && !line.startsWith('-----'));
  return [...body.slice(1).map((line) => Buffer.from(line)), ...secretForms(number)];
}

/** A secret raw, in hex and in both kinds of base 64. */
export function secretForms(secret: Buffer): Buffer[] {
  return [secret, ...[secret.toString('hex'), secret.toString('hex').toUpperCase(), secret.toString('base64url'), secret.toString('base64').replace(/=+$/, '')].map((form) => Buffer.from(form))];
}

/** Puts what is looked for on a host; the scanner does not look at this file. */
export async function setNeedles(host: LabHost, needles: readonly Buffer[]): Promise<void> {
  await host.write(NEEDLES, `${needles.map((needle) => needle.toString('hex')).join('\n')}\n`, 0o600);
}

/** Watches arguments and environments of all processes of a host, by test/abuse/scan.c; resolves when it does. */
export async function watchProcesses(host: LabHost, program: string): Promise<ProcessWatch> {
  const child = host.spawn([program, 'processes', NEEDLES]);
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (out += part));
  const ended = once(child, 'close');
  await until(() => out.includes('watching\n'), { timeoutMs: 30_000, what: 'the processes to be watched' });
  return {
    found: () => out,
    async end() {
      child.stdin?.end();
      await ended;
      return out.trim().split('\n');
    },
  };
}

/** The files of a host, its journal among them, that hold one of the needles. */
export async function scanFiles(host: LabHost, program: string, needles: readonly Buffer[]): Promise<string[]> {
  await setNeedles(host, needles);
  await host.run(['/bin/sh', '-c', 'journalctl --no-pager --output=export >/run/journal.text']);
  const lines = (await host.run([program, 'files', NEEDLES, ...FOLDERS], { timeoutMs: 120_000 })).trim().split('\n');
  await host.run(['rm', NEEDLES]);
  expect(Number(/^files (\d+)$/m.exec(lines.join('\n'))?.[1])).toBeGreaterThan(300);
  return [...new Set(lines.filter((line) => line.startsWith('hit ')).map((line) => line.slice(4)))].sort();
}

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formatKeyLine, keyTypes, parseKeyLine, rsaBits } from './key.js';

type Random = (below: number) => number;

/** Numbers from a seed (mulberry32), so that a disagreement can be repeated. */
function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const bytesOf = (random: Random, count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random(256)));

function blobOf(...parts: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)).flatMap((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return [length, part];
  }));
}

/** A number of `bits` bits as a blob has it; odd, unless `even`. */
function numberOf(random: Random, bits: number, even = false): Buffer {
  const bytes = bytesOf(random, Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  bytes[0] = ((bytes[0] ?? 0) & (0xff >> (7 - top))) | (1 << top);
  bytes[bytes.length - 1] = even ? (bytes.at(-1) ?? 0) & 0xfe : (bytes.at(-1) ?? 0) | 1;
  return top === 7 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
}

const point = (random: Random, size: number): Buffer => Buffer.concat([Buffer.of(4), bytesOf(random, size - 1)]);

function keyOf(random: Random, type: string): Buffer {
  switch (type) {
    case 'ssh-ed25519': return blobOf(type, bytesOf(random, 32));
    case 'ecdsa-sha2-nistp256': return blobOf(type, 'nistp256', point(random, 65));
    case 'ecdsa-sha2-nistp384': return blobOf(type, 'nistp384', point(random, 97));
    case 'ecdsa-sha2-nistp521': return blobOf(type, 'nistp521', point(random, 133));
    case 'sk-ssh-ed25519@openssh.com': return blobOf(type, bytesOf(random, 32), 'ssh:');
    case 'sk-ecdsa-sha2-nistp256@openssh.com': return blobOf(type, 'nistp256', point(random, 65), 'ssh:work');
    default: return blobOf('ssh-rsa', Buffer.of(1, 0, 1), numberOf(random, 2048 + random(3000)));
  }
}

const seeded = randomFrom(7);
const ed = keyOf(seeded, 'ssh-ed25519').toString('base64');
const spoiled = (type: string, ...parts: readonly (Buffer | string)[]): string => `${type} ${blobOf(...parts).toString('base64')}`;
const rsa = (bits: number, exponent = Buffer.of(1, 0, 1), even = false): string => spoiled('ssh-rsa', 'ssh-rsa', exponent, numberOf(seeded, bits, even));

/** What no managed line may be, whatever sshd or ssh-keygen think of it. */
const refused: readonly (readonly [string, string])[] = [
  ['a command', `command="id" ssh-ed25519 ${ed}`],
  ['an environment', `environment="LD_PRELOAD=/tmp/x.so" ssh-ed25519 ${ed}`],
  ['an authority', `cert-authority ssh-ed25519 ${ed}`],
  ['principals', `principals="root" ssh-ed25519 ${ed}`],
  ['a port to be opened', `permitopen="10.0.0.1:22" ssh-ed25519 ${ed}`],
  ['two keys', `ssh-ed25519 ${ed} ssh-ed25519 ${ed}\nssh-ed25519 ${ed}`],
  ['a carriage return', `ssh-ed25519 ${ed}\r`],
  ['a carriage return that hides a line', `# x\rssh-ed25519 ${ed}`],
  ['a leading tab', `\tssh-ed25519 ${ed}`],
  ['a leading blank', ` ssh-ed25519 ${ed}`],
  ['a tab between', `ssh-ed25519\t${ed}`],
  ['two blanks', `ssh-ed25519  ${ed}`],
  ['a trailing blank', `ssh-ed25519 ${ed} `],
  ['RSA of 1024 bits', rsa(1024)],
  ['RSA of 2047 bits', rsa(2047)],
  ['RSA of 16385 bits', rsa(16_385)],
  ['RSA with exponent 1', rsa(2048, Buffer.of(1))],
  ['RSA with an even exponent', rsa(2048, Buffer.of(4))],
  ['RSA with an even modulus', rsa(2048, undefined, true)],
  ['RSA with a needless zero byte', spoiled('ssh-rsa', 'ssh-rsa', Buffer.of(1, 0, 1), Buffer.concat([Buffer.of(0), numberOf(seeded, 2047)]))],
  ['RSA with a negative modulus', spoiled('ssh-rsa', 'ssh-rsa', Buffer.of(1, 0, 1), numberOf(seeded, 2048).subarray(1))],
  ['DSA', spoiled('ssh-dss', 'ssh-dss', numberOf(seeded, 1024), numberOf(seeded, 160), numberOf(seeded, 1024), numberOf(seeded, 1024))],
  ['a certificate', spoiled('ssh-ed25519-cert-v01@openssh.com', 'ssh-ed25519-cert-v01@openssh.com', bytesOf(seeded, 32), bytesOf(seeded, 32))],
  ['another type in the text', `ssh-rsa ${ed}`],
  ['a short name of the type', `ED25519 ${ed}`],
  ['another curve', spoiled('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp384', point(seeded, 65))],
  ['a compressed point', spoiled('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp256', Buffer.concat([Buffer.of(2), bytesOf(seeded, 32)]))],
  ['an Ed25519 key of 31 bytes', spoiled('ssh-ed25519', 'ssh-ed25519', bytesOf(seeded, 31))],
  ['bytes behind the key', spoiled('ssh-ed25519', 'ssh-ed25519', bytesOf(seeded, 32), '')],
  ['an application that is none', spoiled('sk-ssh-ed25519@openssh.com', 'sk-ssh-ed25519@openssh.com', bytesOf(seeded, 32), 'web:')],
  ['base64 without padding', `ecdsa-sha2-nistp256 ${keyOf(seeded, 'ecdsa-sha2-nistp256').toString('base64').replace(/=+$/, '')}`],
  ['base64 with bits that mean nothing', `ecdsa-sha2-nistp256 ${keyOf(seeded, 'ecdsa-sha2-nistp256').toString('base64').replace(/.=$/, '/=')}`],
  ['base64url', `ssh-ed25519 ${ed.replace(/[A-Za-z](?=.{8}$)/, '-')}`],
  ['base64 that is cut', `ssh-ed25519 ${ed.slice(0, -1)}`],
  ['no key', 'ssh-ed25519'], ['nothing', ''], ['a comment', '# ssh-ed25519'],
  ['an option twice', `restrict,restrict ssh-ed25519 ${ed}`],
  ['options out of order', `no-pty,restrict ssh-ed25519 ${ed}`],
  ['an option in other letters', `RESTRICT ssh-ed25519 ${ed}`],
  ['a flag with a value', `restrict="yes" ssh-ed25519 ${ed}`],
  ['an empty option', `restrict,,no-pty ssh-ed25519 ${ed}`],
  ['an option that ends with a comma', `restrict, ssh-ed25519 ${ed}`],
  ['a quote that is not closed', `from="10.0.0.1 ssh-ed25519 ${ed}`],
  ['networks out of order', `from="10.0.0.2,10.0.0.1" ssh-ed25519 ${ed}`],
  ['a network twice', `from="10.0.0.1,10.0.0.1/32" ssh-ed25519 ${ed}`],
  ['host bits', `from="10.0.0.1/8" ssh-ed25519 ${ed}`],
  ['the whole internet', `from="0.0.0.0/0" ssh-ed25519 ${ed}`],
  ['a pattern of hosts', `from="*.example.com" ssh-ed25519 ${ed}`],
  ['a network that is excepted', `from="!10.0.0.1" ssh-ed25519 ${ed}`],
  ['a long spelling', `from="2001:db8:0:0:0:0:0:1" ssh-ed25519 ${ed}`],
  ['IPv4 inside IPv6', `from="::ffff:10.0.0.1" ssh-ed25519 ${ed}`],
  ['an empty list of networks', `from="" ssh-ed25519 ${ed}`],
  ['a time without a zone', `expiry-time="20300101000000" ssh-ed25519 ${ed}`],
  ['a day that does not exist', `expiry-time="20300230000000Z" ssh-ed25519 ${ed}`],
  ['a time without seconds', `expiry-time="203001010000Z" ssh-ed25519 ${ed}`],
  ['the beginning of time, which sshd takes for never', `expiry-time="19700101000000Z" ssh-ed25519 ${ed}`],
  ['a time before that', `expiry-time="00000101000000Z" ssh-ed25519 ${ed}`],
  ['a comment that begins with #', `ssh-ed25519 ${ed} # x`],
  ['a comment with a quote', `ssh-ed25519 ${ed} a"b`],
  ['a comment with a backslash', `ssh-ed25519 ${ed} a\\b`],
  ['a comment that is not ASCII', `ssh-ed25519 ${ed} ü`],
  ['a comment of 129 characters', `ssh-ed25519 ${ed} ${'x'.repeat(129)}`],
];

/** Is a line one that may be managed, in its canonical form? */
function isCanonical(line: string): boolean {
  try {
    return formatKeyLine(parseKeyLine(line, rsaBits.known)) === line;
  } catch {
    return false;
  }
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const helper = process.env['REEVE_PRIVD'] ?? join(root, 'build/reeve-privd/reeve-privd');

/** What the helper says of each line: whether it may be managed, type, options, expiry, problem. */
function askHelper(lines: readonly string[]): string[][] {
  const dir = mkdtempSync(join(tmpdir(), 'key-'));
  try {
    const file = join(dir, 'keys');
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''), 'latin1');
    return execFileSync(helper, ['--check-keys', file], { encoding: 'latin1', maxBuffer: 1 << 28 }).split('\n').slice(0, -1).map((row) => row.split('\t'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('lines that may not be managed', () => {
  test.each(refused)('%s', (_what, line) => { expect(isCanonical(line)).toBe(false); });
  test.skipIf(!existsSync(helper))('are refused by the helper too', () => {
    const lines = refused.map(([, line]) => line).filter((line) => !line.includes('\n'));
    expect(askHelper(lines).map(([verdict], at) => `${verdict ?? ''} ${lines[at] ?? ''}`).filter((text) => text.startsWith('managed'))).toEqual([]);
  });
});

test('every type of key, with every option, is read and written again as it was', () => {
  const random = randomFrom(3);
  for (const type of keyTypes) {
    const line = `restrict,no-pty,from="10.0.0.0/8,2001:db8::/32",expiry-time="20300101123456Z" ${type} ${keyOf(random, type).toString('base64')} ada: grant 12`;
    expect(formatKeyLine(parseKeyLine(line, rsaBits.known))).toBe(line);
  }
});

/** Keys of each type to choose from: they take long to make. */
const pool = keyTypes.flatMap((type) => Array.from({ length: 20 }, () => ({ type, blob: keyOf(seeded, type) })));

/** Lines that are right, nearly right, and spoiled in one place. */
function randomLine(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const networks = ['10.0.0.1', '10.0.0.0/8', '192.168.1.0/24', '2001:db8::/32', '::1', 'fe80::1:0:0:1', '10.0.0.1/32', '::/1', '8000::/1', '1.2.3.4/31', '::ffff:1', '1:0:0:2::/64', '1::2:0:0:3'];
  const option = (): string => {
    const times = ['20300101000000Z', '203001010000Z', '20300229000000Z', '20320229235959Z', '20300101240000Z', '99991231235959Z', '19700101000001Z'];
    switch (random(4)) {
      case 0: return `from="${Array.from({ length: 1 + random(3) }, () => pick(networks)).sort().join(',')}"`;
      case 1: return `expiry-time="${pick(times)}"`;
      default: return pick(['restrict', 'no-agent-forwarding', 'no-port-forwarding', 'no-pty', 'no-user-rc', 'no-X11-forwarding', 'pty', 'command="a b"', 'No-pty']);
    }
  };
  const chosen = pick(pool);
  const { type } = chosen;
  let blob = Buffer.from(chosen.blob);
  if (random(6) === 0) blob[random(blob.length)] = random(256);
  if (random(12) === 0) blob = blob.subarray(0, random(blob.length));
  const options = random(2) === 0 ? [] : Array.from({ length: 1 + random(3) }, option);
  const parts = [options.join(','), type, blob.toString('base64'), pick(['', 'ada: grant 12', 'a  b', '#x', 'x'.repeat(128), 'x'.repeat(129), 'a"b', '~'])];
  let line = parts.filter((part) => part !== '').join(' ');
  if (random(3) > 0) return line;
  for (let i = random(2); i >= 0; i--) {
    const at = random(Math.min(line.length, random(3) === 0 ? line.length : 60));
    const char = pick([' ', '\t', '"', '\\', ',', '=', '#', '/', ':', '.', '0', '1', 'A', 'Z', '\r', '\x7f', '\xe4', '+', '-', '!']);
    line = pick([line.slice(0, at) + char + line.slice(at), line.slice(0, at) + line.slice(at + 1), line.slice(0, at) + char + line.slice(at + 1), line.slice(0, at)]);
  }
  return line;
}

test.skipIf(!existsSync(helper))('the helper and this module agree on random lines', { timeout: 120_000 }, () => {
  const random = randomFrom(Number(process.env['REEVE_SEED'] ?? '1'));
  const count = Number(process.env['REEVE_KEY_LINES'] ?? '10000');
  const lines = Array.from({ length: count }, () => randomLine(random));
  const answers = askHelper(lines);
  expect(answers).toHaveLength(count);
  let managed = 0;
  for (const [at, line] of lines.entries()) {
    const [verdict, type, options, expires, problem] = answers[at] ?? [];
    expect(verdict === 'managed', JSON.stringify([line, problem])).toBe(isCanonical(line));
    if (verdict !== 'managed') continue;
    managed++;
    const mine = parseKeyLine(line, rsaBits.known);
    expect([type, options, expires, problem]).toEqual([
      mine.key.type, [...mine.options.flags, ...(mine.options.from.length === 0 ? [] : [`from="${mine.options.from.join(',')}"`])].join(','),
      String((mine.options.expiresAtMs ?? 0) / 1000), '',
    ]);
  }
  // Neither side may be right by refusing everything.
  expect(managed).toBeGreaterThan(count / 10);
  expect(managed).toBeLessThan(count * 0.9);
  process.stdout.write(`key: ${String(count)} lines, ${String(managed)} of them managed, 0 disagreements\n`);
});

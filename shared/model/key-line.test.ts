import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReeveError } from '../errors/error.js';
import { toBase64 } from './bytes.js';
import { blobOf, formatKeyLine, formatKeyOptions, keyFlags, keyTypes, parseKeyComment, parseKeyLine, parseKeyOptions, parseKeyText, parsePublicKey, rsaBits, type KeyLine, type KeyOptions } from './key.js';

/** A part of a blob: its length, then itself. */
const part = (bytes: Uint8Array | string): Buffer => {
  const data = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, data]);
};
const ed = (fill: number): string => Buffer.concat([part('ssh-ed25519'), part(Buffer.alloc(32, fill))]).toString('base64');
const invalid = expect.objectContaining({ code: 'FIELD_INVALID' });

describe('keys made by ssh-keygen(1)', () => {
  let dir = '';
  /** Public half, made now. */
  const made = (name: string, ...argv: string[]): string => {
    execFileSync('/usr/bin/ssh-keygen', ['-q', '-N', '', '-C', `${name} of ada`, '-f', join(dir, name), ...argv]);
    return readFileSync(join(dir, `${name}.pub`), 'utf8').trimEnd();
  };
  const lines = new Map<string, string>();
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'reeve-key-'));
    for (const [name, ...argv] of [
      ['ed25519', '-t', 'ed25519'], ['p256', '-t', 'ecdsa', '-b', '256'], ['p384', '-t', 'ecdsa', '-b', '384'], ['p521', '-t', 'ecdsa', '-b', '521'], ['rsa3072', '-t', 'rsa', '-b', '3072'],
      ['rsa2048', '-t', 'rsa', '-b', '2048'], ['rsa1024', '-t', 'rsa', '-b', '1024'], ['dsa', '-t', 'dsa'],
    ] as const) lines.set(name, made(name, ...argv));
  }, 60_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('are read, and ssh2 reads the same type and blob', () => {
    for (const name of ['ed25519', 'p256', 'p384', 'p521', 'rsa3072']) {
      const line = lines.get(name) ?? '';
      const ours = parseKeyLine(line, rsaBits.fresh);
      expect(formatKeyLine(ours)).toBe(line);
      const theirs = ssh2.utils.parseKey(line);
      if (theirs instanceof Error || Array.isArray(theirs)) throw new Error(`ssh2 does not read ${name}`);
      expect({ type: theirs.type, blob: theirs.getPublicSSH().toString('base64'), comment: theirs.comment }).toEqual({ type: ours.key.type, blob: ours.key.base64, comment: ours.comment });
    }
  });

  it('are refused when they are weak: RSA below the wanted bits, DSA', () => {
    expect(parseKeyLine(lines.get('rsa2048') ?? '', rsaBits.known).key.type).toBe('ssh-rsa');
    expect(() => parseKeyLine(lines.get('rsa2048') ?? '', rsaBits.fresh)).toThrow(invalid);
    expect(() => parseKeyLine(lines.get('rsa1024') ?? '', rsaBits.known)).toThrow(invalid);
    expect(() => parseKeyLine(lines.get('dsa') ?? '', rsaBits.known)).toThrow(invalid);
  });

  it('whatever we take of spoiled ones, ssh2 takes with the same type and blob', () => {
    const base = ['ed25519', 'p256', 'p384', 'p521', 'rsa3072'].map((name) => lines.get(name) ?? '');
    let taken = 0;
    let refused = 0;
    const spoil = fc.record({ of: fc.nat(base.length - 1), inBlob: fc.boolean(), at: fc.nat(600), byte: fc.nat(255), cut: fc.option(fc.nat(20), { nil: 0, freq: 4 }) });
    fc.assert(
      fc.property(spoil, ({ of, inBlob, at, byte, cut }) => {
        const [type = '', base64 = '', ...rest] = (base[of] ?? '').split(' ');
        const bytes = inBlob ? Buffer.from(base64, 'base64') : Buffer.from(base[of] ?? '', 'latin1');
        bytes[at % bytes.length] = byte;
        const short = bytes.subarray(0, bytes.length - cut);
        const line = inBlob ? [type, short.toString('base64'), ...rest].join(' ') : short.toString('latin1');
        let ours: KeyLine;
        try {
          ours = parseKeyLine(line, rsaBits.known);
        } catch (error) {
          if (!(error instanceof ReeveError)) throw error;
          refused += 1;
          return;
        }
        taken += 1;
        const theirs = ssh2.utils.parseKey(`${ours.key.type} ${ours.key.base64}`);
        if (theirs instanceof Error || Array.isArray(theirs)) throw new Error(`ssh2 refuses ${line}: ${String(theirs)}`);
        expect([theirs.type, theirs.getPublicSSH().toString('base64')]).toEqual([ours.key.type, ours.key.base64]);
      }),
      { numRuns: 4000 },
    );
    expect(Math.min(taken, refused)).toBeGreaterThan(400);
  });
});

describe('lines that ssh-keygen -l lets pass and we do not', () => {
  const key = `ssh-ed25519 ${ed(1)}`;
  it.each([
    ['a command', `command="id" ${key}`], ['a command after a good option', `restrict,command="id" ${key}`], ['an environment', `environment="LD_PRELOAD=/tmp/x.so" ${key}`], ['a certificate authority', `cert-authority ${key}`],
    ['principals', `cert-authority,principals="root" ${key}`], ['a tunnel', `tunnel="0" ${key}`], ['permitopen', `permitopen="10.0.0.1:22" ${key}`], ['options that take restrictions back', `restrict,pty ${key}`],
    ['two keys', `${key} ${key}`], ['two keys and a comment between', `${key} x ssh-rsa AAAA`], ['two lines', `${key}\n${key}`], ['a line end', `${key}\n`], ['CR', `${key}\r`], ['CR inside', `${key} a\rb`], ['a leading tab', `\t${key}`],
    ['a tab between', key.replace(' ', '\t')], ['a leading blank', ` ${key}`], ['two blanks', key.replace(' ', '  ')], ['NUL', `${key} a\0b`], ['DEL', `${key} \x7f`], ['beyond ASCII', `${key} ä`],
    ['a comment line', `# ${key}`], ['a quote in the comment', `${key} a"b`], ['a backslash in the comment', `${key} a\\b`], ['a comment that begins with #', `${key} #a`], ['a comment of 129', `${key} ${'x'.repeat(129)}`],
    ['upper case type', key.replace('ssh-ed', 'SSH-ED')], ['a type alone', 'ssh-ed25519'], ['nothing', ''], ['blanks', '   '], ['a protocol 1 key', '2048 65537 1234567'], ['a certificate', `ssh-ed25519-cert-v01@openssh.com ${ed(1)}`],
    ['another type inside', `ssh-rsa ${ed(1)}`], ['base64 with blanks meant', `ssh-ed25519 ${ed(1)}=`], ['base64 with spare bits', `ssh-ed25519 ${Buffer.concat([part('ssh-ed25519'), part(Buffer.alloc(33))]).toString('base64').replace(/A=$/, 'B=')}`],
    ['an unfinished quote', `from="10.0.0.1 ${key}`], ['an option twice', `no-pty,no-pty ${key}`], ['from twice', `from="10.0.0.1",from="10.0.0.2" ${key}`], ['an empty option', `no-pty,,restrict ${key}`], ['a comma at the end', `no-pty, ${key}`],
    ['a value for a flag', `restrict="yes" ${key}`], ['from with a name', `from="*.example.org" ${key}`], ['from with a negation', `from="!10.0.0.1,10.0.0.0/8" ${key}`], ['from everywhere', `from="0.0.0.0/0" ${key}`], ['an escaped quote', `from="10.0.0.1\\" ${key}`],
    ['expiry without a zone', `expiry-time="20300101" ${key}`], ['expiry on a day that is none', `expiry-time="20300230000000Z" ${key}`], ['expiry before there was time', `expiry-time="19700101000000Z" ${key}`],
  ])('%s', (_what, line) => {
    expect(() => parseKeyLine(line, rsaBits.known)).toThrow(invalid);
  });

  it('blobs that are no key of their type', () => {
    const point = (size: number, first = 4): Buffer => Buffer.concat([Buffer.from([first]), Buffer.alloc(size - 1, 7)]);
    const modulus = (bits: number, last = 1): Buffer => Buffer.concat([Buffer.from([0, 0x80]), Buffer.alloc(bits / 8 - 2, 5), Buffer.from([last])]);
    const blobs: readonly (readonly [string, ...(Buffer | string)[]])[] = [
      ['ssh-ed25519', Buffer.alloc(31)], ['ssh-ed25519', Buffer.alloc(32), ''], ['ecdsa-sha2-nistp256', 'nistp384', point(97)], ['ecdsa-sha2-nistp256', 'nistp256', point(65, 2)], ['ecdsa-sha2-nistp256', 'nistp256', point(33, 2)],
      ['ssh-rsa', Buffer.from([1, 0, 1]), modulus(3072).subarray(1)], ['ssh-rsa', Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0]), modulus(3072)])], ['ssh-rsa', Buffer.from([2]), modulus(3072)], ['ssh-rsa', Buffer.from([1]), modulus(3072)],
      ['ssh-rsa', Buffer.from([1, 0, 0, 0, 1]), modulus(3072, 2)], ['ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(0)], ['ssh-rsa', Buffer.alloc(0), modulus(3072)], ['ssh-rsa', Buffer.from([1, 0, 1]), modulus(16_392)], ['ssh-rsa', Buffer.from([1, 0, 1]), modulus(2040)],
      ['sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'https://x'], ['sk-ssh-ed25519@openssh.com', Buffer.alloc(32)], ['sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(65), 'ssh:\n'], ['ssh-dss', Buffer.alloc(129, 1)],
    ];
    for (const [type, ...parts] of blobs) expect(() => parsePublicKey(type, Buffer.concat([part(type), ...parts.map(part)]), rsaBits.known), JSON.stringify([type, parts])).toThrow(invalid);
    expect(() => parsePublicKey('ssh-ed25519', Buffer.from([0, 0, 0]), rsaBits.known)).toThrow(invalid);
    expect(() => parsePublicKey('ssh-ed25519', Buffer.from([255, 255, 255, 255, 1]), rsaBits.known)).toThrow(invalid);
    expect(() => parsePublicKey('ssh-rsa', Buffer.alloc(4097), rsaBits.known)).toThrow(invalid);
    for (const [type, ...parts] of [['sk-ssh-ed25519@openssh.com', Buffer.alloc(32), 'ssh:'], ['sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(65), 'ssh:work'], ['ssh-rsa', Buffer.from([1, 0, 1]), modulus(16_384)]] as const) {
      expect(parsePublicKey(type, Buffer.concat([part(type), ...parts.map(part)]), rsaBits.known).type).toBe(type);
    }
  });
});

const networks = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '2001:db8::7', '198.51.100.0/25', '::1'];
const options: fc.Arbitrary<KeyOptions> = fc.record({
  flags: fc.subarray([...keyFlags]),
  from: fc.subarray(networks).map((list) => [...list].sort()),
  expiresAtMs: fc.option(fc.integer({ min: 1, max: 253_402_300_799 }).map((s) => s * 1000), { nil: undefined }),
});
const comment = fc.string({ unit: fc.constantFrom(...Array.from("abcXYZ019 .,:;@'#!~()[]{}^_`")), maxLength: 128 }).filter((text) => !/^[# ]| $/.test(text));

describe('a line and its text', () => {
  it('are each other’s: what is written is read as it was', () => {
    const line = fc.record({ key: fc.nat(255).map((fill) => ({ type: 'ssh-ed25519' as const, base64: ed(fill) })), options, comment });
    fc.assert(fc.property(line, (one) => { expect(parseKeyLine(formatKeyLine(one), rsaBits.fresh)).toEqual(one); }), { numRuns: 2000 });
  });

  it('has one canonical form, whatever the order of what was read', () => {
    fc.assert(
      fc.property(options, fc.integer(), (one, seed) => {
        const text = formatKeyOptions(one).split(/,(?=[a-z])/).filter((option) => option !== '');
        const mixed = text.map((option, index) => ({ option, rank: Math.imul(seed + index, 2_654_435_761) })).sort((a, b) => a.rank - b.rank).map(({ option }) => option);
        expect(parseKeyOptions(mixed.join(','))).toEqual(one);
      }),
      { numRuns: 1000 },
    );
  });

  it('has blanks at its end taken off, and minutes for seconds', () => {
    expect(parseKeyLine(`expiry-time="203001021504Z" ssh-ed25519 ${ed(3)} a  b   `, rsaBits.fresh)).toEqual({ key: { type: 'ssh-ed25519', base64: ed(3) }, options: { flags: [], from: [], expiresAtMs: Date.UTC(2030, 0, 2, 15, 4) }, comment: 'a  b' });
    expect(toBase64(blobOf({ type: 'ssh-ed25519', base64: ed(3) }))).toBe(ed(3));
  });

  it('nothing but the catalogue’s errors comes of any text', () => {
    const piece = fc.constantFrom(...keyTypes, ...keyFlags, 'from="', 'expiry-time="', '"', ',', ' ', '\\', '=', ed(1), 'AAAA', '10.0.0.0/8', '20300101000000Z', '\t', '#', 'command=');
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 14 }), (parts) => {
        try {
          const line = parseKeyLine(parts.join(''), rsaBits.known);
          expect(parseKeyLine(formatKeyLine(line), rsaBits.known)).toEqual(line);
        } catch (error) {
          if (!(error instanceof ReeveError)) throw error;
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('takes no longer for hostile text than for any', () => {
    const size = 65_536;
    const texts = [' '.repeat(size) + 'x', '"'.repeat(size), 'a'.repeat(size), 'from="'.repeat(size / 6), `from="${'1,'.repeat(size / 2)}" ssh-ed25519 ${ed(1)}`, ','.repeat(size), '"a'.repeat(size / 2), '\\"'.repeat(size / 2), `ssh-ed25519 ${'A'.repeat(size)}`, `ssh-ed25519 ${ed(1)} ${' '.repeat(size)}x`, `${'restrict,'.repeat(size / 9)}x ssh-ed25519 ${ed(1)}`];
    for (const text of texts) {
      for (const [name, parse] of [['line', () => parseKeyLine(text, rsaBits.known)], ['options', () => parseKeyOptions(text)], ['comment', () => parseKeyComment(text)], ['key', () => parseKeyText('ssh-ed25519', text, rsaBits.known)]] as const) {
        // The best of some: the machine may be busy with others.
        const took = Math.min(...Array.from({ length: 5 }, () => {
          const at = performance.now();
          expect(parse).toThrow();
          return performance.now() - at;
        }));
        expect(took, `${name} of ${text.slice(0, 20)}...`).toBeLessThan(10);
      }
    }
  });
});

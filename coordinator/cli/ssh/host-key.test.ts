import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { algorithmsFor, fingerprintOf, judgeHostKey, shortType, withoutFamily } from './host-key.js';
import { findKnownKeys, noKnownKeys } from './known-hosts.js';
import { nameOfLogin, parseLogin } from './login.js';

let folder: string;
const keys = new Map<string, { line: string; blob: Buffer }>();
const key = (type: string): { line: string; blob: Buffer } => keys.get(type) ?? { line: '', blob: Buffer.alloc(0) };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reeve-known-'));
  for (const type of ['ed25519', 'ecdsa', 'rsa']) {
    const file = join(folder, type);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file]);
    const line = readFileSync(`${file}.pub`, 'utf8').trim();
    keys.set(type, { line, blob: Buffer.from(line.split(' ')[1] ?? '', 'base64') });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a fingerprint', () => {
  it.each(['ed25519', 'ecdsa', 'rsa'])('of an %s key is what ssh-keygen prints', (type) => {
    expect(execFileSync('ssh-keygen', ['-lf', join(folder, `${type}.pub`)], { encoding: 'utf8' })).toContain(` ${fingerprintOf(key(type).blob)} `);
    expect(shortType(key(type).blob)).toBe(type);
  });
});

describe('known_hosts', () => {
  const web = { address: 'web1.example.org', port: 22 };

  it('is read as ssh-keygen -F reads it: plain, patterns, negated, other ports, hashed', () => {
    const line = key('ed25519').line;
    const rows: readonly [names: string, login: { address: string; port: number }, found: boolean][] = [
      ['web1.example.org', web, true],
      ['WEB1.example.org', web, true],
      ['web2.example.org', web, false],
      ['192.0.2.7,web1.example.org', web, true],
      ['*.example.org', web, true],
      ['web?.example.org', web, true],
      ['*.example.org,!web1.example.org', web, false],
      ['webX.example.org', web, false],
      ['web1.example.org', { ...web, port: 2222 }, false],
      ['[web1.example.org]:2222', { ...web, port: 2222 }, true],
      ['[web1.example.org]:2222', web, false],
    ];
    const file = join(folder, 'known');
    for (const [names, login, found] of rows) {
      writeFileSync(file, `${names} ${line}\n`);
      const name = nameOfLogin(login);
      expect([names, name, findKnownKeys(readFileSync(file, 'utf8'), login).keys.length > 0]).toEqual([names, name, found]);
      if (/[*?!]/.test(names)) continue;
      execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
      const hashed = readFileSync(file, 'utf8');
      expect(hashed).toMatch(/^\|1\|/);
      // A hash is of the exact name.
      if (names !== 'WEB1.example.org') expect([names, findKnownKeys(hashed, login).keys.length > 0]).toEqual([names, found]);
    }
  });

  it('has several types, revoked keys, and lines that count for nothing', () => {
    const text = [
      '# comment', '', 'web1.example.org', `web1.example.org ssh-ed25519 ${key('rsa').line.split(' ')[1] ?? ''}`, 'web1.example.org ssh-rsa !!!!',
      `@cert-authority *.example.org ${key('ecdsa').line}`, `@unknown web1.example.org ${key('ecdsa').line}`, `@revoked * ${key('rsa').line}`,
      `web1.example.org ${key('ed25519').line}`, `|1|broken ${key('ecdsa').line}`,
    ].join('\n');
    const known = findKnownKeys(text, web);
    expect(known.keys).toEqual([key('ed25519').blob]);
    expect(known.revoked).toEqual([key('rsa').blob]);
  });
});

describe('the verdict', () => {
  it('on a key', () => {
    const ed = key('ed25519').blob;
    const rsa = key('rsa').blob;
    const known = { keys: [ed], revoked: [] };
    expect(judgeHostKey(ed, { expected: undefined, known })).toEqual({ kind: 'accepted' });
    expect(judgeHostKey(rsa, { expected: undefined, known })).toEqual({ kind: 'wrong', wanted: fingerprintOf(ed) });
    expect(judgeHostKey(rsa, { expected: undefined, known: noKnownKeys })).toEqual({ kind: 'unknown' });
    expect(judgeHostKey(rsa, { expected: fingerprintOf(rsa), known })).toEqual({ kind: 'accepted' });
    expect(judgeHostKey(ed, { expected: fingerprintOf(rsa), known })).toEqual({ kind: 'wrong', wanted: fingerprintOf(rsa) });
    expect(judgeHostKey(ed, { expected: fingerprintOf(ed), known: { keys: [ed], revoked: [ed] } })).toMatchObject({ kind: 'wrong' });
  });

  it('asks for the kinds of keys that are known first, and never for SHA-1 or DSA', () => {
    const order = (type: string): string[] => algorithmsFor({ expected: undefined, known: { keys: [key(type).blob], revoked: [] } });
    expect(order('rsa').slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(order('ecdsa')[0]).toBe('ecdsa-sha2-nistp256');
    expect(order('ed25519')).toHaveLength(6);
    expect(order('ed25519')).not.toContain('ssh-rsa');
    expect(withoutFamily(algorithmsFor({ expected: 'SHA256:x', known: noKnownKeys }), key('ed25519').blob)[0]).toBe('ecdsa-sha2-nistp256');
  });
});

describe('a login', () => {
  it.each([
    ['root@192.0.2.7', { user: 'root', address: '192.0.2.7', port: 22 }],
    ['admin@web1.example.org:2222', { user: 'admin', address: 'web1.example.org', port: 2222 }],
    ['root@[2001:db8::7]:22', { user: 'root', address: '2001:db8::7', port: 22 }],
    ['root@2001:db8::7', { user: 'root', address: '2001:db8::7', port: 22 }],
  ])('%s', (text, login) => {
    expect(parseLogin(text, '--ssh')).toEqual(login);
  });

  it.each(['', 'root', '@192.0.2.7', '-oProxyCommand=x@192.0.2.7', 'ro ot@192.0.2.7', 'root@-oProxyCommand=x', 'root@192.0.2.7:0', 'root@192.0.2.7:65536', 'root@[web1]:22', 'root@a b', 'root@web1;id', 'root@', 'a@b@192.0.2.7'])('is refused: %j', (text) => {
    expect(() => parseLogin(text, '--ssh')).toThrow(/--ssh|address|host name|port/);
  });
});

import { describe, expect, it } from 'vitest';
import { ReeveError } from '../../shared/errors/error.js';
import { allowedHosts, parseWebConfig } from './config.js';

const defaults = { listen: { kind: 'port', address: '127.0.0.1', port: 8420 }, names: [], base: '', proxies: [], tls: undefined, logLevel: 'info' };

function problemsOf(text: string): string[] {
  try {
    parseWebConfig(text);
    return [];
  } catch (error) {
    if (!(error instanceof ReeveError)) throw error;
    return error.items.map(({ code, fields }) => `${code} ${fields['field'] ?? ''}`);
  }
}

describe('the configuration of the status page', () => {
  it('has defaults', () => {
    expect(parseWebConfig('')).toEqual(defaults);
    expect(parseWebConfig('# nothing\n\n  # here\n')).toEqual(defaults);
  });

  it('says where it is and by which names it is known', () => {
    expect(parseWebConfig('listen [::1]:9000\nname Status.Example.org\nname [2001:db8::1]:443\nbase /fleet/reeve\nproxy ::1\nproxy 10.0.0.1 # nginx\nlog-level debug')).toEqual({
      ...defaults, listen: { kind: 'port', address: '::1', port: 9000 }, names: ['status.example.org', '[2001:db8::1]:443'], base: '/fleet/reeve', proxies: ['::1', '10.0.0.1'], logLevel: 'debug',
    });
    expect(parseWebConfig('unix /run/reeve-web/web.sock').listen).toEqual({ kind: 'unix', path: '/run/reeve-web/web.sock' });
  });

  it.each(['0.0.0.0', '192.0.2.1', '[::]', '[2001:db8::1]'])('is refused for %s without TLS and without a proxy', (address) => {
    const listen = `listen ${address}:8420\nname status.example.org`;
    expect(problemsOf(listen)).toEqual(['FIELD_INVALID listen in line 1']);
    expect(problemsOf(`${listen}\nproxy 192.0.2.9`)).toEqual([]);
    expect(problemsOf(`${listen}\ncertificate /etc/reeve/web.crt\nkey /etc/reeve/web.key`)).toEqual([]);
  });

  it('is refused for other machines without a name', () => {
    expect(problemsOf('listen [::]:443\ncertificate /a\nkey /b')).toEqual(['FIELD_MISSING name']);
  });

  it.each([
    ['listen 8420', 'FIELD_INVALID listen in line 1'],
    ['listen localhost:8420', 'FIELD_INVALID listen in line 1'],
    ['listen 127.0.0.1:65536', 'FIELD_INVALID listen in line 1'],
    ['listen 127.0.0.1:1 127.0.0.1:2', 'FIELD_INVALID listen in line 1'],
    ['unix web.sock', 'FIELD_INVALID unix in line 1'],
    ['name http://status.example.org', 'FIELD_INVALID name in line 1'],
    ['name a:0', 'FIELD_INVALID name in line 1'],
    ['name a/b', 'FIELD_INVALID name in line 1'],
    ['base reeve', 'FIELD_INVALID base in line 1'],
    ['base /reeve/', 'FIELD_INVALID base in line 1'],
    ['base /../x', 'FIELD_INVALID base in line 1'],
    ['base /"><script>', 'FIELD_INVALID base in line 1'],
    ['proxy nginx', 'FIELD_INVALID proxy in line 1'],
    ['certificate /a', 'FIELD_MISSING key'],
    ['key /a', 'FIELD_MISSING certificate'],
    ['log-level loud', 'FIELD_INVALID log-level in line 1'],
    ['port 80', 'FIELD_UNKNOWN port in line 1'],
  ])('refuses %s', (line, problem) => {
    expect(problemsOf(line)).toEqual([problem]);
  });

  it('tells all that is wrong at once', () => {
    expect(problemsOf('listen x\nbase y\nzeal 1')).toEqual(['FIELD_INVALID listen in line 1', 'FIELD_INVALID base in line 2', 'FIELD_UNKNOWN zeal in line 3']);
  });
});

describe('names that are answered', () => {
  const plain = parseWebConfig('');

  it('are those of loopback with the port, and without it only where browsers leave it out', () => {
    expect([...allowedHosts(plain, 8420)]).toEqual(['localhost:8420', '127.0.0.1:8420', '[::1]:8420']);
    expect(allowedHosts(plain, 80).has('localhost')).toBe(true);
    expect(allowedHosts(parseWebConfig('certificate /a\nkey /b'), 80).has('localhost')).toBe(false);
    expect(allowedHosts(parseWebConfig('certificate /a\nkey /b'), 443).has('localhost')).toBe(true);
  });

  it('are the named ones alone where there are any', () => {
    expect([...allowedHosts(parseWebConfig('name status.example.org'), 8420)]).toEqual(['status.example.org']);
  });
});

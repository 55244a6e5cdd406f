import { describe, expect, it } from 'vitest';
import { fileBase, isWildcard, nameOfFileBase, parseDomain, parseSiteName } from './vhost-name.js';

const long = (length: number): string => `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`.slice(0, length - 4).replace(/\.$/, 'x') + '.org';

describe('a domain name', () => {
  it.each(['example.org', 'a.b', 'www.example.org', '9.example.org', 'x-1.example.co.uk', 'xn--bcher-kva.example', 'xn--p1ai.xn--p1ai', long(253)])('%s is one', (name) => {
    expect(parseDomain('name', name)).toBe(name);
  });

  it.each([
    '', 'localhost', 'Example.org', 'example.org.', '.example.org', 'a..b', 'a_b.example.org', '_dmarc.example.org', '-a.example', 'a-.example', '10.0.0.1', '1.2.3', 'a.1', '::1', '[::1].org', 'ab--c.example', 'xn--.example', 'xn--a.example', 'xn--bcher-kvb9999999.example',
    'xn--BCHER-kva.example', 'xn--example-.org', 'bücher.example', 'a b.example', 'a.example:80', 'http://a.example', 'a.example/', '*.example.org', '*', 'a.*.example', '*a.example', 'a*.example', `${'a'.repeat(64)}.org`, long(254), 'a.example\n', 'a.example\0', 'ａ.example', '$host.example', '"a".example', '-oProxyCommand=x.example',
  ])('%j is none', (name) => {
    expect(() => parseDomain('name', name)).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field: 'name' }) as object }) as Error);
  });

  it('may be all below a domain where that is said', () => {
    expect(parseDomain('name', '*.example.org', true)).toBe('*.example.org');
    for (const name of ['*.*.example.org', '*.org.', '*.com', '**.example.org', 'a.*.org', '*example.org']) expect(() => parseDomain('name', name, true), name).toThrow();
  });

  it.each([['Example.ORG', '"example.org"'], ['example.org.', '"example.org"'], ['bücher.example', '"xn--bcher-kva.example"'], ['BÜCHER.example', '"xn--bcher-kva.example"']])('%s is refused with what was meant: %s', (name, meant) => {
    expect(() => parseDomain('name', name)).toThrow(meant);
  });

  it('is suggested only where it is one', () => {
    expect(() => parseDomain('name', 'A_B.example')).toThrow(/not only digits$/);
  });
});

describe('the first name of a site', () => {
  it('fits into the names of its files', () => {
    expect(parseSiteName('name', long(230))).toHaveLength(230);
    expect(() => parseSiteName('name', long(231))).toThrow('at most 230 characters');
  });

  it('is what they are named after', () => {
    for (const name of ['example.org', '*.example.org']) expect(nameOfFileBase(fileBase(name))).toBe(name);
    expect(fileBase('*.example.org')).toBe('_.example.org');
    expect([isWildcard('*.example.org'), isWildcard('example.org')]).toEqual([true, false]);
  });
});

import { describe, expect, it } from 'vitest';
import { parseListen, formatListen } from './vhost-listen.js';
import { parseFolder, parseRoutePrefix, parseScript, parseSocket } from './vhost-path.js';
import { formatHeader, parseHeader, parseHostHeader, parseLine, parseRedirect } from './vhost-text.js';
import { parseUserHash, parseVhostUserName, parseVhostUsers } from './vhost-user.js';

/** What no field may hold, wherever it stands in a value. */
const bad = ['\n', '\r', '\0', '\x1b', '\x7f', '\u0085', '\u2028', '\u202e', '\u200b', '\ufeff', '\ue000'];

type Parse = (field: string, text: string) => unknown;
const grammars: readonly [string, Parse, readonly string[], readonly string[]][] = [
  ['a path of a route', parseRoutePrefix, ['/', '/app', '/a/b.c/~d/_e-f', '/.well-known', `/${'a'.repeat(200)}`], ['', 'app', '/app/', '//', '/a//b', '/..', '/a/../b', '/a..b', '/.', '/a/.', '/%2F', '/a b', '/a?b', '/a"b', '/a$b', '/ü', `/${'a'.repeat(201)}`, '/.well-known/reeve-probe']],
  ['a folder', parseFolder, ['/srv', '/srv/www.example.org/public_html', '/srv/a+b@c~d-e'], ['', '/', 'srv', '/srv/', '/srv//a', '/srv/../etc', '/srv/.git', '/srv/-a', '/srv/a b', '/srv/$x', '/srv/"', '/srv/{', `/${'a'.repeat(255)}`]],
  ['a socket', parseSocket, ['/run/php/php8.2-fpm.sock'], ['', '/', 'run/x', '/run/x:', '/run/x y', `/run/${'a'.repeat(103)}`]],
  ['a script', parseScript, ['/index.php', '/a/b-1.php'], ['', '/', 'index.php', '/index.html', '/.php', '/../x.php', '/a b.php', '/x.php/']],
  ['a header', parseHeader, ['X-Frame-Options: DENY', 'X:a', "Content-Security-Policy: default-src 'self'; script-src \"x\" \\ $", `X: ${'a'.repeat(1000)}`], ['', 'X', ': a', 'X:', 'X: ', 'X Y: a', 'X_Y: a', '1X: a', 'X: ü', `X: ${'a'.repeat(1001)}`, `X: ${'$'.repeat(300)}`, 'Connection: close', 'set-cookie: a=b', 'Content-Length: 1', 'Location: /x', 'Strict-Transport-Security: max-age=1']],
  ['a Host header', parseHostHeader, ['inner', 'localhost:3000', 'a.example', '10.0.0.1:80', '[fd00::1]:8080'], ['', 'A.example', 'a_b', 'a.example:', 'a.example:0', 'a.example:65536', '10.0.0.256', '[::x]', 'a b', 'a/b', 'a@b', '$host', '-a', 'a"']],
  ['a redirection', parseRedirect, ['/', '/a/b?c=$d#e', 'https://www.example.org', 'http://10.0.0.1:8080/x', 'https://[fd00::1]/%20', "https://a.example?x=';(*)"], [
    '', 'www.example.org', '//evil.example', 'ftp://a.example', 'https://', 'https://A.example', 'https://a.example:99999/', 'https://user@a.example/', '/a b', '/"', '/\\', '/{', '/%2', '/%zz', 'javascript:alert(1)', 'https://a.example/ü', `/${'a'.repeat(1000)}`, '/a#b#c',
  ]],
  ['a name of a user', parseVhostUserName, ['al', 'A.b_c@d-e', '-x', 'a'.repeat(32)], ['', 'a:b', 'a b', '#', 'ü', 'a'.repeat(33)]],
  ['a hash', parseUserHash, [`$2b$10$${'a'.repeat(53)}`, `$2b$14$${'./Z9'.repeat(13)}a`], ['', 'secret', `$2b$09$${'a'.repeat(53)}`, `$2b$15$${'a'.repeat(53)}`, `$2y$10$${'a'.repeat(53)}`, `$2b$10$${'a'.repeat(52)}`, `$2b$10$${'a'.repeat(52)}:`]],
  ['a line', (field, text) => parseLine(field, text, 100), ['', 'Größe "x" \\ $ {} ; # 東京 🙂', 'a'.repeat(100)], [' a', 'a ', 'a\tb', 'a'.repeat(101), 'u\u0308']],
  ['where it listens', parseListen, ['80', '443', '8443/plain', '9000/tls', '192.0.2.7:8080', '[2001:db8::7]:443'], ['', '0', '65536', '080', '80/ssl', '7420', '7424', '0.0.0.0:80', '[::]:80', '224.0.0.1:80', '[fe80::1]:80', '[::ffff:10.0.0.1]:80', 'a:80', '192.0.2.7', '192.0.2.07:80', '[2001:DB8::7]:80']],
];

describe.each(grammars)('%s', (_what, parse, good, wrong) => {
  it.each(good)('%j is one', (text) => {
    expect(() => parse('field', text)).not.toThrow();
  });

  it.each(wrong)('%j is none', (text) => {
    expect(() => parse('field', text)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^FIELD_(?:INVALID|MISSING)$/) as string }) as Error);
  });

  it('has no character that cannot be seen', () => {
    for (const text of good) for (const character of bad) for (const at of [0, 1, text.length]) expect(() => parse('field', text.slice(0, at) + character + text.slice(at)), JSON.stringify([text, character, at])).toThrow();
  });

  it('is refused quickly where it is very long', () => {
    const [first = ''] = good;
    for (const piece of ['a', '/', '/a', 'a.', '.', '$', '%41', '-', ':', '[', 'a-', ' ', '"']) {
      const text = first + piece.repeat(65_536 / piece.length);
      const before = performance.now();
      expect(() => parse('field', text)).toThrow();
      // 10 ms on a machine of its own; this one may have other things to do.
      expect(performance.now() - before).toBeLessThan(200);
    }
  });
});

describe('what is written again', () => {
  it('is as it was read', () => {
    for (const text of ['80', '443', '8443/plain', '9000/tls', '192.0.2.7:8080', '[2001:db8::7]:443', '80/tls']) expect(formatListen(parseListen('listen', text))).toBe(text);
    for (const text of ['X-Frame-Options: DENY', 'X: a: b']) expect(formatHeader(parseHeader('header', text))).toBe(text);
  });

  it('a hash is not shown by the error', () => {
    expect(() => parseUserHash('hash', '$2y$10$verysecret')).not.toThrow(/verysecret/);
    expect(() => parseVhostUsers('users', [{ name: 'a', hash: 'verysecret' }])).not.toThrow(/verysecret/);
    expect(() => parseVhostUsers('users', [{ name: 'a', hash: 'verysecret' }])).toThrow('users[0].hash');
  });
});

import { describe, expect, it } from 'vitest';
import { block, directive, plain, returnIf, serialize, text, variable, word } from './serialize.js';

describe('directives', () => {
  it('are written one in a line, blocks indented', () => {
    expect(serialize([block('server', [], [directive('listen', 443, 'ssl', 'http2'), block('location', ['^~', plain('/a/')], [returnIf('uri', '!~', plain('^/a\\.b'), 400), block('types', [], [])])])])).toBe(
      'server {\n    listen 443 ssl http2;\n    location ^~ "/a/" {\n        if ($uri !~ "^/a\\\\.b") {\n            return 400;\n        }\n        types { }\n    }\n}\n',
    );
  });

  it.each([
    ['a quote', 'a"b', '"a\\"b"'],
    ['a backslash', 'a\\b', '"a\\\\b"'],
    ['a backslash at the end', 'a\\', '"a\\\\"'],
    ['a dollar', '$host', '"${reeve_dollar}host"'],
    ['a variable in braces', '${host}', '"${reeve_dollar}{host}"'],
    ['what ends a directive', '; } #', '"; } #"'],
    ['nothing', '', '""'],
  ])('quote %s in data', (_what, data, written) => {
    expect(serialize([directive('return', 200, text(data))])).toBe(`return 200 ${written};\n`);
  });

  it('keep variables apart from text behind them', () => {
    expect(serialize([directive('return', 301, text('https://', variable('host'), 'x', variable('request_uri'), '/', variable('args')))])).toBe('return 301 "https://${host}x$request_uri/$args";\n');
  });

  it.each([
    ['a word with a blank', () => word('a b')],
    ['a word with a quote', () => word('a"b')],
    ['a word with a brace', () => word('a{')],
    ['a word that ends a directive', () => word('a;')],
    ['an empty word', () => word('')],
    ['a dollar where nginx replaces nothing', () => plain('/$a')],
    ['a control character', () => text('a\nb')],
    ['a zero byte', () => plain('a\0')],
    ['a variable that is none', () => text(variable('a-b'))],
    ['more than nginx reads at once', () => text('a'.repeat(4093))],
    ['more bytes than nginx reads at once', () => text('ü'.repeat(2047))],
  ])('never have %s', (_what, make) => {
    expect(() => serialize([directive('return', 200, make())])).toThrow(RangeError);
  });

  it('may have what nginx can just read', () => {
    expect(serialize([directive('return', 200, text('a'.repeat(4092)))])).toHaveLength('return 200 "";\n'.length + 4092);
  });
});

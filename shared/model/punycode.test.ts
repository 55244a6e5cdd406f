import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodePunycode, encodePunycode } from './punycode.js';

it.each([['bcher-kva', 'bücher'], ['egbpdaj6bu4bxfgehfvwxn', 'ليهمابتكلموشعربي؟'], ['ihqwcrb4cv8a8dqg056pqjye', '他们为什么不说中文'], ['3B-ww4c5e180e575a65lsy2b', '3年B組金八先生'], ['-> $1.00 <--', '-> $1.00 <-']])('%s is %s (RFC 3492 7.1)', (encoded, text) => {
  expect(encodePunycode(text)).toBe(encoded);
  expect(decodePunycode(encoded)).toBe(text);
});

it('what is encoded is decoded again', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !/[\ud800-\udfff]/u.test(text)), (text) => decodePunycode(encodePunycode(text)) === text));
});

it('agrees with node', () => {
  fc.assert(fc.property(fc.array(fc.constantFrom('a', 'ü', 'ж', '東', 'é', 'z', '0', 'ğ'), { minLength: 1, maxLength: 12 }), (letters) => {
    const text = letters.join('');
    return /^[\0-\x7f]*$/.test(text) || `xn--${encodePunycode(text)}` === domainToASCII(text);
  }));
});

it.each(['ü', 'a b', 'A', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz', '99999999', 'ab-!'])('%s stands for nothing, or for nothing that is encoded so', (text) => {
  const decoded = decodePunycode(text);
  expect(decoded === undefined || encodePunycode(decoded) !== text).toBe(true);
});

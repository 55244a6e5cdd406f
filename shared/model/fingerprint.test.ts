import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { formatFingerprint, parseFingerprint } from './fingerprint.js';

it('reads what it writes, as ssh-keygen has it', () => {
  const hex = createHash('sha256').update('').digest('hex');
  expect(formatFingerprint(hex)).toBe('SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU');
  for (let n = 0; n < 200; n += 1) {
    const one = createHash('sha256').update(String(n)).digest('hex');
    expect(parseFingerprint(formatFingerprint(one))).toBe(one);
  }
});

it.each([
  '', 'SHA256:', 'MD5:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU', 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  // The last character has bits that mean nothing: there is one way to write a fingerprint.
  'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV', 'SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
])('refuses "%s"', (text) => {
  expect(() => parseFingerprint(text)).toThrow();
});

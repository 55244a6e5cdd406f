import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { formatMetricToken, parseMetricToken } from './metric-token.js';

it('is one word that gives the secret back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
      const text = formatMetricToken(secret);
      expect(text).toMatch(/^reevemetrics1_[A-Za-z0-9_-]{43}$/);
      expect(Buffer.from(parseMetricToken(text) ?? [])).toEqual(Buffer.from(secret));
    }),
  );
});

test.each(['', 'reevemetrics1_', `reevemetrics1_${'A'.repeat(42)}`, `reevemetrics1_${'A'.repeat(42)}B`, `reevemetrics1_${'A'.repeat(44)}`, `reeve1_${'A'.repeat(43)}`, ` reevemetrics1_${'A'.repeat(43)}`])('%j is no token', (text) => {
  expect(parseMetricToken(text)).toBeUndefined();
});

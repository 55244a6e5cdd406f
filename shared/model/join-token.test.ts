import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReeveError } from '../errors/error.js';
import { formatJoinToken, parseJoinToken, parseReachableEndpoint } from './join-token.js';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const endpoint = fc.record({
  address: fc.constantFrom('198.18.0.1', '2001:db8::7', 'reeve.example.org', 'coordinator'),
  port: fc.integer({ min: 1, max: 65535 }),
});

describe('join token', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(bytes32, bytes32, fc.array(endpoint, { minLength: 1, maxLength: 8 }), (token, pin, endpoints) => {
        const text = formatJoinToken({ token, pin, endpoints });
        expect(text).toMatch(/^reeve1_[A-Za-z0-9_-]+$/);
        expect(parseJoinToken(`${text}\n`)).toEqual({ token, pin, endpoints });
      }),
    );
  });

  it('uses the base64url of RFC 4648', () => {
    const text = formatJoinToken({ token: new Uint8Array(32).fill(7), pin: new Uint8Array(32).fill(255), endpoints: [{ address: '198.18.0.1', port: 7422 }] });
    const payload = Buffer.from(text.slice('reeve1_'.length), 'base64url');
    expect(payload.toString('base64url')).toBe(text.slice('reeve1_'.length));
    expect(payload.subarray(65).toString()).toBe('198.18.0.1:7422');
  });

  it('never throws anything but FIELD_INVALID, and never shows the text', () => {
    const good = formatJoinToken({ token: new Uint8Array(32).fill(1), pin: new Uint8Array(32), endpoints: [{ address: '198.18.0.1', port: 7422 }] });
    const damaged = fc.tuple(fc.nat(good.length - 1), fc.string({ minLength: 0, maxLength: 2 })).map(([at, put]) => good.slice(0, at) + put + good.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(fc.string(), damaged, fc.string().map((tail) => `reeve1_${tail}`)), (text) => {
        try {
          parseJoinToken(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ReeveError);
          expect((error as ReeveError).code).toBe('FIELD_INVALID');
          if (text.trim().length > 20) expect((error as ReeveError).message).not.toContain(text.trim());
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['', 'reeve1_', 'reeve1_AQ', 'reeve2_AAAA', `reeve1_${'A'.repeat(5000)}`])('refuses %j', (text) => {
    expect(() => parseJoinToken(text)).toThrow(/join token/);
  });

  it.each([
    ['198.18.0.1:7422', { address: '198.18.0.1', port: 7422 }],
    ['[2001:db8::7]:7421', { address: '2001:db8::7', port: 7421 }],
    ['reeve.example.org:7421', { address: 'reeve.example.org', port: 7421 }],
  ])('reads the endpoint %s', (text, wanted) => {
    expect(parseReachableEndpoint(text)).toEqual(wanted);
  });

  it.each(['', 'a b:1', 'UPPER:1', 'x:99999', '-x:7421', 'x:0'])('refuses the endpoint %j', (text) => {
    expect(() => parseReachableEndpoint(text)).toThrow(ReeveError);
  });
});

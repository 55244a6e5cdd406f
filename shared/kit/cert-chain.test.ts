import { describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../../agent/cert/self-signed.js';
import { makeTestAuthority } from '../../test/support/test-cert.js';
import { readChain, timeProblem } from './cert-chain.js';

const now = Date.now();
const authority = makeTestAuthority();
const { root, intermediate } = authority;
const site = authority.issue(['a.example', '*.b.example']);

describe('a chain of certificates', () => {
  it.each([
    ['one alone', site.cert],
    ['one with its authority', site.cert + intermediate],
    ['one with all authorities', site.cert + intermediate + root],
    ['a self-signed one', makeSelfSigned({ names: ['a.example', '*.b.example'], days: 90, now }).certPem],
  ])('%s is read', (_what, pem) => {
    const { facts, problem } = readChain(pem);
    expect(problem).toBeUndefined();
    expect(facts).toMatchObject({ names: ['a.example', '*.b.example'], fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string, spki: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect((facts?.notAfter ?? 0) * 1000 - now).toBeGreaterThan(89 * 86_400_000);
  });

  it('says who issued it', () => {
    expect(readChain(site.cert).facts?.issuer).toBe('Test, test lower');
  });

  it.each<[string, string, string]>([
    ['in the wrong order', intermediate + site.cert, 'certificate 2 did not issue certificate 1: that of the service comes first, then each authority'],
    ['with one left out', site.cert + root, 'certificate 2 did not issue certificate 1: that of the service comes first, then each authority'],
    ['with a stranger behind it', site.cert + intermediate + makeTestAuthority().root, 'certificate 3 did not issue certificate 2: that of the service comes first, then each authority'],
    ['with a block that is none', `${site.cert}-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n`, 'block 2 is no X.509 certificate'],
    ['of nothing', '', '1 to 16 certificates are wanted, and nothing around them'],
    ['of a key', site.key, '1 to 16 certificates are wanted, and nothing around them'],
    ['that is far too long', site.cert.repeat(17), '1 to 16 certificates are wanted, and nothing around them'],
  ])('%s is refused', (_what, pem, problem) => {
    expect(readChain(pem).problem).toBe(problem);
  });

  it('is no good before and after its time', () => {
    const times = { notBefore: now / 1000, notAfter: now / 1000 + 100 };
    expect(timeProblem(times, now)).toBeUndefined();
    expect(timeProblem(times, now - 590_000)).toBeUndefined();
    expect(timeProblem(times, now - 700_000)).toMatch(/^it is good only from 20\d\d-.*Z on$/);
    expect(timeProblem(times, now + 101_000)).toMatch(/^it expired 20\d\d-.*Z$/);
  });
});
